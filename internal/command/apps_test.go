package command

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

// connected starts a Graph API and puts the access token for its Page and its
// account into the environment.
func connected(t *testing.T) *graphtest.Server {
	t.Helper()
	cleanEnvironment(t)
	t.Setenv("META_APP_ID", testAppID)
	t.Setenv("META_APP_SECRET", testSecret)
	t.Setenv("META_VERIFY_TOKEN", testToken)
	t.Setenv("META_ACCESS_TOKEN", graphtest.AccessToken)
	return graphtest.Start(t, graph.DefaultVersion, testAppID, testSecret)
}

func TestAppsOfAPage(t *testing.T) {
	server := connected(t)
	apps := func(command string, args ...string) result {
		return subscriptions(t, server, append([]string{"apps", command, "--page-id", graphtest.PageID}, args...)...)
	}
	const page = "Page " + graphtest.PageID
	apps("list").want(t, 0, "APP ID          NAME            FIELDS\n52565000000001  Jaspers Market  leadgen\n",
		"App "+testAppID+" is not subscribed to "+page+" and gets none of its events.\n")
	apps("add", "--fields", "messages").want(t, 0, "App "+testAppID+" is subscribed to messages of "+page+"\n", "")
	// the Graph API of the test replaces fields
	apps("add", "--fields", "feed, messages").want(t, 0, "App "+testAppID+" is subscribed to feed, messages of "+page+"\n", "")
	if got, want := server.Connections().PageFields, []string{"feed", "messages"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got fields %v at Meta, want %v", got, want)
	}
	apps("add", "--fields", "mention").want(t, 0, "subscribed to feed, mention, messages of", "")
	apps("list").want(t, 0, "\n"+testAppID+"  Lucky Shrub     feed, mention, messages\n", "")
	apps("list", "--json").want(t, 0, `{"id":"`+testAppID+`","name":"Lucky Shrub","subscribed_fields":["feed","mention","messages"]}`+"\n", "")
	apps("add", "--fields", "fead").want(t, 2, "", "Error: Meta answered 400: (#100) Param subscribed_fields must be one of")
	apps("remove").want(t, 0, "The app is unsubscribed from "+page+"\n", "")
	if got := server.Connections().PageFields; len(got) != 0 {
		t.Errorf("got fields %v at Meta, want none", got)
	}
}

func TestAppsOfAnAccount(t *testing.T) {
	server := connected(t)
	apps := func(command string, args ...string) result {
		return subscriptions(t, server, append([]string{"apps", command, "--waba-id", graphtest.AccountID}, args...)...)
	}
	const account = "WhatsApp Business Account " + graphtest.AccountID
	apps("list").want(t, 0, "APP ID          NAME            OVERRIDE\n52565000000001  Jaspers Market  -\n",
		"App "+testAppID+" is not subscribed to "+account+" and gets none of its events.\n")
	apps("add").want(t, 0, "App "+testAppID+" is subscribed to "+account+"\n", "")
	apps("list").want(t, 0, "\n"+testAppID+"  Lucky Shrub     -\n", "")
	apps("remove").want(t, 0, "The app is unsubscribed from "+account+"\n", "")
	if server.Connections().Subscribed {
		t.Error("got a subscribed app, want none")
	}
}

// TestAddingAnAppKeepsTheOverride: subscribing to an account again would remove
// it.
func TestAddingAnAppKeepsTheOverride(t *testing.T) {
	server := connected(t)
	callback := callbackFor(t, server, testToken)
	account := []string{"--waba-id", graphtest.AccountID}
	subscriptions(t, server, append(account, "apps", "add")...).want(t, 0, "is subscribed", "")
	subscriptions(t, server, append(account, "overrides", "set", "--callback", callback)...).want(t, 0, "Meta sends", "")
	subscriptions(t, server, append(account, "apps", "add")...).want(t, 0, "already subscribed", "")
	subscriptions(t, server, append(account, "apps", "add", "--app-id", "1")...).
		want(t, 2, "", "the access token may be that of app "+testAppID+", whose override for WhatsApp Business Account ")
	if got := server.Connections().Account.URL; got != callback {
		t.Errorf("got override %q at Meta, want %s", got, callback)
	}
}

func TestConnectionsUsageErrors(t *testing.T) {
	server := connected(t)
	for want, args := range map[string][]string{
		"at least one of the flags in the group [page-id waba-id] is required": {"apps", "list"},
		"none of the others can be":                                                    {"apps", "list", "--page-id", "1", "--waba-id", "2"},
		"--page-id: must be a number":                                                  {"apps", "list", "--page-id", "shop"},
		"an ID must not be empty":                                                      {"apps", "list", "--page-id", ""},
		"--fields: required with --page-id":                                            {"apps", "add", "--page-id", "1"},
		"--fields: requires --page-id":                                                 {"apps", "add", "--waba-id", "1", "--fields", "messages"},
		"--fields: a name is empty":                                                    {"apps", "add", "--page-id", "1", "--fields", "feed,"},
		"the app ID must be a number":                                                  {"apps", "list", "--page-id", "1", "--app-id", "shop"},
		`unknown command "subscribe": must be one of add, list, remove`:                {"apps", "subscribe"},
		`unknown command "subscribed_apps", did you mean "apps"?`:                      {"subscribed_apps"},
		"at least one of the flags in the group [waba-id phone-number-id] is required": {"overrides", "remove"},
		"--phone-number-id: must be the ID of a phone number, not the number":          {"overrides", "list", "--phone-number-id", "+15550783881"},
		`required flag(s) "callback" not set`:                                          {"overrides", "set", "--waba-id", "1"},
		"--callback: must be an https:// URL":                                          {"overrides", "set", "--waba-id", "1", "--callback", "http://example.com/"},
		"--callback: must be at most 200 characters":                                   {"overrides", "set", "--waba-id", "1", "--callback", "https://example.com/" + strings.Repeat("a", 200)},
		"--access-token-file: open /does/not/exist: no such file or directory":         {"overrides", "list", "--waba-id", "1", "--access-token-file", "/does/not/exist"},
	} {
		subscriptions(t, server, args...).want(t, 1, "", want)
	}
	t.Setenv("META_APP_ID", "")
	for _, args := range [][]string{{"apps", "add"}, {"overrides", "remove"}} {
		subscriptions(t, server, append(args, "--waba-id", "1")...).want(t, 1, "", "missing app ID: set META_APP_ID or use --app-id")
	}
	t.Setenv("META_VERIFY_TOKEN", "")
	subscriptions(t, server, "overrides", "set", "--waba-id", "1", "--callback", "https://example.com/").want(t, 1, "", "missing verify token")
	t.Setenv("META_ACCESS_TOKEN", "")
	for _, args := range [][]string{{"apps", "list"}, {"apps", "remove"}, {"overrides", "list"}} {
		subscriptions(t, server, append(args, "--waba-id", "1")...).
			want(t, 1, "", "missing access token: set META_ACCESS_TOKEN or use --access-token-file")
	}
}

func TestConnectionsWithTheTokenOfAnApp(t *testing.T) {
	server := connected(t)
	t.Setenv("META_ACCESS_TOKEN", server.Token)
	for _, args := range [][]string{
		{"apps", "list", "--page-id", graphtest.PageID},
		{"apps", "add", "--page-id", graphtest.PageID, "--fields", "feed"},
		{"apps", "remove", "--waba-id", graphtest.AccountID},
		{"overrides", "list", "--waba-id", graphtest.AccountID},
		{"overrides", "remove", "--waba-id", graphtest.AccountID},
		{"overrides", "remove", "--phone-number-id", graphtest.NumberIDs[0]},
		{"overrides", "set", "--phone-number-id", graphtest.NumberIDs[0], "--callback", "https://example.com/"},
	} {
		subscriptions(t, server, args...).want(t, 2, "", "\nThis call requires a Page access token with the permission pages_manage_metadata for a Page")
	}
}
