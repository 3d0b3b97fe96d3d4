package inspector

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfileAndJSONGiveTheSameHandler(t *testing.T) {
	for _, tc := range []struct{ name, caddyfile, json string }{
		{"nothing", `meta_webhook_inspector`, `{}`},
		{"empty block", "meta_webhook_inspector {\n}", `{}`},
		{
			"everything", `meta_webhook_inspector {
				name       shop
				path       /debug/events
				pass
				max_events 50
				max_bytes  2MiB
				allow      192.0.2.1 10.0.0.0/8 fd00::/8
				operate
			}`,
			`{"name":"shop","path":"/debug/events","pass":true,"max_events":50,"max_bytes":2097152,"allow":["192.0.2.1","10.0.0.0/8","fd00::/8"],"operate":true}`,
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
		{"label shop", "unrecognized meta_webhook_inspector option 'label'"},
		{"name", "wrong argument count"},
		{`name ""`, "name: must not be empty"},
		{"name a b", "wrong argument count"},
		{"path", "wrong argument count"},
		{"path inspector", `path: must be a path such as /inspector, not "inspector"`},
		{"path /inspector/", `path: must be a path such as /inspector, not "/inspector/"`},
		{"pass on", "wrong argument count"},
		{"operate on", "wrong argument count"},
		{"max_events 0", "max_events: must be at least 1"},
		{"max_events many", `max_events: must be a whole number, not "many"`},
		{"max_bytes 0", "max_bytes: must be at least 1"},
		{"max_bytes big", `max_bytes: must be a size such as 4MB, not "big"`},
		{"max_bytes 100EB", `max_bytes: must be a size such as 4MB, not "100EB"`},
		{"allow", "wrong argument count"},
		{"allow localhost", `allow: must be IP addresses or CIDR ranges, not "localhost"`},
		{"allow 10.0.0.0/33", `allow: must be IP addresses or CIDR ranges, not "10.0.0.0/33"`},
		{"pass\n pass", "pass is given twice"},
		{"allow ::1\n allow ::1", "allow is given twice"},
	} {
		t.Run(tc.option, func(t *testing.T) {
			err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook_inspector {\n " + tc.option + "\n}"))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "Testfile:") {
				t.Errorf("got error %v, want one with %q and the line", err, tc.want)
			}
		})
	}
	if err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("meta_webhook_inspector shop")); err == nil {
		t.Error("got no error for an argument, want one")
	}
}
