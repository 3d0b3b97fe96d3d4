package command

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

const testAppID = "188559381496048"

// subscriptions runs a subcommand of subscriptions against a Graph API.
func subscriptions(t *testing.T, server *graphtest.Server, args ...string) result {
	t.Helper()
	return command(t, "", slices.Concat([]string{"subscriptions"}, args, []string{"--graph-url", server.URL})...)
}

func TestSubscriptionsAreAddedListedAndRemoved(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("META_APP_ID", testAppID)
	t.Setenv("META_APP_SECRET", testSecret)
	t.Setenv("META_VERIFY_TOKEN", testToken)
	server := graphtest.Start(t, graph.DefaultVersion, testAppID, testSecret)
	callback := callbackFor(t, server, testToken)

	subscriptions(t, server, "list").want(t, 0, "", "The app has no subscriptions.")
	subscriptions(t, server, "list", "--json").want(t, 0, "", "")
	subscriptions(t, server, "add", "--object", "page", "--fields", "feed,mention", "--callback", callback).
		want(t, 0, "Subscribed to feed, mention of page. Meta sends notifications to "+callback+"\n", "")
	subscriptions(t, server, "add", "--object", "user", "--fields", "photos", "--callback", callback, "--include-values=false").
		want(t, 0, "Subscribed to photos of user", "")
	want := []graphtest.Subscription{
		{Object: "page", CallbackURL: callback, VerifyToken: testToken, Fields: []string{"feed", "mention"}, IncludeValues: true},
		{Object: "user", CallbackURL: callback, VerifyToken: testToken, Fields: []string{"photos"}},
	}
	if got := server.Subscriptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v at Meta, want %v", got, want)
	}
	list := subscriptions(t, server, "list")
	list.want(t, 0, "page    yes     "+callback+"  feed, mention\nuser    yes     "+callback+"  photos\n", "")
	if !strings.HasPrefix(list.out, "OBJECT  ACTIVE  CALLBACK ") {
		t.Errorf("got %q, want a header", list.out)
	}
	subscriptions(t, server, "list", "--json").want(t, 0,
		`{"object":"page","callback_url":"`+callback+`","active":true,"fields":[{"name":"feed","version":"v26.0"},{"name":"mention","version":"v26.0"}]}`+"\n", "")

	subscriptions(t, server, "remove", "--object", "page", "--fields", "mention").want(t, 0, "Unsubscribed from mention of page\n", "")
	subscriptions(t, server, "remove", "--object", "user").want(t, 0, "Unsubscribed from user\n", "")
	want = want[:1]
	want[0].Fields = []string{"feed"}
	if got := server.Subscriptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v at Meta, want %v", got, want)
	}
}

func TestErrorsOfTheGraphAPI(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("META_APP_ID", testAppID)
	t.Setenv("META_APP_SECRET", testSecret)
	t.Setenv("META_VERIFY_TOKEN", testToken)
	server := graphtest.Start(t, graph.DefaultVersion, testAppID, testSecret)
	other := callbackFor(t, server, "another token")
	add := []string{"add", "--object", "page", "--fields", "feed", "--callback", other}
	subscriptions(t, server, add...).want(t, 2, "", "Error: Meta answered 400: (#2200) Callback verification failed with the following errors: HTTP Status Code = 403")
	subscriptions(t, server, "remove", "--object", "page").want(t, 2, "", "Error: Meta answered 400: (#100) ")
	for _, args := range [][]string{{"list"}, {"remove", "--object", "page"}, add} {
		t.Setenv("META_APP_SECRET", testSecret+"2")
		subscriptions(t, server, args...).want(t, 2, "", "Error: Meta answered 400: Malformed access token REDACTED")
		t.Setenv("META_APP_SECRET", "")
		subscriptions(t, server, args...).want(t, 1, "", "missing app access token")
	}
}

func TestSubscriptionsUsageErrors(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("META_APP_ID", testAppID)
	t.Setenv("META_APP_SECRET", testSecret)
	add := func(object, fields, callback string) []string {
		return []string{"add", "--object", object, "--fields", fields, "--callback", callback}
	}
	const callback = "https://example.com/"
	for want, args := range map[string][]string{
		"--object: instagram can only be subscribed to in the App Dashboard": add("instagram", "comments", callback),
		"instagram can only be subscribed to in the":                         {"remove", "--object", "Instagram"},
		`--object: unknown object "pages", did you mean "page"?`:             add("pages", "feed", callback),
		`"whatsapp", did you mean "whatsapp_business_account"?`:              add("whatsapp", "messages", callback),
		`unknown object "pigeon": must be one of ad_account, application, `:  add("pigeon", "feed", callback),
		"--fields: a name is empty":                                          add("page", "feed,,mention", callback),
		"--callback: must be an https:// URL":                                add("page", "feed", "http://example.com/"),
		"--callback: must be an https:// URL such as":                        add("page", "feed", "example.com/webhooks"),
		"--callback: must have neither a user nor a fragment":                add("page", "feed", "https://user:password@example.com/"),
		"neither a user nor a fragment":                                      add("page", "feed", "https://example.com/#webhooks"),
		`required flag(s) "callback", "fiel`:                                 {"add", "--object", "page"},
		`required flag(s) "object"`:                                          {"remove"},
		"missing verify token":                                               add("page", "feed", callback),
		"must begin with https://":                                           {"list", "--graph-url", "http://graph.facebook.com"},
	} {
		command(t, "", append([]string{"subscriptions"}, args...)...).want(t, 1, "", want)
	}
	command(t, "", append([]string{"subscriptions"}, add("page", "feed", callback+"a+b")...)...).
		want(t, 1, "", "Warning: the callback URL contains +; Meta asks for %20 in place of it\n")
}
