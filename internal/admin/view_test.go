package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// selected returns a selection that must be one.
func selected(t *testing.T, query string) *Selection {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	sel, err := Select(values)
	if err != nil {
		t.Fatalf("%s: got error %v, want none", query, err)
	}
	return sel
}

func TestViewIsThatOfOneHandler(t *testing.T) {
	serving(t)
	if !(View{"shop"}).IsStored() || (View{"other"}).IsStored() {
		t.Error("got the wrong handler, want shop alone to store events")
	}
	if _, err := Select(url.Values{"handler": {"other"}}); err == nil {
		t.Error("got another handler selected, want an error")
	}
	_, err := View{"other"}.Events(t.Context(), selected(t, ""), 10, func(*BodiedEvent) {})
	if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != http.StatusNotFound {
		t.Errorf("got %v, want 404", err)
	}
	// whatever the parameters say
	for _, what := range []string{Pause, Resume, Replay, Discard} {
		r := httptest.NewRequest(http.MethodPost, "/operate", nil)
		_, err := View{"other"}.Change(r, what, url.Values{"handler": {"shop"}, "destination": {"app"}, "to": {"app"}, "state": {"dead"}}, zap.NewNop())
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != http.StatusNotFound {
			t.Errorf("%s: got %v, want 404", what, err)
		}
	}
}

func TestViewChangesAsTheAdminAPIDoes(t *testing.T) {
	q, _ := serving(t)
	change := func(what, query string) (any, error) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		return View{"shop"}.Change(httptest.NewRequest(http.MethodPost, "/operate?to=elsewhere", nil), what, values, zap.NewNop())
	}
	if got, err := change(Replay, "to=app&state=dead&dry_run=true"); err != nil || got.(Change).Events != 5 || !q.dry || q.to != "app" {
		t.Errorf("got %+v, %v, want a dry run of 5", got, err)
	}
	if got, err := change(Discard, "destination=app&state=waiting&limit=3"); err != nil || got.(Change).Next != "on" || q.limit != 3 || q.dry {
		t.Errorf("got %+v, %v, want 2 and a cursor", got, err)
	}
	if _, err := change(Pause, "destination=app"); err != nil || !q.paused["app"] {
		t.Errorf("got %v, want app paused", err)
	}
	if _, err := change(Resume, "destination=app"); err != nil || q.paused["app"] {
		t.Errorf("got %v, want app resumed", err)
	}
	for what, query := range map[string]string{Replay: "state=dead", Discard: "", Pause: "", "remove": "destination=app"} {
		_, err := change(what, query)
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != http.StatusBadRequest {
			t.Errorf("%s %s: got %v, want 400", what, query, err)
		}
	}
	q.fail = store.ErrBusy
	if answer, ok := errors.AsType[caddy.APIError](second(change(Replay, "to=app&state=dead"))); !ok || answer.HTTPStatus != http.StatusServiceUnavailable {
		t.Errorf("a busy store: got %v, want 503", answer)
	}
}

func second[T any](_ T, err error) error { return err }

func TestViewFindsTheBodiesOfAList(t *testing.T) {
	q, _ := serving(t)
	q.stories = []store.Story{{Key: store.Key{1}, Received: time.Unix(9, 0), Body: []byte("later")}, {Key: store.Key{1}, Body: []byte("this one")}}
	var page []BodiedEvent
	visit := func(e *BodiedEvent) { page = append(page, *e) }
	next, err := View{"shop"}.Events(t.Context(), selected(t, "limit=2&state=dead"), 10, visit)
	if err != nil || next != "more" || len(page) != 1 || string(page[0].Body) != "this one" || q.limit != 2 {
		t.Errorf("got %+v, %q and %v, want the event with its own body", page, next, err)
	}
	if _, err = (View{"shop"}).Events(t.Context(), selected(t, ""), -1, visit); err != nil || page[1].Body != nil {
		t.Errorf("got %s and error %v, want no body that is too large", page[1].Body, err)
	}
}

func TestViewFindsTheNotificationOfAnEvent(t *testing.T) {
	q, _ := serving(t)
	q.stories = []store.Story{{Key: store.Key{1}, Body: []byte("{}")}}
	if all, original, err := (View{"shop"}).Story(t.Context(), "01000000000000000000000000000000"); err != nil || len(all) != 1 || original != "" {
		t.Errorf("got %d stories, %q and %v, want one and no notification", len(all), original, err)
	}
	if _, _, err := (View{"shop"}).Story(t.Context(), "1"); err == nil {
		t.Error("got no error for an invalid id, want one")
	}
}

func TestSelectionOfWhatIsNotStored(t *testing.T) {
	e := Event{ID: "01000000000000000000000000000000", State: "done", Object: "page", Kind: "feed", Conversation: "c", Received: time.Unix(1_700_000_000, 0)}
	for query, want := range map[string]bool{
		"": true, "state=done": true, "state=dead": false, "state=dead&state=done": true, "object=page&kind=feed": true, "object=instagram": false,
		"conversation=c": true, "conversation=d": false, "destination=app": false, "id=" + e.ID: true, "id=02000000000000000000000000000000": false,
		"from=2023-01-01T00:00:00Z": true, "from=2024-01-01T00:00:00Z": false, "until=2024-01-01T00:00:00Z": true, "until=2023-01-01T00:00:00Z": false,
	} {
		if got := selected(t, query).Fits(&e); got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	sel := selected(t, "text=hello&cursor=x&limit=7")
	if text := sel.TakeText(); text != "hello" || sel.TakeText() != "" {
		t.Errorf("got the text %q, want hello, once", text)
	}
	if cursor, limit := sel.Page(); cursor != "x" || limit != 7 {
		t.Errorf("got the cursor %q and the limit %d", cursor, limit)
	}
}
