package command

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

func TestCredentialsOfTheGraphAPI(t *testing.T) {
	server := graphtest.Start(t, "v1.0", testAppID, testSecret)
	token := testAppID + "|" + testSecret
	for name, test := range map[string]struct {
		id, secret, token string // in the environment
		args              []string
		want              string // error; empty for none
	}{
		"id and secret":              {testAppID, testSecret, "", nil, ""},
		"the id as an option":        {"1", testSecret, "", []string{"--app-id", testAppID}, ""},
		"the secret in a file":       {testAppID, "wrong", "wrong", []string{"--secret-file", textFile(t, testSecret)}, ""},
		"a token, with the id in it": {"", "", token, nil, ""},
		"a token before a secret":    {testAppID, "wrong", token, nil, ""},
		"a token in a file":          {"", "wrong", "wrong", []string{"--access-token-file", textFile(t, token+"\n")}, ""},
		"a Page's token besides":     {testAppID, testSecret, "EAAB", nil, ""},
		"nothing":                    {"", "", "", nil, "missing app access token: set META_ACCESS_TOKEN, or META_APP_ID and META_APP_SECRET"},
		"no id":                      {"", testSecret, "", nil, "missing app ID: set META_APP_ID"},
		"no id in the token":         {"", "", "EAAB", nil, "missing app ID: set META_APP_ID"},
		"an invalid id":              {"shop", testSecret, "", nil, "the app ID must be a number"},
		"no such file":               {testAppID, testSecret, "", []string{"--access-token-file", "/does/not/exist"}, "--access-token-file: open"},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnvironment(t)
			t.Setenv("META_APP_ID", test.id)
			t.Setenv("META_APP_SECRET", test.secret)
			t.Setenv("META_ACCESS_TOKEN", test.token)
			got := subscriptions(t, server, append([]string{"list", "--json", "--graph-version", "v1.0"}, test.args...)...)
			if test.want != "" {
				got.want(t, 1, "", test.want)
			} else {
				got.want(t, 0, "", "")
			}
		})
	}
}
