package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A fakeQueue answers what the tests ask, and notes what it was asked.
type fakeQueue struct {
	store.Queue
	filter  store.Filter
	cursor  string
	limit   int
	dry     bool
	to      string
	paused  map[string]bool
	stories []store.Story
	fail    error
	looked  chan struct{} // has room for the look at the start
}

func (q *fakeQueue) Take(ctx context.Context, _ string, _ store.Want) ([]store.Delivery, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (q *fakeQueue) Close() error { return nil }

func (q *fakeQueue) Stats(context.Context) (store.Stats, error) {
	defer func() {
		select {
		case q.looked <- struct{}{}:
		default:
		}
	}()
	return store.Stats{Bytes: 1000, Free: -1, Damaged: 1, Destinations: []store.DestinationStats{
		{Destination: "app", Waiting: 3, UnderWay: 1, Paused: q.paused["app"], Dead: map[string]int64{"http_404": 2, "timeout": 1}, Oldest: time.Unix(1_700_000_000, 0).UTC()},
		{Destination: "gone", Waiting: 7, Paused: q.paused["gone"]},
	}}, q.fail
}

func (q *fakeQueue) List(_ context.Context, f store.Filter, cursor string, limit int) ([]store.Summary, string, error) {
	q.filter, q.cursor, q.limit = f, cursor, limit
	return []store.Summary{{Number: 9, Key: store.Key{1}, Destination: "app", State: store.DeliveryDead, Attempts: 4, Last: store.Attempt{Status: 404, Cause: "http_404"}}}, "more", q.fail
}

func (q *fakeQueue) Story(context.Context, store.Key) ([]store.Story, error) {
	return q.stories, q.fail
}

func (q *fakeQueue) Replay(_ context.Context, to string, f store.Filter, cursor string, limit int, dry bool) (int, string, error) {
	q.to, q.filter, q.cursor, q.limit, q.dry = to, f, cursor, limit, dry
	return 5, "", q.fail
}

func (q *fakeQueue) Discard(_ context.Context, f store.Filter, cursor string, limit int, dry bool) (int, string, error) {
	q.filter, q.cursor, q.limit, q.dry = f, cursor, limit, dry
	return 2, "on", q.fail
}

func (q *fakeQueue) Pause(_ context.Context, destination string, paused bool) error {
	q.paused[destination] = paused
	return q.fail
}

// serving returns a queue that the handler shop delivers from, and a function
// that calls the admin API.
func serving(t *testing.T) (*fakeQueue, func(method, path string, into any) error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	o, err := observe.New(ctx, "shop", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	q := &fakeQueue{paused: make(map[string]bool), looked: make(chan struct{}, 1)}
	app := &delivery.Destination{Name: "app"}
	app.SetDefaults(new(delivery.Options))
	s := &delivery.Stored{
		Name: "shop", Observer: o, Destinations: []*delivery.Destination{app},
		Queue: &delivery.Shared[store.Queue]{Open: func() (store.Queue, error) { return q, nil }},
	}
	if err := s.StartOnce(t.Name()); err != nil {
		t.Fatal(err)
	}
	<-q.looked
	t.Cleanup(func() {
		if err := delivery.End(t.Name()); err != nil {
			t.Error(err)
		}
		s.Finish(0)
	})
	mux := http.NewServeMux()
	var failure error
	for _, route := range (&Queue{logger: zap.NewNop()}).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) { failure = route.Handler.ServeHTTP(w, r) })
	}
	return q, func(method, path string, into any) error {
		failure = nil
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if failure == nil && into != nil {
			return json.Unmarshal(w.Body.Bytes(), into)
		}
		return failure
	}
}

func TestDestinationsAreShown(t *testing.T) {
	q, call := serving(t)
	q.paused["gone"] = true
	var all []Destination
	if err := call(http.MethodGet, "/meta_webhook/destinations", &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].State != StateOpen || all[0].Waiting != 3 || all[0].Dead != 3 || all[0].Causes["http_404"] != 2 || len(all[0].Delivered) != 60 {
		t.Fatalf("got %+v, want app with 3 waiting and 3 dead", all)
	}
	if all[1].Destination != "gone" || all[1].State != StatePaused || all[1].Waiting != 7 {
		t.Errorf("got %+v, want gone, paused, with 7 waiting", all[1])
	}
	if got := all[0].Backlog; len(got) != 1 || got[0] != 4 {
		t.Errorf("got the backlog %v, want the 4 that wait or are under way now", got)
	}
	q.paused["gone"] = false
	if err := call(http.MethodGet, "/meta_webhook/destinations", &all); err != nil || all[1].State != StateUnconfigured {
		t.Errorf("got %+v, %v; want it unconfigured", all[1], err)
	}
}

func TestEventsAreSelected(t *testing.T) {
	q, call := serving(t)
	var page Events
	err := call(http.MethodGet, "/meta_webhook/events?destination=app&state=dead&state=waiting&object=page&kind=feed&conversation=c&text=ab"+
		"&id=00112233445566778899aabbccddeeff&from=2026-01-02T00:00:00Z&until=2026-01-03T00:00:00Z&cursor=x&limit=7", &page)
	if err != nil {
		t.Fatal(err)
	}
	f := q.filter
	if f.Destination != "app" || len(f.States) != 2 || f.States[0] != store.DeliveryDead || f.Object != "page" || f.Kind != "feed" || f.Conversation != "c" ||
		f.Text != "ab" || len(f.Keys) != 1 || f.Keys[0].String() != "00112233445566778899aabbccddeeff" || f.From.Day() != 2 || f.To.Day() != 3 || q.cursor != "x" || q.limit != 7 {
		t.Errorf("got the filter %+v, the cursor %q and the limit %d", f, q.cursor, q.limit)
	}
	if len(page.Events) != 1 || page.Next != "more" || page.Events[0].State != "dead" || page.Events[0].Cause != "http_404" || page.Events[0].Number != 9 {
		t.Errorf("got %+v", page)
	}
	if err := call(http.MethodGet, "/meta_webhook/events?since=2h", nil); err != nil || time.Since(q.filter.From).Round(time.Minute) != 2*time.Hour {
		t.Errorf("since=2h: got from %v, %v", q.filter.From, err)
	}
}

func TestWrongSelectionsChangeNothing(t *testing.T) {
	q, call := serving(t)
	for path, want := range map[string]string{
		"/meta_webhook/events/discard?destnation=app":                "unknown parameter",
		"/meta_webhook/events/discard?state=deaf":                    "state",
		"/meta_webhook/events/discard?id=12":                         "id",
		"/meta_webhook/events/discard?id=" + strings.Repeat("0", 64): "id",
		"/meta_webhook/events/discard?from=yesterday":                "from",
		"/meta_webhook/events/discard?since=2":                       "since",
		"/meta_webhook/events/discard?limit=0":                       "limit",
		"/meta_webhook/events/discard?limit=100000":                  "limit",
		"/meta_webhook/events/discard?state=dead&dry_run=yes":        "dry_run",
		"/meta_webhook/events/discard?state=dead&dry_run=TRUE":       "dry_run",
		"/meta_webhook/events/discard?kind=a&kind=b":                 "kind",
		"/meta_webhook/events/discard?state=dead&%zz":                "malformed",
		"/meta_webhook/events/replay?state=dead":                     "to",
		"/meta_webhook/events/replay?to=app":                         "everything",
		"/meta_webhook/events/discard?limit=10":                      "everything",
		"/meta_webhook/events/discard?state=":                        "state",
		"/meta_webhook/destinations/pause":                           "destination",
	} {
		err := call(http.MethodPost, path, nil)
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 400 || !strings.Contains(answer.Err.Error(), want) {
			t.Errorf("%s: got %v, want 400 about %s", path, err, want)
		}
	}
	if q.limit != 0 || len(q.paused) != 0 {
		t.Errorf("got a call to the queue, want none")
	}
	for path, method := range map[string]string{"/meta_webhook/events/discard": "GET", "/meta_webhook/events": "DELETE", "/meta_webhook/destinations/pause": "PUT"} {
		err := call(method, path, nil)
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 405 && answer.HTTPStatus != 400 {
			t.Errorf("%s %s: got %v, want 405", method, path, err)
		}
	}
	err := call(http.MethodPost, "/meta_webhook/events/discard?handler=other", nil)
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 404 {
		t.Errorf("another handler: got %v, want 404", err)
	}
}

func TestEventsAreReplayedAndDiscarded(t *testing.T) {
	q, call := serving(t)
	var c Change
	if err := call(http.MethodPost, "/meta_webhook/events/replay?to=app&state=dead&dry_run=true", &c); err != nil || c.Events != 5 || c.Handler != "shop" || c.Destination != "app" || !c.DryRun || !q.dry || q.to != "app" {
		t.Errorf("got %+v, %v, want a dry run of 5", c, err)
	}
	if err := call(http.MethodPost, "/meta_webhook/events/discard?state=dead&limit=2", &c); err != nil || c.Events != 2 || c.Next != "on" || q.dry {
		t.Errorf("got %+v, %v, want 2 and a cursor", c, err)
	}
	var d Destination
	if err := call(http.MethodPost, "/meta_webhook/destinations/pause?destination=app", &d); err != nil || !q.paused["app"] || d.State != StatePaused || d.Waiting != 3 {
		t.Errorf("got %v, want app paused", err)
	}
	if err := call(http.MethodPost, "/meta_webhook/destinations/resume?destination=app", nil); err != nil || q.paused["app"] {
		t.Errorf("got %v, want app resumed", err)
	}
	err := call(http.MethodPost, "/meta_webhook/destinations/pause?destination=ap", nil)
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 404 || len(q.paused) != 1 {
		t.Errorf("a destination that is not there: got %v, want 404", err)
	}
	q.limit = 0
	for _, to := range []string{"ap", "%00", "%ff", strings.Repeat("a", 10_000)} {
		err = call(http.MethodPost, "/meta_webhook/events/replay?state=dead&to="+to, nil)
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 404 || q.limit != 0 {
			t.Errorf("to %.10s, which is not there: got %v, want 404 and no call to the queue", to, err)
		}
	}
	if err := call(http.MethodPost, "/meta_webhook/events/replay?to=gone&state=dead", nil); err != nil {
		t.Errorf("to a destination that has something stored: got %v, want none", err)
	}
	q.fail = store.ErrCursor
	err = call(http.MethodPost, "/meta_webhook/events/discard?cursor=x&state=dead", nil)
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 400 {
		t.Errorf("another cursor: got %v, want 400", err)
	}
	q.fail = store.ErrFull
	err = call(http.MethodPost, "/meta_webhook/events/replay?to=app&state=dead", nil)
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 503 {
		t.Errorf("a full store: got %v, want 503", err)
	}
}

func TestStoryOfAnEvent(t *testing.T) {
	q, call := serving(t)
	const id = "01000000000000000000000000000000"
	err := call(http.MethodGet, "/meta_webhook/events/"+id, nil)
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != 404 {
		t.Errorf("got %v for an event that is not stored, want 404", err)
	}
	q.stories = []store.Story{{
		Key: store.Key{1}, Body: []byte(`{"a":1}`), Origin: []byte(`{"url":"/webhooks","signature":["sha256=secret"]}`),
		Deliveries: []store.DeliveryStory{{Number: 3, Destination: "app", State: store.DeliveryDone, Attempts: []store.Attempt{
			{Took: 1500 * time.Millisecond, Status: 500, Cause: "http_500", Answer: []byte("oops")}, {Status: 200},
		}}},
	}}
	var stories []Story
	if err := call(http.MethodGet, "/meta_webhook/events/"+id, &stories); err != nil || len(stories) != 1 {
		t.Fatalf("got %v, %v", stories, err)
	}
	s := stories[0]
	if s.ID != id || s.Body != `{"a":1}` || strings.Contains(string(s.Origin), "secret") || !strings.Contains(string(s.Origin), "/webhooks") {
		t.Errorf("got %+v with the origin %s, want the body, and no signature", s, s.Origin)
	}
	if d := s.Deliveries[0]; d.State != "done" || len(d.Attempts) != 2 || d.Attempts[0].Took != 1.5 || d.Attempts[0].Answer != "oops" {
		t.Errorf("got %+v", d)
	}
}

func TestStatusShowsWhatIsStored(t *testing.T) {
	q, _ := serving(t)
	find := func() Status {
		for _, s := range statuses(t.Context()) {
			if s.Name == "shop" {
				return s
			}
		}
		t.Fatal("got no status of shop, want one")
		return Status{}
	}
	if s := find(); len(s.Destinations) != 2 || s.Destinations[0].Dead != 3 || s.Store == nil || s.Store.Bytes != 1000 || s.Store.Damaged != 1 || s.StoreError != "" {
		t.Errorf("got %+v with the store %+v, want two destinations and 1000 bytes", s, s.Store)
	}
	q.fail = store.ErrBusy
	if s := find(); s.Store != nil || s.StoreError != store.ErrBusy.Error() {
		t.Errorf("a store that fails: got %+v, want its error", s)
	}
}

func TestHandlerServesTheSame(t *testing.T) {
	q, _ := serving(t)
	h := Handler(zap.NewNop())
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, DestinationsPath, 200, `"destination":"app"`},
		{http.MethodGet, EventsPath + "?state=dead", 200, `"cause":"http_404"`},
		{http.MethodGet, EventsPath + "/replay", 405, `"error":"method not allowed"`},
		{http.MethodPost, EventsPath + "/replay?to=app&state=deaf", 400, `"error":"state: `},
		{http.MethodGet, "/config/", 404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s %s: got %d %s, want %d with %s", test.method, test.path, w.Code, w.Body, test.status, test.body)
		}
	}
	if q.to != "" {
		t.Error("got a replay, want none")
	}
}
