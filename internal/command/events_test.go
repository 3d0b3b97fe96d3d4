package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

const testID = "46395c4626bd01418dfd8c1bcd9482d8"

// A fakeAdmin is the admin API of a Caddy that stores some events.
type fakeAdmin struct {
	*httptest.Server
	t            *testing.T
	destinations []admin.Destination
	events       int // that fit any query
	fail         int // the page of a change that fails, from 1
	calls        []string
	changed      int
	selected     url.Values // of the last call
}

func newFakeAdmin(t *testing.T, destinations ...string) *fakeAdmin {
	f := &fakeAdmin{t: t}
	for _, name := range destinations {
		f.destinations = append(f.destinations, admin.Destination{Handler: "shop", Destination: name, State: admin.StateOpen})
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// run runs a command that asks this API.
func (f *fakeAdmin) run(args ...string) result {
	f.t.Helper()
	f.calls, f.changed = nil, 0
	return command(f.t, "", append(args, "--address", f.Listener.Addr().String())...)
}

func (f *fakeAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.selected = r.URL.Query()
	f.calls = append(f.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/meta_webhook/"))
	limit, _ := strconv.Atoi(f.selected.Get("limit"))
	from, _ := strconv.Atoi(f.selected.Get("cursor"))
	to, next := min(from+limit, f.events), ""
	if to < f.events {
		next = strconv.Itoa(to)
	}
	var answer any
	switch r.Method + " " + r.URL.Path {
	case "GET /meta_webhook/destinations":
		answer = f.destinations
	case "POST /meta_webhook/destinations/pause", "POST /meta_webhook/destinations/resume":
		answer = admin.Destination{Handler: "shop", Destination: f.selected.Get("destination"), State: admin.StatePaused, Waiting: 7}
	case "GET /meta_webhook/events":
		page := admin.Events{Next: next}
		for i := from; i < to; i++ {
			page.Events = append(page.Events, admin.Event{
				ID: testID, Destination: "app", State: "dead", Kind: "messages", Subject: fmt.Sprintf("mid.%d", i),
				Received: time.Now(), Attempts: 4, Status: 422, Cause: "http_422",
			})
		}
		answer = page
	case "GET /meta_webhook/events/" + testID:
		answer = []admin.Story{{
			Handler: "shop", ID: testID, Kind: "messages", Subject: "mid.1", Received: time.Unix(1_700_000_000, 0),
			Origin: json.RawMessage(`{"uri":"/webhooks"}`), Body: `{"id":"x","data":{"text":"` + "\u009b2J" + `"}}`,
			Deliveries: []admin.Delivery{{Destination: "app", State: "dead", Settled: time.Unix(1_700_000_100, 0), Attempts: []admin.Attempt{
				{Started: time.Unix(1_700_000_010, 0), Took: 0.0123, Status: 422, Cause: "http_422", Error: "the answer is not 2xx", Answer: "no such\ncustomer"},
			}}},
		}}
	case "POST /meta_webhook/events/replay", "POST /meta_webhook/events/discard":
		dry := f.selected.Get("dry_run") == "true"
		if !dry {
			if f.fail > 0 && from/admin.MaxLimit+1 == f.fail {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"error":"the store is busy"}`)
				return
			}
			f.changed += to - from
		}
		answer = admin.Change{Handler: "shop", Destination: f.selected.Get("to"), Events: to - from, Next: next, DryRun: dry}
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"no event with this id is stored"}`)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		f.t.Error(err)
	}
}

func TestEventsAreListedPageByPage(t *testing.T) {
	f := newFakeAdmin(t, "app")
	f.events = 2500
	got := f.run("events", "list", "--destination", "app", "--state", "dead,waiting", "--kind", "messages", "--since", "2h", "--limit", "2100", "--json")
	got.want(t, 0, `"subject":"mid.2099"`, "There may be more")
	if n := strings.Count(got.out, "\n"); n != 2100 || len(f.calls) != 3 {
		t.Errorf("got %d events in %d calls, want 2100 in 3", n, len(f.calls))
	}
	if q := f.selected; q.Get("destination") != "app" || !slices.Equal(q["state"], []string{"dead", "waiting"}) || q.Get("kind") != "messages" || q.Get("since") != "2h" {
		t.Errorf("got the query %v", q)
	}
	f.run("events", "list").want(t, 0, testID+"  dead   app          0s ago    messages  4      http_422                mid.0\n", "There may be more")
	f.events = 0
	f.run("events", "list").want(t, 0, "", "No stored event fits.")
}

func TestEventIsShown(t *testing.T) {
	f := newFakeAdmin(t, "app")
	got := f.run("events", "show", testID)
	for _, want := range []string{"subject       mid.1", "app: dead", "422    12.3ms  http_422  the answer is not 2xx", "    no such\n    customer", `"uri": "/webhooks"`, `"text": "` + "\ufffd2J"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("got %s\nwant %q in it", got.out, want)
		}
	}
	f.run("events", "show", testID, "--json").want(t, 0, `"answer":"no such\ncustomer"`, "")
	f.run("events", "show", "46").want(t, 1, "", "is not an event's id")
	f.run("events", "show", strings.Repeat("0", 32)).want(t, 2, "", f.Listener.Addr().String()+": no event with this id is stored")
}

func TestEventsAreReplayed(t *testing.T) {
	f := newFakeAdmin(t, "app")
	f.events = 3
	f.run("events", "replay", testID).want(t, 0, "Replayed 3 events at destination app of handler shop", "")
	if q := f.selected; q.Get("to") != "app" || q.Get("id") != testID || q.Has("dry_run") {
		t.Errorf("got the query %v, want the event to the only destination", q)
	}
	if want := []string{"GET destinations", "POST events/replay", "POST events/replay"}; !slices.Equal(f.calls, want) {
		t.Errorf("got the calls %q, want %q: the events are counted first", f.calls, want)
	}
	f.run("events", "replay", "--destination", "crm", "--state", "dead", "--dry-run").want(t, 0, "Would have replayed 3 events at destination crm", "")
	if f.changed != 0 {
		t.Errorf("got %d events replayed by a dry run, want none", f.changed)
	}
	f.run("events", "replay", "--destination", "crm", "--to", "app", "--state", "done", "--json").want(t, 0, `{"handler":"shop","destination":"app","events":3}`, "")

	f.events = 4321
	f.run("events", "replay", "--state", "dead").want(t, 1, "", "this would replay 4321 events at destination app of handler shop: confirm it with --yes")
	if f.changed != 0 {
		t.Errorf("got %d events replayed without a confirmation, want none", f.changed)
	}
	f.run("events", "replay", "--state", "dead", "--yes").want(t, 0, "Replayed 4321 events", "")
	if f.changed != 4321 {
		t.Errorf("got %d events replayed, want 4321", f.changed)
	}
	f.events, f.fail = 4321, 3
	f.run("events", "replay", "--state", "dead", "--yes").want(t, 2, "", "the store is busy\nReplayed 2000 of 4321 events, the oldest; the same command begins with those again")
	f.run("events", "discard", "--state", "dead", "--yes").want(t, 2, "", "Discarded 2000 of 4321 events, the oldest; the same command goes on")

	f.destinations = append(f.destinations, admin.Destination{Destination: "crm"}, admin.Destination{Destination: "gone", State: admin.StateUnconfigured})
	f.run("events", "replay", "--state", "dead").want(t, 1, "", "--to: name the destination that gets the events: app, crm\n")
	f.run("events", "replay", "--to", "app").want(t, 1, "", "this would be every stored event")
}

func TestEventsAreDiscarded(t *testing.T) {
	f := newFakeAdmin(t, "app", "crm")
	f.events = 2
	f.run("events", "discard", testID, testID).want(t, 0, "Discarded 2 events of handler shop", "")
	if f.changed != 2 || len(f.selected["id"]) != 2 {
		t.Errorf("got %d events discarded by %v, want 2", f.changed, f.selected)
	}
	f.run("events", "discard").want(t, 1, "", "this would be every stored event")
	f.events = 0
	f.run("events", "discard", "--kind", "messages").want(t, 0, "", "No stored event fits.")
	for flag, value := range map[string]string{"--state": "deaf", "--since": "yesterday", "--from": "2h", "--until": "noon"} {
		f.run("events", "discard", flag, value).want(t, 1, "", flag+": ")
		if len(f.calls) != 0 {
			t.Errorf("%s %s: got the calls %q, want none", flag, value, f.calls)
		}
	}
}

func TestOnlyYesIsAYes(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "\n": false, "": false, "n\n": false, "yep\n": false} {
		var asked strings.Builder
		if got := confirmed(strings.NewReader(answer), &asked, "replay 200 events"); got != want || asked.String() != "Replay 200 events? [y/N] " {
			t.Errorf("%q: got %t after %q, want %t", answer, got, &asked, want)
		}
	}
}

func TestDestinationsArePausedAndListed(t *testing.T) {
	f := newFakeAdmin(t, "app", "crm")
	f.run("destinations", "list").want(t, 0, "\nshop     crm          open   0 ", "")
	f.run("destinations", "list", "--json").want(t, 0, `"destination":"crm"`, "")
	f.run("destinations", "pause", "crm").want(t, 0, "Paused crm of handler shop: paused, 7 waiting, 0 under way", "")
	if want := "POST destinations/pause"; len(f.calls) != 1 || f.calls[0] != want || f.selected.Get("destination") != "crm" {
		t.Errorf("got the calls %q, want %s", f.calls, want)
	}
	f.run("destinations", "resume", "crm", "--handler", "shop").want(t, 0, "Resumed crm", "")
	f.run("destinations", "pause").want(t, 1, "", "accepts 1 arg(s)")
	f.destinations = nil
	f.run("destinations", "list").want(t, 0, "", "No destination is configured")
	f.Close()
	f.run("destinations", "list").want(t, 2, "", "the admin API at "+f.Listener.Addr().String())
}

func TestCompletionOfWhatARunningCaddyHas(t *testing.T) {
	f := newFakeAdmin(t, "app", "crm")
	at := []string{"--address", f.Listener.Addr().String()}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{append([]string{"events", "list"}, append(at, "--destination", "")...), []string{"app", "crm"}},
		{append([]string{"events", "replay"}, append(at, "--to", "")...), []string{"app", "crm"}},
		{append([]string{"events", "discard"}, append(at, "--handler", "")...), []string{"shop"}},
		{append([]string{"destinations", "pause"}, append(at, "")...), []string{"app", "crm"}},
		{append([]string{"destinations", "pause"}, append(at, "crm", "")...), nil},
		{[]string{"events", "list", "--state", ""}, admin.States()},
		{[]string{"events", "list", "--kind", ""}, event.Kinds()},
		{[]string{"events", "list", "--object", ""}, objects()},
		{[]string{"events", ""}, []string{"discard", "list", "replay", "show"}},
	} {
		got, files := complete(t, test.args...)
		if !slices.Equal(got, test.want) || files {
			t.Errorf("%v: got %v and files %t, want %v and no files", test.args, got, files, test.want)
		}
	}
	f.Close()
	if got, _ := complete(t, append([]string{"events", "list"}, append(at, "--destination", "")...)...); len(got) != 0 {
		t.Errorf("got %v without a running Caddy, want nothing", got)
	}
}
