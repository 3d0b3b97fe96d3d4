package command

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

// callbackFor starts a callback URL with a verify token, which the Graph API can
// reach.
func callbackFor(t *testing.T, server *graphtest.Server, token string) string {
	t.Helper()
	s := httptest.NewTLSServer(verifying(token))
	t.Cleanup(s.Close)
	server.VerifyWith(s.Client())
	return s.URL
}

func TestOverridesOfANumber(t *testing.T) {
	server := connected(t)
	callback := callbackFor(t, server, testToken)
	id := graphtest.NumberIDs[1]
	number := []string{"--phone-number-id", id}
	subscriptions(t, server, append(number, "overrides", "set", "--callback", callback+"/berlin")...).
		want(t, 0, "Meta sends notifications of phone number "+id+" to "+callback+"/berlin\n", "")
	if got, want := server.Connections().Numbers[id], (graphtest.Override{URL: callback + "/berlin", VerifyToken: testToken}); got != want {
		t.Errorf("got %+v at Meta, want %+v", got, want)
	}
	subscriptions(t, server, append(number, "overrides", "list")...).want(t, 0, ""+
		"LEVEL    ID               PHONE NUMBER     CALLBACK\n"+
		"app      188559381496048  -                -\n"+
		"account  -                -                -\n"+
		"number   106540352242923  +1 555-078-3923  "+callback+"/berlin\n", "")
	subscriptions(t, server, append(number, "overrides", "remove")...).want(t, 0, "The override of phone number "+id+" is removed\n", "")
	if got := server.Connections().Numbers; len(got) != 0 {
		t.Errorf("got %+v at Meta, want no override", got)
	}
}

func TestOverridesOfAnAccount(t *testing.T) {
	server := connected(t)
	callback := callbackFor(t, server, testToken)
	account := []string{"--waba-id", graphtest.AccountID}
	set := append(account, "overrides", "set", "--callback", callback+"/munich")
	subscriptions(t, server, set...).want(t, 2, "", "or the app is not yet subscribed to the account (caddy meta-webhook subscriptions apps add)")
	subscriptions(t, server, append(account, "overrides", "remove")...).
		want(t, 2, "", "Error: app "+testAppID+" has no override for WhatsApp Business Account "+graphtest.AccountID)
	if server.Connections().Subscribed {
		t.Error("got a subscribed app after removing an override, want none")
	}

	subscriptions(t, server, append(account, "apps", "add")...).want(t, 0, "is subscribed", "")
	subscriptions(t, server, "add", "--object", "whatsapp_business_account", "--fields", "messages", "--callback", callback).want(t, 0, "Subscribed", "")
	subscriptions(t, server, set...).want(t, 0, "Meta sends notifications of WhatsApp Business Account "+graphtest.AccountID+" to "+callback+"/munich\n", "")
	subscriptions(t, server, "--phone-number-id", graphtest.NumberIDs[0], "overrides", "set", "--callback", callback+"/berlin").want(t, 0, "Meta sends", "")
	subscriptions(t, server, append(account, "overrides", "list")...).want(t, 0, ""+
		"LEVEL    ID               PHONE NUMBER     CALLBACK\n"+
		"app      188559381496048  -                "+callback+"\n"+
		"account  102290129340398  -                "+callback+"/munich\n"+
		"number   106540352242922  +1 555-078-3922  "+callback+"/berlin\n"+
		"number   106540352242923  +1 555-078-3923  -\n", "")
	subscriptions(t, server, append(account, "overrides", "list", "--json")...).want(t, 0,
		`{"id":"106540352242922","display_phone_number":"+1 555-078-3922","verified_name":"Lucky Shrub","webhook_configuration":`+
			`{"phone_number":"`+callback+`/berlin","whatsapp_business_account":"`+callback+`/munich","application":"`+callback+`"}}`+"\n", "")

	subscriptions(t, server, append(account, "overrides", "remove", "--app-id", graphtest.OtherAppID)...).
		want(t, 2, "", "has no override for")
	if got := server.Connections().Account.URL; got != callback+"/munich" {
		t.Errorf("got override %q at Meta, want it to stay", got)
	}
	subscriptions(t, server, append(account, "overrides", "remove")...).
		want(t, 0, "The override of WhatsApp Business Account "+graphtest.AccountID+" is removed\n", "")
	if got := server.Connections(); !got.Subscribed || got.Account.URL != "" {
		t.Errorf("got %+v at Meta, want a subscribed app without override", got)
	}
}

func TestOverridesThatMetaCannotVerify(t *testing.T) {
	server := connected(t)
	callback := callbackFor(t, server, "another token")
	subscriptions(t, server, "overrides", "set", "--phone-number-id", graphtest.NumberIDs[0], "--callback", callback).
		want(t, 2, "", "Error: Meta answered 400: (#2200) Callback verification failed with the following errors: HTTP Status Code = 403")
	if got := server.Connections().Numbers; len(got) != 0 {
		t.Errorf("got %+v at Meta, want no override", got)
	}
}
