package metawebhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfileAndJSONGiveTheSameHandler(t *testing.T) {
	for _, tc := range []struct{ name, caddyfile, json string }{
		{"nothing", `meta_webhook`, `{}`},
		{"empty block", "meta_webhook {\n}", `{}`},
		{
			"the least", "meta_webhook {\n verify_token {env.T}\n app_secret {env.S}\n}",
			`{"verify_token":["{env.T}"],"app_secret":["{env.S}"]}`,
		},
		{"dedup alone", "meta_webhook {\n dedup\n}", `{"dedup":{}}`},
		{"dedup off", "meta_webhook {\n dedup off\n}", `{"dedup":{"off":true}}`},
		{"store alone", "meta_webhook {\n store file\n}", `{"store":{"module":"file"}}`},
		{"client_cert alone", "meta_webhook {\n client_cert\n}", `{"client_cert":{}}`},
		{
			"everything", `meta_webhook {
				name         shop
				verify_token old new
				app_secret   {env.A} {file./run/b}
				deliver      batch
				cloudevents
				parallel     8
				sign         {env.NEW} whsec_old
				max_size     5MiB
				body_timeout 1m30s
				store memory {
					max_events 5
				}
				dedup {
					window   1h
					window   page 2h
					on_error reject
				}
				client_cert  a.example b.example {
					require    all
					trust_pool file root.pem
					forwarded  X-Amzn-Mtls-Clientcert-Subject
				}
			}`,
			`{"name":"shop","verify_token":["old","new"],"app_secret":["{env.A}","{file./run/b}"],` +
				`"client_cert":{"names":["a.example","b.example"],"require":"all","trust_pool":{"pem_files":["root.pem"],"provider":"file"},` +
				`"forwarded":"X-Amzn-Mtls-Clientcert-Subject"},"deliver":"batch",` +
				`"cloudevents":true,"parallel":8,"sign":["{env.NEW}","whsec_old"],"max_size":5242880,"body_timeout":90000000000,` +
				`"store":{"max_events":5,"module":"memory"},"dedup":{"window":3600000000000,"windows":{"page":7200000000000},"on_error":"reject"}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := new(Handler)
			if err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tc.caddyfile)); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.json {
				t.Errorf("got  %s\nwant %s", got, tc.json)
			}
		})
	}
}

func TestCaddyfileErrorsNameTheLine(t *testing.T) {
	for _, tc := range []struct{ option, want string }{
		{"certificate x", "unrecognized meta_webhook option 'certificate'"},
		{`client_cert ""`, "client_cert: a name is empty"},
		{"client_cert {\n }\n client_cert", "client_cert is given twice"},
		{"client_cert { \n require all\n require all\n }", "require is given twice"},
		{"client_cert { \n certificate\n }", "unrecognized client_cert option 'certificate'"},
		{"client_cert { \n require\n }", "wrong argument count"},
		{"client_cert { \n require some\n }", "require: must be one of notifications, all, not \"some\""},
		{"client_cert { \n trust_pool\n }", "wrong argument count"},
		{"client_cert { \n trust_pool nowhere\n }", "tls.ca_pool.source.nowhere"},
		{"client_cert { \n forwarded\n }", "wrong argument count"},
		{"client_cert { \n forwarded X-A X-B\n }", "wrong argument count"},
		{"client_cert { \n forwarded X:A\n }", "forwarded: 'X:A' is not the name of a header"},
		{"store", "wrong argument count"},
		{"store nowhere", `store: must be one of file, memory, postgres, not "nowhere"`},
		{"store memory now", "wrong argument count"},
		{"store memory\n store file", "store is given twice"},
		{"store memory {\n path x\n }", "unrecognized store memory option 'path'"},
		{"store memory {\n window 1h\n }", "unrecognized store memory option 'window'"},
		{"store memory {\n max_events 0\n }", "max_events: must be from 1 to 1073741823"},
		{"store memory {\n max_events 1\n max_events 2\n }", "max_events is given twice"},
		{"store memory {\n max_events 1 2\n }", "wrong argument count"},
		{"store file {\n path \"\"\n }", "path: must not be empty"},
		{"store postgres {\n dsn\n }", "wrong argument count"},
		{"dedup memory", "dedup: 'store memory' took the place of 'dedup memory'"},
		{"dedup off\n dedup off", "dedup is given twice"},
		{"dedup off now", "dedup off has neither arguments nor options"},
		{"dedup off {\n window 1h\n }", "dedup off has neither arguments nor options"},
		{"dedup {\n window\n }", "wrong argument count"},
		{"dedup {\n window a 1h 2h\n }", "wrong argument count"},
		{"dedup {\n window soon\n }", `window: must be a duration such as 10s, not "soon"`},
		{"dedup {\n window page 0s\n }", "window: page: must be longer than 0s"},
		{"dedup {\n window \"\" 1h\n }", "window: object: must not be empty"},
		{"dedup {\n window 1h\n window 1h\n }", "window is given twice"},
		{"dedup {\n window page 1h\n window page 2h\n }", "window of page is given twice"},
		{"dedup {\n on_error\n }", "wrong argument count"},
		{"dedup {\n on_error drop\n }", `on_error: must be one of deliver, reject, not "drop"`},
		{"dedup {\n on_error reject\n on_error reject\n }", "on_error is given twice"},
		{"dedup {\n max_events 1\n }", "unrecognized dedup option 'max_events'"},
		{"name a\n name b", "name is given twice"},
		{"cloudevents\n cloudevents", "cloudevents is given twice"},
		{"name", "wrong argument count"},
		{"name a b", "wrong argument count"},
		{`name ""`, "name: must not be empty"},
		{"verify_token", "wrong argument count"},
		{`verify_token a ""`, "verify_token: value 2 is empty"},
		{"app_secret", "wrong argument count"},
		{`app_secret ""`, "app_secret: value 1 is empty"},
		{"sign", "wrong argument count"},
		{`sign ""`, "sign: value 1 is empty"},
		{"deliver", "wrong argument count"},
		{"deliver all", `deliver: must be one of each, batch, original, not "all"`},
		{"cloudevents yes", "wrong argument count"},
		{"parallel many", `parallel: must be a whole number, not "many"`},
		{"parallel 0", "parallel: must be at least 1"},
		{"max_size big", `max_size: must be a size such as 4MB, not "big"`},
		{"max_size 0", "max_size: must be from 1 to 67108864"},
		{"max_size 9EB", "max_size: must be from 1 to 67108864"},
		{"body_timeout soon", `body_timeout: must be a duration such as 10s, not "soon"`},
		{"body_timeout 0s", "body_timeout: must be longer than 0s"},
		{"body_timeout -1s", "body_timeout: must be longer than 0s"},
	} {
		t.Run(tc.option, func(t *testing.T) {
			err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook {\n\n " + tc.option + "\n}"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			// what is wrong stands in the option's last line that is no brace
			line := 3 + strings.Count(strings.TrimSuffix(tc.option, "\n }"), "\n")
			if want := fmt.Sprintf("Testfile:%d", line); !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s in it", err, want)
			}
		})
	}
}

func TestCaddyfileTakesNoArguments(t *testing.T) {
	if err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook now {\n}")); err == nil {
		t.Error("got no error for an argument behind the directive")
	}
}
