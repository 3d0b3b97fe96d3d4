package inspector

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/browsertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// An app is what a destination delivers to. It answers what the test says.
type app struct {
	*harness.Upstream
	mu     sync.Mutex
	answer func(body string) (status int, text string)
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	a.Upstream = harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		a.mu.Lock()
		answer := a.answer
		a.mu.Unlock()
		if answer != nil {
			status, text := answer(r.Body)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	})
	return a
}

func (a *app) answers(answer func(body string) (int, string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// refusing returns the answers of an app that refuses what has a text in it.
func refusing(text string, status int, says string) func(string) (int, string) {
	return func(body string) (int, string) {
		if strings.Contains(body, text) {
			return status, says
		}
		return http.StatusOK, "fine"
	}
}

// storing returns a site that stores events for destinations, and shows them.
func storing(c *caddyproc.Process, options ...string) string {
	return harness.Lines(harness.Hook(append([]string{"store file {", "path " + c.Path("stored"), "}"}, options...)...), inspector("operate"))
}

// post sends a notification to a process.
func post(t *testing.T, c *caddyproc.Process, body []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL(harness.Callback), strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, body))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d, want 200", res.StatusCode)
	}
}

// read returns what is at a URL, which must be JSON.
func read[T any](t *testing.T, url string) T {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d %s and %v, want 200", url, res.StatusCode, text, err)
	}
	return harness.Decode[T](t, string(text))
}

// confirm clicks a button, and says yes to what the page asks then.
func confirm(p *browsertest.Page, button string) {
	browsertest.Eval[bool](p, button+`.click() ?? true`)
	p.Eventually(`document.getElementById("dialog").open && !document.querySelector("#dialog .primary").disabled`)
	p.Do(chromedp.Click(chromedp.CSS("#dialog .primary")))
	p.Eventually(`!document.getElementById("dialog").open`)
}

// steps is an expression for what the story says has happened.
const steps = `[...document.querySelectorAll(".step")].map((e) => e.querySelector("b").textContent + (e.querySelector(".result") ? " " + e.querySelector(".result").textContent : ""))`

// panel is an expression for what the panel of a destination says.
func panel(destination string) string {
	return fmt.Sprintf(`(document.querySelector('[data-name=%q]')?.innerText.replaceAll(/\s+/g, " ") ?? "")`, destination)
}

// TestPoisonEventIsReplayedFromThePage has an event that the app refuses until
// it is dead, a process that is killed, and an app that is repaired.
func TestPoisonEventIsReplayedFromThePage(t *testing.T) {
	a := newApp(t)
	a.answers(refusing("poison", http.StatusUnprocessableEntity, "<b>no such customer</b>"))
	c := caddyproc.New(t)
	site := storing(c, "destination app {", "retry 20ms 50ms", "give_up 300ms", "reverse_proxy "+a.Addr, "}")
	c.Start(site)
	p := opened(t, c.URL("/inspector"))
	post(t, c, harness.Page([]string{"first"}))
	post(t, c, harness.Page([]string{"poison"}))
	post(t, c, harness.Page([]string{"last"}))
	p.Eventually(rows + `.length === 3 && ` + rows + `.map((row) => row.querySelector(".chip").textContent).join() === "done,dead,done"`)
	p.Eventually(panel("app") + `.includes("1 dead") && ` + panel("app") + `.includes("http_422: 1")`)
	wantValue(t, p, `document.querySelectorAll(".chart rect.delivered").length`, 1)

	// the number leads to what is dead, and that to its cause
	browsertest.Eval[bool](p, `document.querySelector("[data-name=app] [data-what=dead]").click() ?? true`) // a panel is drawn anew now and then
	p.Eventually(rows + `.length === 1 && location.search === "?state=dead&destination=app"`)
	p.Do(chromedp.Click(chromedp.CSS("#list a")))
	p.Eventually(`document.querySelectorAll(".step").length > 2`)
	dead := browsertest.Eval[[]string](p, steps)
	if dead[0] != "Received" || dead[1] != "Attempt 1 at app 422" || dead[len(dead)-1] != "Dead at app" {
		t.Errorf("got the story %q, want attempts that failed, and the end", dead)
	}
	wantValue(t, p, `document.querySelector(".answer").textContent`, "<b>no such customer</b>")
	wantValue(t, p, `document.querySelector(".step[data-state=dead]").innerText.includes("http_422")`, true)
	address := browsertest.Eval[string](p, `location.href`)
	id := browsertest.Eval[string](p, `new URLSearchParams(location.search).get("event")`)

	// the process is gone, and another is there: nothing of the story is
	c.Kill()
	p.Eventually(`document.getElementById("state").textContent === "reconnecting"`)
	c.Start(site)
	p.Eventually(`document.getElementById("state").textContent === "live"`)
	later := opened(t, address)
	later.Eventually(`document.querySelectorAll(".step").length > 2`)
	if got := browsertest.Eval[[]string](later, steps); strings.Join(got, ",") != strings.Join(dead, ",") {
		t.Errorf("got the story %q after a restart, want %q", got, dead)
	}

	// the app is repaired, and gets the event from the page that was open before
	a.answers(nil)
	a.Forget()
	confirm(p, detail+`.querySelector("[data-what='replay app']")`)
	p.Eventually(steps + `.at(-1) === "Delivered to app"`)
	if got := a.Only(); got.Header.Get("Webhook-Id") != id || got.Header.Get("Webhook-Replay") != "true" || !strings.Contains(got.Body, "poison") {
		t.Errorf("got Webhook-Id %q and Webhook-Replay %q of %s, want %q, true and the event", got.Header.Get("Webhook-Id"), got.Header.Get("Webhook-Replay"), got.Body, id)
	}
	want := strings.Join(dead, ",") + ",Replayed to app,Attempt 1 at app 200,Delivered to app"
	if got := strings.Join(browsertest.Eval[[]string](p, steps), ","); got != want {
		t.Errorf("got the story %s, want %s", got, want)
	}

	// what is dead stays so until a person is done with it
	wantValue(t, p, panel("app")+`.includes("1 dead")`, true)
	confirm(p, detail+`.querySelector("[data-what='discard app']")`)
	p.Eventually(rows + `.length === 0 && ` + panel("app") + `.includes("0 dead")`)
	p.Eventually(steps + `.includes("Discarded for app")`)
	if log := c.Log(); !strings.Contains(log, "events replayed") {
		t.Error("got nothing about the replay in the log, want who has replayed what")
	}
	for _, problem := range p.Problems() {
		if !strings.Contains(problem, "ERR_") && !strings.Contains(problem, "403") { // the process was gone, and its token with it
			t.Errorf("got %s, want no problem in the browser", problem)
		}
	}
	wantClean(t, c.URL(""), later)
}

// TestPageOperatesManyEvents has an app that is down: the page says the same as
// the admin API, discards some of what waits, and has the rest wait longer.
func TestPageOperatesManyEvents(t *testing.T) {
	a := newApp(t)
	a.answers(func(string) (int, string) { return http.StatusServiceUnavailable, "" })
	c := caddyproc.New(t)
	c.Start(storing(c, "destination app {", "retry 20ms 100ms", "reverse_proxy "+a.Addr, "}", "destination crm {", "reverse_proxy "+a.Addr, "}"))
	p := opened(t, c.URL("/inspector"))
	const events = 60
	for i := range events / 20 {
		post(t, c, harness.Page(harness.Posts(fmt.Sprintf("p%d-", i), 20)))
	}
	type destination struct {
		Destination, State string
		Waiting            int `json:"waiting"`
		UnderWay           int `json:"under_way"`
	}
	harness.Eventually(t, "a destination that is down", func() bool {
		all := read[[]destination](t, c.AdminURL("/meta_webhook/destinations"))
		return len(all) == 2 && all[0].State == "probing" && all[0].Waiting+all[0].UnderWay == events
	})
	p.Eventually(panel("app") + `.includes("probing") && Number(/(\d+) waiting/.exec(` + panel("app") + `)[1]) + Number(/(\d+) under way/.exec(` + panel("app") + `)[1]) === 60`)

	confirm(p, `document.querySelector("[data-name=app] [data-what=pause]")`)
	p.Eventually(panel("app") + `.includes("paused")`)
	harness.Eventually(t, "a destination that is paused", func() bool {
		return read[[]destination](t, c.AdminURL("/meta_webhook/destinations"))[0].State == "paused"
	})

	// all that fit, after it has counted
	wantValue(t, p, `document.querySelector("#bulk button").disabled`, true)
	choose(p, "f-destination", "app")
	p.Eventually(`!document.querySelector("#bulk button").disabled`)
	choose(p, "f-text", "p1-")
	p.Eventually(`document.querySelector("#bulk button").disabled`) // for a text finds more than the store does
	p.Eventually(rows + `.length === 20`)
	choose(p, "f-text", "")
	choose(p, "f-state", "waiting")
	p.Eventually(`!document.querySelector("#bulk button").disabled`)
	browsertest.Eval[bool](p, `document.querySelector("#bulk button:nth-of-type(2)").click() ?? true`)
	p.Eventually(`document.querySelector("#dialog .note")?.textContent === "60 events would be discarded."`)
	p.Do(chromedp.Click(chromedp.CSS("#dialog .primary")))
	p.Eventually(`!document.getElementById("dialog").open`)
	p.Eventually(rows + `.length === 0 && ` + panel("app") + `.includes("0 waiting")`)

	// and back again
	choose(p, "f-state", "discarded")
	p.Eventually(rows + `.length > 0`)
	browsertest.Eval[bool](p, `document.querySelector("#bulk button").click() ?? true`)
	p.Eventually(`document.querySelector("#dialog .note")?.textContent === "60 events would be delivered to app again."`)
	p.Do(chromedp.Click(chromedp.CSS("#dialog .primary")))
	p.Eventually(`!document.getElementById("dialog").open`)
	p.Eventually(panel("app") + `.includes("60 waiting")`)
	a.answers(nil)
	browsertest.Eval[bool](p, `document.querySelector("[data-name=app] [data-what=pause]").click() ?? true`)
	p.Eventually(panel("app") + `.includes("0 waiting") && ` + panel("crm") + `.includes("0 waiting")`)
	wantClean(t, c.URL(""), p)
}

// TestPageShowsWhatMetaSent has a destination that gets it.
func TestPageShowsWhatMetaSent(t *testing.T) {
	a := newApp(t)
	c := caddyproc.New(t)
	c.Start(storing(c, "destination app {", "reverse_proxy "+a.Addr, "}", "destination legacy {", "deliver original", "reverse_proxy "+a.Addr, "}"))
	body := harness.Page([]string{"only"})
	post(t, c, body)
	post(t, c, harness.Page([]string{"one", "two"}))
	p := opened(t, c.URL("/inspector"))
	p.Eventually(rows + `.length === 5 && ` + rows + `.every((row) => row.querySelector(".chip").textContent === "done")`)
	wantValue(t, p, rows+`[0].querySelector(".text").textContent`, "[2 events]")
	browsertest.Eval[bool](p, rows+`[0].querySelector("a").click() ?? true`)
	p.Eventually(`document.querySelectorAll(".parts li").length === 2`)
	browsertest.Eval[bool](p, `document.querySelector(".parts button").click() ?? true`)
	p.Eventually(`document.querySelector(".tree")?.textContent.includes('"one"') === true && document.querySelector(".parts") === null`)
	browsertest.Eval[bool](p, rows+`.find((row) => row.textContent.includes("only") && row.textContent.includes("app")).querySelector("a").click() ?? true`)
	p.Eventually(`document.querySelector("[data-what=original]") !== null`)
	browsertest.Eval[bool](p, `document.querySelector("[data-what=original]").click() ?? true`)
	p.Eventually(detail + `.innerText.includes("What Meta has sent")`)
	link := browsertest.Eval[string](p, `document.querySelector("[data-what=download]").href`)
	res, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != string(body) {
		t.Errorf("got %s to download, want Meta's bytes", got)
	}
	wantClean(t, c.URL(""), p)
}

// TestStoredEventsAreNothingButText has events, and an app's answers, that try
// to be markup.
func TestStoredEventsAreNothingButText(t *testing.T) {
	a := newApp(t)
	a.answers(func(body string) (int, string) { return http.StatusTeapot, hostile[0] + hostile[1] + body })
	c := caddyproc.New(t)
	c.Start(storing(c, "destination app {", "retry 20ms 50ms", "give_up 1ms", "reverse_proxy "+a.Addr, "}"))
	p := opened(t, c.URL("/inspector"))
	for _, text := range hostile {
		post(t, c, hostileNotification(t, text))
	}
	p.Eventually(rows + fmt.Sprintf(`.filter((row) => row.querySelector(".chip").textContent === "dead").length === %d`, len(hostile)))
	wantNoMarkup(t, p, len(hostile))
	wantClean(t, c.URL(""), p)
}

// TestPageOfAHundredThousandEvents has the page scroll through them, search
// them, and stay fluent while more arrive.
func TestPageOfAHundredThousandEvents(t *testing.T) {
	a := newApp(t)
	a.answers(func(string) (int, string) { return http.StatusServiceUnavailable, "" })
	c := caddyproc.New(t)
	c.Start(storing(c, "destination app {", "reverse_proxy "+a.Addr, "}"))
	const events, each = 100_000, 1000
	for i := range events / each {
		post(t, c, harness.Page(harness.Posts(fmt.Sprintf("post-%d-", i), each)))
	}
	slowest := make(map[string]time.Duration)
	ask := func(what, query string) (shown struct {
		Events []struct{ Subject string }
		Next   string
	},
	) {
		start := time.Now()
		shown = read[struct {
			Events []struct{ Subject string }
			Next   string
		}](t, c.URL("/inspector/events?limit=100&"+query))
		slowest[what] = max(slowest[what], time.Since(start))
		return shown
	}
	cursor, seen := "", 0
	for range 50 {
		page := ask("a page", "cursor="+cursor)
		seen += len(page.Events)
		cursor = page.Next
	}
	if seen != 5000 {
		t.Errorf("got %d events in 50 pages, want 5000", seen)
	}
	ask("the dead", "state=dead")
	ask("a search for nothing", "text=nowhere")
	t.Logf("slowest answers: %v", slowest)

	p := opened(t, c.URL("/inspector"))
	p.Eventually(rows + `.length > 0`)
	watchGaps(p)
	time.Sleep(time.Second)
	idle := longestGaps(p)
	p.Eventually(`(scrollTo(0, document.body.scrollHeight), parseInt(document.getElementById("count").textContent.replaceAll(",", "")) >= 3000)`)
	post(t, c, harness.Page(harness.Posts("new-", each)))
	p.Eventually(`(scrollTo(0, 0), ` + rows + `[0]?.textContent.includes("new-"))`)
	wantGaps(t, p, idle)
	if got := browsertest.Eval[int](p, `document.querySelectorAll("*").length`); got > 1500 {
		t.Errorf("got %d elements, want no more than the rows in sight have", got)
	}
	t.Logf("longest gaps %v, without scrolling %v", longestGaps(p), idle)
	wantClean(t, c.URL(""), p)
}

// TestOtherWebsitesGetNothing has pages of two other origins, one of another
// site and one of another port, try everything that a page can do.
func TestOtherWebsitesGetNothing(t *testing.T) {
	a := newApp(t)
	a.answers(refusing("secret-of-a-customer", http.StatusTeapot, ""))
	c := caddyproc.New(t)
	c.Start(storing(c, "destination app {", "retry 20ms 50ms", "give_up 1ms", "reverse_proxy "+a.Addr, "}"))
	post(t, c, harness.Page([]string{"secret-of-a-customer"}))
	harness.Eventually(t, "a dead event", func() bool {
		return strings.Contains(fmt.Sprint(read[any](t, c.URL("/inspector/events"))), "dead")
	})
	page := browsertest.Eval[string](opened(t, c.URL("/inspector")), `document.querySelector("meta[name=operate]").content`)
	if len(page) < 26 {
		t.Fatalf("got the token %q, want one", page)
	}
	operation, _ := json.Marshal(map[string]string{"token": page, "do": "discard", "query": "state=dead"}) // even if the token were known
	other := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>evil</title><body>`)
	})}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = other.Serve(listener) }()
	t.Cleanup(func() { _ = other.Close() })
	_, port, _ := strings.Cut(listener.Addr().String(), ":")
	for _, origin := range []string{"http://127.0.0.1:" + port, "http://evil.localhost:" + port} {
		t.Run(origin, func(t *testing.T) {
			p := browsertest.Open(t, origin)
			browsertest.Eval[bool](p, fmt.Sprintf(`(async () => {
				const base = %q, operation = %q, got = [];
				const read = async (what, options) => {
					try {
						const answer = await fetch(base + what, options);
						const text = answer.type === "opaque" ? "" : await answer.text();
						if (text) got.push(what + ": " + text);
					} catch {}
				};
				for (const what of ["", "events", "event?id=x", "destinations", "dropped", "stream", "payload?id=x", "app.js"]) {
					await read(what);
					await read(what, { mode: "no-cors" });
					await read(what, { credentials: "include" });
				}
				for (const type of ["text/plain", "application/json", "application/x-www-form-urlencoded"]) {
					for (const mode of ["cors", "no-cors"]) {
						await read("operate", { method: "POST", mode, body: operation, headers: { "Content-Type": type } });
					}
				}
				navigator.sendBeacon(base + "operate", operation);
				const load = (element) => new Promise((done) => {
					element.onload = () => { if (element.contentDocument?.body?.innerText) got.push("frame"); done(); };
					element.onerror = done;
					document.body.append(element);
					setTimeout(done, 1000);
				});
				for (const what of ["", "events", "app.js"]) {
					await load(Object.assign(document.createElement("iframe"), { src: base + what }));
					await load(Object.assign(document.createElement("img"), { src: base + what }));
					await load(Object.assign(document.createElement("script"), { src: base + what }));
				}
				const stream = new EventSource(base + "stream");
				stream.onmessage = stream.onopen = () => got.push("a stream");
				const form = Object.assign(document.createElement("form"), { method: "POST", action: base + "operate", enctype: "text/plain", target: "sink" });
				const field = Object.assign(document.createElement("input"), { name: operation.slice(0, -1) + ',"x":"', value: '"}' });
				form.append(field);
				document.body.append(Object.assign(document.createElement("iframe"), { name: "sink" }), form);
				form.submit();
				await new Promise((done) => setTimeout(done, 1000));
				window.got = got;
			})() instanceof Promise`, c.URL("/inspector/"), operation))
			p.Eventually(`window.got !== undefined`)
			if got := browsertest.Eval[[]string](p, `window.got`); len(got) > 0 {
				t.Errorf("got %.300q read by another website, want nothing", got)
			}
			shown := fmt.Sprint(read[any](t, c.URL("/inspector/events")))
			if !strings.Contains(shown, "state:dead") {
				t.Errorf("got %s, want the event dead as before", shown)
			}
		})
	}
	if log := c.Log(); !strings.Contains(log, "cross_site") || strings.Contains(log, page) || strings.Contains(log, "secret-of-a-customer") {
		t.Error("got a log without the refusals, or with the token or an event in it")
	}
}
