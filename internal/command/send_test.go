package command

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sample"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// countEvents returns the number of events in each notification, and checks
// their type.
func countEvents(t *testing.T, bodies []string, want string) (counts []int) {
	t.Helper()
	for _, body := range bodies {
		events, err := event.Parse([]byte(body))
		if err != nil {
			t.Fatalf("got error %v for %s", err, body)
		}
		for i := range events {
			if got := events[i].Type(); got != want {
				t.Errorf("got type %s, want %s", got, want)
			}
		}
		counts = append(counts, len(events))
	}
	return counts
}

func TestSendSendsEverySample(t *testing.T) {
	cleanEnvironment(t)
	for _, s := range sample.All {
		r := newReceiver(t, nil)
		command(t, "", "send", "--sample", s.Name, "--url", r.URL).want(t, 0, "200 OK in ", "")
		if got := countEvents(t, r.got(t, "development-secret"), s.Type); !slices.Equal(got, []int{1}) {
			t.Errorf("%s: got notifications of %v events, want one of 1", s.Name, got)
		}
	}
}

func TestSendDoesNotChangeTheBody(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("META_APP_SECRET", testSecret)
	r := newReceiver(t, nil)
	bodies := []string{" {\"object\":\"page\"}\r\n", "not JSON", ""}
	for _, body := range bodies {
		command(t, body, "send", "--url", r.URL).want(t, 0, "200 OK", "")
	}
	command(t, "", "send", "--url", r.URL, "--file", textFile(t, bodies[0])).want(t, 0, "200 OK", "")
	if got, want := r.got(t, testSecret), append(bodies, bodies[0]); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSendSplitsUpdatesByThousands(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, nil)
	command(t, "", "send", "--sample", "page-feed", "--updates", "2500", "--url", r.URL).want(t, 0, "3 of 3 answered 200; median ", "")
	if got, want := countEvents(t, r.got(t, "development-secret"), "com.facebook.page.feed"), []int{1000, 1000, 500}; !slices.Equal(got, want) {
		t.Errorf("got notifications of %v events, want %v", got, want)
	}
}

func TestSendRepeatsTheSameBytes(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, nil)
	command(t, "", "send", "--sample", "whatsapp-status", "--updates", "1001", "--repeat", "2", "--url", r.URL).want(t, 0, "6 of 6 answered 200", "")
	got := r.got(t, "development-secret")
	if len(got) != 6 {
		t.Fatalf("got %d notifications, want 6", len(got))
	}
	if got[0] == got[1] {
		t.Error("got one notification twice, want two different ones")
	}
	if !slices.Equal(got[2:4], got[:2]) || !slices.Equal(got[4:], got[:2]) {
		t.Error("got other bytes the second time, want the same")
	}
}

func TestSendSummarizesManyAnswers(t *testing.T) {
	cleanEnvironment(t)
	n := 0
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 7 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	got := command(t, "{}", "send", "--repeat", "49", "--url", r.URL)
	got.want(t, 2, "502 Bad Gateway in ", "Error: not every answer was 200; the last failure: 502 Bad Gateway: the app behind the gateway failed")
	if lines := strings.Count(got.out, "\n"); lines != 2 || !strings.Contains(got.out, "49 of 50 answered 200") {
		t.Errorf("got %q, want a line for the failure and a summary", got.out)
	}
	if strings.Contains(got.errs, "\r") {
		t.Errorf("got %q, want no progress bar without a terminal", got.errs)
	}
}

func TestSendShowsTheAnswer(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "no\x1b[2J")
	})
	command(t, "{}", "send", "--url", r.URL).want(t, 2, "\n  \"no\\x1b[2J\"\n", "Error: 418 I'm a teapot: Meta accepts only 200\n")
}

func TestSendNamesTheSourceOfARefusedSecret(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	command(t, "{}", "send", "--url", r.URL).want(t, 2, "401 Unauthorized in ", "The app secret came from example.Caddyfile, because META_APP_SECRET is not set")
	t.Setenv("META_APP_SECRET", testSecret)
	command(t, "{}", "send", "--url", r.URL).want(t, 2, "401 Unauthorized in ", "The app secret came from META_APP_SECRET")
}

func TestSendInJSON(t *testing.T) {
	cleanEnvironment(t)
	n := 0
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 2 {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "no")
		}
	})
	got := command(t, "{}", "send", "--json", "--repeat", "1", "--url", r.URL)
	got.want(t, 2, `{"status":200,`, "Error: ")
	dec := json.NewDecoder(strings.NewReader(got.out))
	var reports [2]sendReport
	for i := range reports {
		if err := dec.Decode(&reports[i]); err != nil {
			t.Fatalf("got %q: %v", got.out, err)
		}
	}
	if dec.More() {
		t.Errorf("got %q, want two lines", got.out)
	}
	if r := reports[0]; r.Status != 200 || r.Duration <= 0 || r.Bytes != 2 || r.Error != "" {
		t.Errorf("got %+v, want 200", r)
	}
	if r := reports[1]; r.Status != 403 || r.Answer != "no" || !strings.HasPrefix(r.Error, "403 Forbidden: ") {
		t.Errorf("got %+v, want 403", r)
	}
}

func TestSendStopsWithoutAnAnswer(t *testing.T) {
	cleanEnvironment(t)
	nobody := net.JoinHostPort("127.0.0.1", strconv.Itoa(freeport.Of(t)))
	url := "http://" + nobody
	command(t, "{}", "send", "--url", url).want(t, 2, "", "Error: connection refused: nothing listens at "+nobody)
	got := command(t, "{}", "send", "--url", url, "--repeat", "99", "--json")
	got.want(t, 2, `"error":"connection refused`, "connection refused")
	if n := strings.Count(got.out, "\n"); n != 1 {
		t.Errorf("got %d tries, want 1", n)
	}
}

func TestSendPrintsInPlaceOfSending(t *testing.T) {
	cleanEnvironment(t)
	r := newReceiver(t, nil)
	got := command(t, "", "send", "--sample", "threads-mention", "--updates", "1001", "--print", "--url", r.URL)
	got.want(t, 0, `"topic":"interaction"`, "")
	bodies := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	if counts := countEvents(t, bodies, "com.facebook.threads.mentions"); !slices.Equal(counts, []int{1000, 1}) {
		t.Errorf("got notifications of %v events, want 1000 and 1", counts)
	}
	if sent := r.got(t, ""); len(sent) != 0 {
		t.Errorf("got %d notifications, want none", len(sent))
	}
}

func TestSendUsageErrors(t *testing.T) {
	cleanEnvironment(t)
	for want, args := range map[string][]string{
		`--sample: unknown sample "pigeon": must be one of user-photos, page-feed, `:       {"--sample", "pigeon"},
		`unknown sample "whatsap-messag", did you mean "whatsapp-message"?`:                {"--sample", "whatsap-messag"},
		`unknown sample "whatsapp", did you mean "whatsapp-message" or "whatsapp-status"?`: {"--sample", "whatsapp"},
		"--updates: must be between 1 and 100000":                                          {"--sample", "page-feed", "--updates", "0"},
		"--repeat: must be between 0 and 100000":                                           {"--sample", "page-feed", "--repeat", "-1"},
		"[sample file]":                                                                    {"--sample", "page-feed", "--file", "body.json"},
		"[updates file]":                                                                   {"--updates", "2", "--file", "body.json"},
		"--updates: requires --sample":                                                     {"--updates", "2"},
	} {
		command(t, "{}", append([]string{"send"}, args...)...).want(t, 1, "", want)
	}
}
