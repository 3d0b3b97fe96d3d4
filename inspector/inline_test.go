package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// anything returns a query for all events.
func anything(t *testing.T) *query {
	t.Helper()
	q, err := queryOf(url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// get has the handler answer a request for data, and decodes it.
func get[T any](t *testing.T, h *Handler, target string) (shown T) {
	t.Helper()
	w, status := serve(h, newRequest(http.MethodGet, target, ""), new(app))
	if status != http.StatusOK {
		t.Fatalf("%s: got %d, want 200", target, status)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil {
		t.Fatalf("%s: got %s", target, w.Body)
	}
	return shown
}

// message returns a WhatsApp message as the app gets it.
func message(id, text string) string {
	quoted, _ := json.Marshal(text)
	return `{"specversion":"1.0","id":"` + id + `","type":"com.facebook.whatsapp_business_account.messages","partitionkey":"7/49","metaobject":"whatsapp_business_account",` +
		`"data":{"contacts":[{"profile":{"name":"Anna"},"wa_id":"49"}],"messages":[{"from":"49","id":"wamid.` + id + `","type":"text","text":{"body":` + string(quoted) + `}}]}}`
}

func TestListIsFiltered(t *testing.T) {
	h := provisioned(t, passing)
	const a, b, c = "aa000000000000000000000000000000", "bb000000000000000000000000000000", "cc000000000000000000000000000000"
	serve(h, newDelivery(message(a, "Hello")), new(app))
	serve(h, newDelivery(strings.Replace(message(b, `coffee "quoted"`), "coffee", `caf\u00e9`, 1)), &app{status: 500})
	serve(h, newDelivery(strings.Replace(testEvent, "0123", c, 1)), new(app))
	for query, want := range map[string]string{
		"":                           "c,b,a",
		"state=done":                 "c,a",
		"state=failed":               "b",
		"state=waiting":              "",
		"kind=messages":              "b,a",
		"kind=feed":                  "c",
		"object=page":                "c",
		"conversation=7/49":          "b,a",
		"id=" + a:                    "a",
		"id=" + a + "&id=" + c:       "c,a",
		"text=HELLO":                 "a",
		"text=anna":                  "b,a",
		"text=wamid":                 "b,a",
		"text=10211885744794461":     "c",
		"text=caf%C3%A9":             "b",
		"text=%22quoted":             "b",
		"text=none+of+it":            "",
		"text=" + a[:6]:              "a",
		"since=1h":                   "c,b,a",
		"until=2020-01-01T00:00:00Z": "",
		"from=2020-01-01T00:00:00Z&kind=messages": "b,a",
		"destination=app":                         "",
	} {
		var got []string
		for _, r := range get[listing](t, h, "/inspector/events?"+query).Events {
			got = append(got, r.ID[:1])
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
	for _, query := range []string{"destnation=app", "state=deaf", "limit=0", "limit=1001", "from=now", "id=1", "handler=other", "cursor=x", "to=app"} {
		if _, status := serve(h, newRequest(http.MethodGet, "/inspector/events?"+query, ""), new(app)); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, status)
		}
	}
}

func TestListIsTurnedPageByPage(t *testing.T) {
	h := provisioned(t, func(h *Handler) { h.MaxEvents = 1000 })
	for i := range 250 {
		serve(h, newDelivery(message(fmt.Sprint(i), fmt.Sprint("text ", i%50))), new(app))
	}
	for query, want := range map[string]int{"limit=7": 250, "limit=100": 250, "limit=1000": 250, "limit=2&text=text+49": 5} {
		seen, cursor := 0, ""
		for pages := 0; ; pages++ {
			page := get[listing](t, h, "/inspector/events?"+query+"&cursor="+cursor)
			seen += len(page.Events)
			if cursor = page.Next; cursor == "" {
				break
			}
			if pages > want {
				t.Fatalf("%s: got no end", query)
			}
		}
		if seen != want {
			t.Errorf("%s: got %d events, want %d", query, seen, want)
		}
	}
}

// TestListThatTakesLongIsCutOff has a search whose time is over at once.
func TestListThatTakesLongIsCutOff(t *testing.T) {
	j := newJournal(t)
	for i := range 3 * atOnce {
		j.add(eventOf(i, 10), 1000, 1<<30)
	}
	q := anything(t)
	q.text = "nowhere"
	found, err := j.list(t.Context(), q, time.Now().Add(-time.Second))
	if err != nil || len(found.Events) != 0 || found.Next != fmt.Sprint(2*atOnce+1) {
		t.Errorf("got %+v and %v, want nothing but a cursor to go on from", found, err)
	}
}

func TestStoryOfWhatWasDeliveredInline(t *testing.T) {
	h := provisioned(t, passing)
	const id = "aa000000000000000000000000000000"
	serve(h, newDelivery(message(id, "Hello")), &app{status: 500, says: "oops"})
	serve(h, newDelivery(testEvent), new(app))
	serve(h, newDelivery(message(id, "Hello")), new(app))
	for _, by := range []string{id, h.journal.id(1), h.journal.id(3)} {
		stories := get[[]story](t, h, "/inspector/event?id="+by)
		if len(stories) != 1 {
			t.Fatalf("%s: got %d stories, want 1", by, len(stories))
		}
		s := stories[0]
		if s.ID != id || s.Sender != "Anna (49)" || s.Text != "Hello" || s.Body != message(id, "Hello") || s.Kind != "messages" || s.Mode != modeEach {
			t.Errorf("%s: got %+v", by, s)
		}
		attempts := s.Deliveries[0].Attempts
		if len(attempts) != 2 || attempts[0].Status != 500 || attempts[0].Answer != "oops" || attempts[1].Status != 200 || s.Deliveries[0].State != stateDone {
			t.Errorf("%s: got %+v, want one that failed and one that did not", by, s.Deliveries[0])
		}
		if s.Payload != "payload?of="+h.journal.id(3) || !strings.Contains(string(s.Origin), `"uri":"/webhooks"`) {
			t.Errorf("%s: got the payload at %s and the origin %s", by, s.Payload, s.Origin)
		}
	}
	for _, by := range []string{"", "x", "bb000000000000000000000000000000", h.journal.id(9), "AAAAAAAA-1"} {
		if _, status := serve(h, newRequest(http.MethodGet, "/inspector/event?id="+by, ""), new(app)); status != http.StatusNotFound {
			t.Errorf("%q: got %d, want 404", by, status)
		}
	}
}

func TestStoryOfANotificationHasWhatMetaSent(t *testing.T) {
	h := provisioned(t)
	notification := `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"n":1}},{"field":"mention","value":{"n":2}}]}]}`
	serve(h, newDelivery(notification), new(app))
	serve(h, newDelivery("no JSON"), new(app))
	s := get[[]story](t, h, "/inspector/event?id="+h.journal.id(2))[0]
	if s.Notified != notification || s.Kind != "mention" || s.Events != 2 || s.Mode != modeOriginal {
		t.Errorf("got %+v, want what Meta has sent", s)
	}
	if s = get[[]story](t, h, "/inspector/event?id="+h.journal.id(3))[0]; s.Body != "no JSON" || s.Mode != modeUnknown {
		t.Errorf("got %+v, want what was delivered", s)
	}
}
