package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// TestCaddyfileAndJSONAreOne compares what each Caddyfile in testdata adapts
// to with the JSON file beside it.
func TestCaddyfileAndJSONAreOne(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files and error %v, want some", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			adapted, err := harness.Adapt(harness.ReadFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			got := harness.Decode[any](t, string(adapted))
			golden := strings.TrimSuffix(file, ".caddyfile") + ".json"
			text, err := json.MarshalIndent(got, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			if *harness.Update {
				if err := os.WriteFile(golden, append(text, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := harness.Decode[any](t, harness.ReadFile(t, golden)); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant what is in %s", text, golden)
			}
		})
	}
}

// TestJSONBehavesAsTheCaddyfile runs a handler from each.
func TestJSONBehavesAsTheCaddyfile(t *testing.T) {
	t.Setenv("META_VERIFY_TOKEN", harness.Token)
	t.Setenv("META_APP_SECRET", harness.AppSecret)
	t.Setenv("WEBHOOK_SECRET", harness.NewSecret)
	for _, format := range []string{"Caddyfile", "JSON"} {
		t.Run(format, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.NewGateway(t, harness.PlainHTTP1)
			place := strings.NewReplacer("9080", strconv.Itoa(g.Port), "127.0.0.1:9081", u.Addr)
			config, err := harness.Adapt(g.GlobalOptions() + place.Replace(harness.ReadFile(t, "testdata/every_option.caddyfile")))
			if err != nil {
				t.Fatal(err)
			}
			if format == "JSON" {
				merged := harness.Decode[map[string]any](t, string(config))
				handwritten := harness.Decode[map[string]any](t, place.Replace(harness.ReadFile(t, "testdata/every_option.json")))
				servers := func(config map[string]any) map[string]any {
					return config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)
				}
				servers(merged)["srv0"].(map[string]any)["routes"] = servers(handwritten)["srv0"].(map[string]any)["routes"]
				if config, err = json.Marshal(merged); err != nil {
					t.Fatal(err)
				}
			}
			if err := caddy.Load(config, true); err != nil {
				t.Fatal(err)
			}

			send := func(secret string, body []byte) harness.Answer {
				t.Helper()
				r := g.Notification(body)
				r.URL.Path = "/webhooks/meta"
				r.Header.Set(harness.SignatureHeader, harness.Sign(secret, body))
				return g.Do(r)
			}
			for query, want := range map[string]int{
				harness.Verification(harness.Token, "1"): 200,
				harness.Verification("old-token", "1"):   200,
				harness.Verification("wrong", "1"):       403,
			} {
				harness.WantStatus(t, g.Do(g.Request("GET", "/webhooks/meta?"+query, nil)), want)
			}
			harness.WantStatus(t, send("wrong", harness.Page([]string{"a"})), 401)
			harness.WantStatus(t, send(harness.AppSecret, harness.Sized(2001)), 413)
			u.WantNone()
			harness.WantStatus(t, send(harness.AppSecret, harness.Sized(2000)), 200)
			harness.WantStatus(t, send("second secret", harness.Page([]string{"a"})), 200)
			u.WantPosts("sized", "a")
			r := u.Requests()[0]
			if got := r.Header.Get("Content-Type"); got != "application/cloudevents+json" {
				t.Errorf("got Content-Type %q, want that of CloudEvents", got)
			}
			for _, secret := range []string{harness.NewSecret, harness.OldSecret} {
				if err := harness.CheckSignature(t, secret, r.Body, r.Header); err != nil {
					t.Errorf("got error %v, want a right signature", err)
				}
			}
		})
	}
}

// TestCaddyfileErrorsNameTheLine has one mistake a block, on its line 3.
func TestCaddyfileErrorsNameTheLine(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"unknown option":             {"label shop", "label"},
		"option in other case":       {"Name shop", "Name"},
		"block for an option":        {"name shop {\nx y\n}", ""},
		"name without argument":      {"name", "name"},
		"name empty":                 {`name ""`, "name"},
		"name of two words":          {"name a b", ""},
		"verify_token missing":       {"verify_token", "verify_token"},
		"verify_token empty":         {`verify_token ""`, "verify_token"},
		"verify_token partly empty":  {`verify_token a ""`, "verify_token"},
		"app_secret missing":         {"app_secret", "app_secret"},
		"app_secret empty":           {`app_secret ""`, "app_secret"},
		"deliver without argument":   {"deliver", "deliver"},
		"deliver unknown":            {"deliver all", "deliver"},
		"deliver in other case":      {"deliver Each", "deliver"},
		"deliver the whole list":     {`deliver "each, batch"`, "deliver"},
		"deliver two":                {"deliver each batch", ""},
		"cloudevents with argument":  {"cloudevents on", ""},
		"parallel without argument":  {"parallel", "parallel"},
		"parallel zero":              {"parallel 0", "parallel"},
		"parallel negative":          {"parallel -1", "parallel"},
		"parallel no number":         {"parallel many", "parallel"},
		"parallel a fraction":        {"parallel 1.5", "parallel"},
		"max_size without argument":  {"max_size", "max_size"},
		"max_size zero":              {"max_size 0", "max_size"},
		"max_size negative":          {"max_size -1MB", "max_size"},
		"max_size no size":           {"max_size big", "max_size"},
		"max_size beyond all bounds": {"max_size 100EB", "max_size"},
		"max_size two words":         {"max_size 4 MB", ""},
		"max_buffered missing":       {"max_buffered", "max_buffered"},
		"max_buffered zero":          {"max_buffered 0", "max_buffered"},
		"max_buffered no size":       {"max_buffered big", "max_buffered"},
		"body_timeout missing":       {"body_timeout", "body_timeout"},
		"body_timeout zero":          {"body_timeout 0", "body_timeout"},
		"body_timeout negative":      {"body_timeout -1s", "body_timeout"},
		"body_timeout no duration":   {"body_timeout soon", "body_timeout"},
		"sign missing":               {"sign", "sign"},
		"sign empty":                 {`sign ""`, "sign"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := harness.Adapt("http://:9080 {\nmeta_webhook {\n" + c.line + "\n}\n}\n")
			wantError(t, err, "Caddyfile:3", c.want)
		})
	}
	for _, option := range []string{
		"name shop", "verify_token a", "app_secret a", "deliver each", "cloudevents", "parallel 2", "max_size 1MB", "max_buffered 64MB", "body_timeout 1s", "sign a",
	} {
		t.Run("repeated "+option, func(t *testing.T) {
			_, err := harness.Adapt("http://:9080 {\nmeta_webhook {\n" + option + "\n\n" + option + "\n}\n}\n")
			wantError(t, err, "Caddyfile:5", strings.Fields(option)[0])
		})
	}
	for missing, given := range map[string]string{"verify_token": "app_secret a", "app_secret": "verify_token a"} {
		t.Run("no "+missing, func(t *testing.T) { // told with the line, before anything is loaded
			_, err := harness.Adapt("http://:9080 {\nmeta_webhook {\n" + given + "\n}\n}\n")
			wantError(t, err, missing+": at least one is required", "Caddyfile:4")
		})
	}
	t.Run("argument of the directive", func(t *testing.T) {
		_, err := harness.Adapt("http://:9080 {\n\nmeta_webhook /webhooks shop {\n}\n}\n")
		wantError(t, err, "Caddyfile:3", "meta_webhook")
	})
	t.Run("argument that is no matcher", func(t *testing.T) {
		_, err := harness.Adapt("http://:9080 {\n\nmeta_webhook shop\n}\n")
		wantError(t, err, "Caddyfile:3", "meta_webhook")
	})
}

// wantError fails the test unless the error holds these words.
func wantError(t *testing.T, got error, want ...string) {
	t.Helper()
	if got == nil {
		t.Errorf("got no error, want one with %q", want)
		return
	}
	for _, word := range want {
		if !strings.Contains(got.Error(), word) {
			t.Errorf("got error %q, want one with %q", got, word)
		}
	}
}

// TestProvisioningErrors has configurations that adapt but must not run.
func TestProvisioningErrors(t *testing.T) {
	t.Setenv("META_TEST_SET", "a-value-nobody-may-see")
	t.Setenv("META_TEST_EMPTY", "")
	t.Setenv("META_TEST_BLANK", " \t")
	t.Setenv("META_TEST_LINE", "a-value-nobody-may-see\n")
	const right = "verify_token a\napp_secret b"
	for name, c := range map[string]struct {
		options string
		want    []string
	}{
		"nothing":                        {"", []string{"verify_token"}},
		"no verify_token":                {"app_secret b", []string{"verify_token"}},
		"no app_secret":                  {"verify_token a", []string{"app_secret"}},
		"verify_token unset":             {"verify_token {env.META_TEST_UNSET}\napp_secret b", []string{"verify_token", "META_TEST_UNSET"}},
		"app_secret unset":               {"verify_token a\napp_secret {env.META_TEST_UNSET}", []string{"app_secret", "META_TEST_UNSET"}},
		"one of two unset":               {"verify_token a\napp_secret {env.META_TEST_SET} {env.META_TEST_UNSET}", []string{"app_secret", "META_TEST_UNSET"}},
		"verify_token set to nothing":    {"verify_token {env.META_TEST_EMPTY}\napp_secret b", []string{"verify_token", "META_TEST_EMPTY"}},
		"app_secret set to nothing":      {"verify_token a\napp_secret {env.META_TEST_EMPTY}", []string{"app_secret", "META_TEST_EMPTY"}},
		"app_secret set to white space":  {"verify_token a\napp_secret {env.META_TEST_BLANK}", []string{"app_secret"}},
		"app_secret with a line break":   {"verify_token a\napp_secret b {env.META_TEST_LINE}", []string{"app_secret", "META_TEST_LINE", "white space"}},
		"dsn with a brace":               {right + "\nstore postgres {\ndsn postgres://caddy:{a-value-nobody-may-see}@db/app\n}", []string{"store", "dsn", `\{`}},
		"verify_token white space":       {"verify_token \" \"\napp_secret b", []string{"verify_token"}},
		"app_secret from no file":        {"verify_token a\napp_secret {file./no/such/file}", []string{"app_secret", "/no/such/file"}},
		"app_secret unknown placeholder": {"verify_token a\napp_secret {no.such.placeholder}", []string{"app_secret"}},
		"value beside an unset one":      {"verify_token a\napp_secret {env.META_TEST_SET}{env.META_TEST_UNSET}", []string{"app_secret"}},
		"literal beside an unset one":    {"verify_token a\napp_secret a-value-nobody-may-see{env.META_TEST_UNSET}", []string{"app_secret"}},
		"cloudevents of original":        {right + "\ncloudevents\ndeliver original", []string{"cloudevents"}},
		"parallel of batch":              {right + "\nparallel 2\ndeliver batch", []string{"parallel"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := harness.NewGateway(t, harness.PlainHTTP1)
			err := g.Load("meta_webhook {\n" + c.options + "\n}")
			wantError(t, err, c.want...)
			for _, value := range []string{"a-value-nobody-may-see"} {
				if err != nil && strings.Contains(err.Error(), value) {
					t.Errorf("got error %q, want none that holds a secret", err)
				}
			}
		})
	}
}

func TestJSONWithUnknownOrBadValuesDoesNotRun(t *testing.T) {
	const right = `"handler":"meta_webhook","verify_token":["a"],"app_secret":["b"]`
	for handler, want := range map[string]string{
		right + `,"label":"shop"`:                                             "label",
		right + `,"deliver":"all"`:                                            "deliver",
		right + `,"parallel":-1`:                                              "parallel",
		right + `,"max_size":-1`:                                              "max_size",
		right + `,"max_buffered":-1`:                                          "max_buffered",
		right + `,"max_buffered":1000`:                                        "max_buffered",
		right + `,"body_timeout":"-1s"`:                                       "body_timeout",
		`"handler":"meta_webhook","verify_token":["a"],"app_secret":[""]`:     "app_secret",
		`"handler":"meta_webhook","verify_token":["",""],"app_secret":["b"]`:  "verify_token",
		`"handler":"meta_webhook","verify_token":["a"],"app_secret":[]`:       "app_secret",
		`"handler":"meta_webhook","verify_token":["a"],"app_secret":["b",""]`: "app_secret",
	} {
		var config caddy.Config
		text := `{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:0"],"routes":[{"handle":[{` + handler + `}]}]}}}}}`
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		t.Run(handler, func(t *testing.T) { wantError(t, caddy.Validate(&config), want) })
	}
}

// TestNames is about several handlers in one configuration.
func TestNames(t *testing.T) {
	const behind = "\nrespond 200\n"
	named := func(path, name string, options ...string) string {
		return strings.Replace(harness.Hook(append(options, "name "+name)...), harness.Callback, path, 1) + behind
	}
	second := func(g *harness.Gateway, site string) string {
		return behind + "}\nhttp://:" + strconv.Itoa(freeport.Of(g.T)) + " {\n" + site
	}
	t.Run("one name, different options", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		wantError(t, g.Load(named("/a", "shop")+second(g, named("/b", "shop", "parallel 2"))), "name", "shop", "different options", "give each")
	})
	t.Run("the default name, different options", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		wantError(t, g.Load(harness.Hook()+second(g, harness.Hook("deliver batch"))), "name", "default", "different options")
	})
	t.Run("one name, different secrets", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		err := g.Load(harness.Hook() + second(g, strings.Replace(harness.Hook(), harness.AppSecret, "another-secret", 1)))
		wantError(t, err, "name")
		for _, secret := range []string{harness.AppSecret, harness.Token, "another-secret"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("got error %q, want none that holds a secret", err)
			}
		}
	})
	t.Run("one name, equal options in two sites", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		g.MustLoad(named(harness.Callback, "shop", "parallel 2") + second(g, named("/b", "shop", "parallel 2")))
		harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	})
	t.Run("one name, one of the options a default", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		g.MustLoad(harness.Hook("parallel 16", "deliver each", "name default") + second(g, harness.Hook()))
	})
	t.Run("two names, different options", func(t *testing.T) {
		g := harness.NewGateway(t, harness.PlainHTTP1)
		g.MustLoad(named(harness.Callback, "shop") + second(g, named("/b", "support", "parallel 2")))
		harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	})
	t.Run("one name, reloaded with different options", func(t *testing.T) {
		g := harness.Start(t, named(harness.Callback, "shop"))
		for _, option := range []string{"parallel 2", "deliver batch", "", "max_size 1MB", "max_buffered 16MB"} {
			g.Reload(named(harness.Callback, "shop", option))
			harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
		}
	})
}

func TestDirectiveNeedsNoOrder(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	g := harness.Start(t, harness.Lines("reverse_proxy "+u.Addr, "respond /health 200", harness.Hook(),
		"basic_auth /admin {", "operator $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG", "}"))
	harness.WantStatus(t, g.Verify("wrong", "1"), 403)
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	u.WantPosts("a")
}

// TestSecretsAreUsedVerbatim has secrets that look like placeholders, and
// others that configuration could get wrong.
func TestSecretsAreUsedVerbatim(t *testing.T) {
	for i, value := range []string{
		"s3cr{et}x", "{env.HOME}", "{", "}{", "two words", `back\slash`, `\{escaped\}`, `"quoted"`, "ünïcode", "$2a$14$dollar", "#hash", strings.Repeat("long", 100),
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Setenv("META_TEST_VERBATIM", value)
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, "meta_webhook {\nverify_token {env.META_TEST_VERBATIM}\napp_secret {env.META_TEST_VERBATIM}\n}\nreverse_proxy "+u.Addr)
			harness.WantStatus(t, g.Verify(value, "1"), 200)
			body := harness.Page([]string{"a"})
			r := g.Notification(body)
			r.Header.Set(harness.SignatureHeader, harness.Sign(value, body))
			harness.WantStatus(t, g.Do(r), 200)
			u.WantPosts("a")
			for _, other := range []string{"", strings.NewReplacer("{et}", "").Replace(value) + "?", strings.TrimSpace(value) + "x"} {
				r := g.Notification(body)
				r.Header.Set(harness.SignatureHeader, harness.Sign(other, body))
				harness.WantStatus(t, g.Do(r), 401)
			}
		})
	}
}

func TestSecretFromAFile(t *testing.T) {
	u := harness.NewUpstream(t, nil)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(harness.AppSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, "meta_webhook {\nverify_token "+harness.Token+"\napp_secret {file."+file+"}\n}\nreverse_proxy "+u.Addr)
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	u.WantPosts("a")
}
