package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/browsertest"
)

// notify sends notifications, each of which must be accepted.
func notify(g *harness.Gateway, bodies ...[]byte) {
	g.T.Helper()
	for _, body := range bodies {
		harness.WantStatus(g.T, g.Post(body), 200)
	}
}

// inspected opens the page of a gateway that has it in place of an app.
func inspected(t *testing.T, options ...string) (*harness.Gateway, *browsertest.Page) {
	t.Helper()
	g := harness.StartQuiet(t, harness.Lines(harness.Hook(), inspector(options...)))
	return g, opened(t, g.URL("/inspector"))
}

// opened opens a page, and waits until it is live.
func opened(t *testing.T, target string) *browsertest.Page {
	t.Helper()
	p := browsertest.Open(t, target)
	p.Eventually(`document.getElementById("state").textContent === "live"`)
	return p
}

// rows is an expression for the rows of the list, and detail for the story of
// the event that is open.
const (
	rows   = `[...document.querySelectorAll("#list > li")]`
	detail = `document.getElementById("detail")`
)

// wantClean fails the test if the page has had errors or dialogs, or has asked
// anybody else for anything.
func wantClean(t *testing.T, own string, p *browsertest.Page) {
	t.Helper()
	for _, problem := range p.Problems() {
		t.Errorf("got %s, want no problem in the browser", problem)
	}
	own = strings.TrimPrefix(own, "http://")
	if got := p.Hosts(); !slices.Equal(got, []string{own}) {
		t.Errorf("got requests to %q, want all to %s", got, own)
	}
}

func wantValue[T comparable](t *testing.T, p *browsertest.Page, expression string, want T) {
	t.Helper()
	if got := browsertest.Eval[T](p, expression); got != want {
		t.Errorf("%s: got %v, want %v", expression, got, want)
	}
}

// choose sets a field as a person does.
func choose(p *browsertest.Page, id, value string) {
	browsertest.Eval[bool](p, fmt.Sprintf(`((field) => {
		field.value = %q;
		return field.dispatchEvent(new Event(field.localName === "select" ? "change" : "input"));
	})(document.getElementById(%q))`, value, id))
}

func TestPageShowsWhatArrives(t *testing.T) {
	g, p := inspected(t)
	p.Eventually(`!document.getElementById("empty").hidden`)
	harness.Command(t, "", "send", "--sample", "page-feed", "--url", g.URL(harness.Callback)).Want(t, 0, "200 OK in ", "")
	p.Eventually(rows + `.length === 1`)
	notify(g, harness.WhatsApp([]string{"wamid.second"}, nil), harness.WhatsApp(nil, []string{"wamid.third"}))
	p.Eventually(rows + `.length === 3`)
	wantValue(t, p, rows+`.map((row) => row.querySelector(".object").textContent + " " + row.querySelector(".kind").textContent).join()`,
		"whatsapp_business_account statuses,whatsapp_business_account messages,page feed")
	wantValue(t, p, rows+`.map((row) => row.querySelector(".text").textContent).slice(0, 2).join()`, "[read],hello")
	wantValue(t, p, `document.getElementById("empty").hidden`, true)
	wantValue(t, p, `document.getElementById("destinations").hidden`, true)

	// a click opens it
	p.Do(chromedp.Click(chromedp.CSS("#list > li:nth-child(2) a")))
	p.Eventually(`document.querySelector(".tree")?.textContent.includes("wamid.second") ?? false`)
	wantValue(t, p, `[...document.querySelectorAll(".tree .string")].some((e) => e.textContent === '"hello"')`, true)
	wantValue(t, p, `[...document.querySelectorAll("dd")].some((e) => e.textContent === "/webhooks")`, true)
	wantValue(t, p, `[...document.querySelectorAll(".step b")].map((e) => e.textContent).join()`, "Received,Attempt 1")

	// the payload is what the app got
	wantValue(t, p, `document.querySelector(".actions a").download`, "")
	link := browsertest.Eval[string](p, `document.querySelector(".actions a").href`)
	payload := g.Do(g.Request("GET", strings.TrimPrefix(link, g.URL("")), nil))
	if got := harness.Decode[map[string]any](t, payload.Body)["subject"]; got != "wamid.second" {
		t.Errorf("got the payload %s, want the event's", payload.Body)
	}

	// all of it is there again later, at the same address
	p.Do(chromedp.Reload())
	p.Eventually(rows + `.length === 3 && (document.querySelector(".tree")?.textContent.includes("wamid.second") ?? false)`)
	wantClean(t, g.URL(""), p)
}

func TestPageShowsRetriesRepeatsAndRefusals(t *testing.T) {
	failing := true
	u := harness.NewUpstream(t, func(w http.ResponseWriter, _ harness.Received) {
		if failing {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("<b>out of order</b>"))
		}
	})
	g := harness.StartQuiet(t, harness.Lines(harness.Hook(), inspector("pass"), "reverse_proxy "+u.Addr))
	p := opened(t, g.URL("/inspector"))
	body := harness.Page([]string{"a"})
	harness.WantStatus(t, g.Post(body), 502)
	failing = false
	notify(g, body, body, body)
	forged := g.Notification(body)
	forged.Header.Set(harness.SignatureHeader, harness.Sign("wrong", body))
	harness.WantStatus(t, g.Do(forged), 401)
	harness.WantStatus(t, g.Verify("wrong-"+harness.Token, "1"), 403)
	p.Eventually(rows + `.length === 2`)
	wantValue(t, p, rows+`.map((row) => row.querySelector(".chip").textContent).join()`, "done,failed")
	p.Do(chromedp.Click(chromedp.CSS("#list > li a")))
	p.Eventually(`[...document.querySelectorAll(".step b")].map((e) => e.textContent).join() === "Received,Attempt 1,Attempt 2,Came again 2 times"`)
	wantValue(t, p, `document.querySelector(".answer").textContent`, "<b>out of order</b>")
	wantValue(t, p, `[...document.querySelectorAll(".step .result")].map((e) => e.textContent).join()`, "500,200")

	p.Do(chromedp.Click(chromedp.CSS("#dropped-button")))
	p.Eventually(`document.querySelectorAll("#dropped td").length > 0`)
	text := browsertest.Eval[string](p, `document.getElementById("dropped").innerText`)
	for _, want := range []string{"signature_mismatch", "verify_token_mismatch", "401", "403", "127.0.0.1", "page feed"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q of what was dropped, want %q in it", text, want)
		}
	}
	for _, hidden := range []string{harness.Token, harness.AppSecret, harness.Digest("wrong", body), harness.Digest(harness.AppSecret, body)} {
		if strings.Contains(text, hidden) {
			t.Errorf("got %q of what was dropped, want no secret, token or digest", text)
		}
	}
	wantValue(t, p, `location.search.includes("view=dropped")`, true)
	p.Do(chromedp.Reload())
	p.Eventually(`!document.getElementById("dropped").hidden && document.querySelectorAll("#dropped td").length > 0`)
	wantClean(t, g.URL(""), p)
}

func TestPageFilters(t *testing.T) {
	g, p := inspected(t)
	notify(g, harness.Page([]string{"needle", "b", "c"}), harness.WhatsApp([]string{"wamid.a"}, []string{"wamid.b"}))
	notify(g, []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"mention","value":{"message":"caf\u00e9"}}]}]}`))
	p.Eventually(rows + `.length === 6`)
	wantValue(t, p, `[...document.getElementById("kinds").options].map((o) => o.value).sort().join()`, "feed,mention,messages,statuses")

	choose(p, "f-kind", "messages")
	p.Eventually(rows + `.length === 1`)
	wantValue(t, p, `document.getElementById("count").textContent`, "1 event")
	wantValue(t, p, `location.search`, "?kind=messages")
	choose(p, "f-kind", "calls")
	p.Eventually(`!document.getElementById("nothing").hidden`)
	choose(p, "f-kind", "")
	choose(p, "f-text", "NEEDLE")
	p.Eventually(rows + `.length === 1`)
	choose(p, "f-text", "café") // which Meta has escaped
	p.Eventually(rows + `.length === 1 && document.querySelector(".kind").textContent === "mention"`)

	// what does not match is not shown when it arrives, either
	notify(g, harness.Page([]string{"other"}))
	time.Sleep(time.Second)
	wantValue(t, p, rows+`.length`, 1)
	choose(p, "f-text", "")
	p.Eventually(rows + `.length === 7`)
	choose(p, "f-state", "failed")
	p.Eventually(rows + `.length === 0`)
	choose(p, "f-state", "done")
	choose(p, "f-since", "15m")
	p.Eventually(rows + `.length === 7`)
	choose(p, "f-since", "between")
	wantValue(t, p, `document.querySelectorAll(".between:not([hidden])").length`, 2)
	choose(p, "f-until", "2020-01-01T00:00:00")
	browsertest.Eval[bool](p, `document.getElementById("f-until").dispatchEvent(new Event("change"))`)
	p.Eventually(rows + `.length === 0`)

	// a view can be shared
	shared := opened(t, g.URL("/inspector?state=done&kind=feed&text=needle&object=page"))
	shared.Eventually(rows + `.length === 1`)
	wantValue(t, shared, `["f-state", "f-kind", "f-text"].map((id) => document.getElementById(id).value).join()`, "done,feed,needle")
	shared.Do(chromedp.Click(chromedp.CSS("#also button")))
	shared.Eventually(`!location.search.includes("object")`)
	wantClean(t, g.URL(""), p)
	wantClean(t, g.URL(""), shared)
}

func TestPageByKeyboard(t *testing.T) {
	g, p := inspected(t)
	notify(g, harness.Page([]string{"a", "b", "c"}))
	p.Eventually(rows + `.length === 3`)
	keys := func(keys string) { p.Do(chromedp.KeyEvent(keys)) }

	const focused = rows + `.findIndex((row) => row.contains(document.activeElement))`
	p.Press("j")
	wantValue(t, p, focused, 0)
	p.Press("j")
	p.Press("j")
	wantValue(t, p, focused, 2)
	p.Press("k")
	wantValue(t, p, focused, 1)
	wantValue(t, p, `getComputedStyle(document.activeElement).outlineStyle`, "solid")
	keys(kb.Enter)
	p.Eventually(`document.querySelectorAll("#detail .tree").length === 1`)
	wantValue(t, p, rows+`.findIndex((row) => row.querySelector("[aria-current]"))`, 1)
	browsertest.Eval[bool](p, detail+`.querySelector("button").focus() ?? true`)
	keys(kb.Tab)
	wantValue(t, p, `document.activeElement.textContent`, "Copy link")
	keys(kb.Tab)
	wantValue(t, p, `document.activeElement.textContent`, "Copy as JSON")
	keys(kb.Escape)
	wantValue(t, p, detail+`.hidden`, true)
	wantValue(t, p, focused, 1)
	p.Press("/")
	wantValue(t, p, `document.activeElement.id`, "f-text")
	p.Press("j") // is a letter there
	p.Press("f")
	wantValue(t, p, `document.getElementById("f-text").value`, "jf")
	keys(kb.Backspace + kb.Backspace + kb.Escape)
	wantValue(t, p, `document.activeElement === document.body`, true)
	p.Eventually(rows + `.length === 3`)

	p.Press("f")
	wantValue(t, p, `document.getElementById("freeze").getAttribute("aria-pressed")`, "true")
	notify(g, harness.Page([]string{"d"}))
	time.Sleep(time.Second)
	wantValue(t, p, rows+`.length`, 3)
	p.Press("f")
	p.Eventually(rows + `.length === 4`)
	wantClean(t, g.URL(""), p)
}

func TestPageOnAPhoneAndInTheDark(t *testing.T) {
	g, p := inspected(t)
	long := strings.Repeat("verylongword", 40)
	notify(g, harness.Page([]string{"a", long}), []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"mention","value":{"from":{"name":"`+long+`"},"message":"`+long+`"}}]}]}`))
	p.Eventually(rows + `.length === 3`)
	colours := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 390, 800, 1280} {
			p.Resize(width, 700, scheme)
			p.Eventually(fmt.Sprintf(`innerWidth === %d`, width))
			wantValue(t, p, `document.documentElement.scrollWidth <= innerWidth`, true)
			p.Press("j")
			p.Do(chromedp.KeyEvent(kb.Enter))
			p.Eventually(`document.querySelectorAll("#detail .tree").length === 1`)
			wantValue(t, p, `document.documentElement.scrollWidth <= innerWidth && `+detail+`.scrollWidth <= `+detail+`.clientWidth`, true)
			if width < 600 { // it covers the page
				wantValue(t, p, detail+`.getBoundingClientRect().width >= innerWidth - 1`, true)
			}
			p.Do(chromedp.KeyEvent(kb.Escape))
		}
		colours[scheme] = browsertest.Eval[string](p, `getComputedStyle(document.body).backgroundColor`)
	}
	if colours["light"] == colours["dark"] {
		t.Errorf("got the colours %v, want another in the dark", colours)
	}
	wantClean(t, g.URL(""), p)
}

// hostile are texts that try to be markup.
var hostile = []string{
	`<script>window.hacked = 1; alert(1)</script>`,
	`</pre></details><img src=x onerror="window.hacked=1;alert(1)">`,
	`<svg onload="window.hacked=1;alert(1)"><animate onbegin="alert(1)"/></svg>`,
	`"><a href="javascript:alert(1)">click</a><iframe srcdoc="<script>alert(1)</script>"></iframe>`,
	"\u202e\u2066 left \u2069 \x00 \u2028 </textarea>",
	`javascript:alert(1)//'"&amp;`,
	strings.Repeat("<b>long</b> ", 200_000/12),
}

// hostileNotification returns a notification with a text wherever it can stand:
// in the object, the field, the ids and the data.
func hostileNotification(t *testing.T, text string) []byte {
	t.Helper()
	name := text
	if len(name) > 1000 {
		name = "long"
	}
	value, err := json.Marshal(map[string]any{
		"message": text, "from": map[string]string{"name": name, "id": name}, "item": name, "comment_id": name, name: map[string]any{name: []string{name}},
	})
	if err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(name)
	return fmt.Appendf(nil, `{"object":%s,"entry":[{"id":%s,"time":1,"changes":[{"field":%s,"value":%s}]}]}`, quoted, quoted, quoted, value)
}

// wantNoMarkup opens every event on the page and everything in it, and fails
// the test if a text has become an element, an attribute or a script.
func wantNoMarkup(t *testing.T, p *browsertest.Page, events int) {
	t.Helper()
	p.Eventually(rows + fmt.Sprintf(`.length === %d`, events))
	for i := range events {
		browsertest.Eval[bool](p, fmt.Sprintf(`%s[%d].querySelector("a").click() ?? true`, rows, i))
		p.Eventually(detail + `.querySelector(".tree, .plain") !== null`)
		for range 3 { // and what is folded, or too long
			browsertest.Eval[bool](p, `document.querySelectorAll(".tree .more").forEach((b) => b.click()) ??
				document.querySelectorAll("details").forEach((d) => (d.open = true)) ?? true`)
			time.Sleep(30 * time.Millisecond)
		}
		strange := browsertest.Eval[[]string](p, `[...document.querySelectorAll("body *")].map((e) => e.localName).filter((name) => !`+ours+`.includes(name))`)
		if len(strange) > 0 {
			t.Errorf("got the elements %q, want none but the page's own", strange)
		}
		browsertest.Eval[bool](p, detail+`.querySelector("button").click() ?? true`)
	}
	wantValue(t, p, `window.hacked === undefined`, true)
	wantValue(t, p, `[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes]).filter((a) => a.name.startsWith("on") || a.name === "srcdoc").length`, 0)
	wantValue(t, p, `[...document.querySelectorAll("[href]")].every((e) => new URL(e.getAttribute("href"), location.href).origin === location.origin)`, true)
	wantValue(t, p, `document.querySelectorAll("script, [src]").length`, 1)
}

// ours are the elements that the page is made of.
const ours = `["header", "div", "h1", "h2", "h3", "p", "label", "select", "option", "input", "button", "datalist", "section", "article", "main", "ol", "ul", "li",
	"aside", "footer", "kbd", "dialog", "noscript", "pre", "code", "a", "time", "span", "b", "dl", "dt", "dd", "details", "summary",
	"svg", "title", "rect", "line", "polyline", "table", "tr", "th", "td"]`

// TestEventIsNothingButText has events that try to be markup.
func TestEventIsNothingButText(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		w.WriteHeader(http.StatusInternalServerError) // and the app's answer does as well
		_, _ = w.Write([]byte(hostile[0] + hostile[1] + r.Body))
	})
	g := harness.StartQuiet(t, harness.Lines(harness.Hook(), inspector("pass"), "reverse_proxy "+u.Addr))
	p := opened(t, g.URL("/inspector"))
	for _, text := range hostile {
		harness.WantStatus(t, g.Post(hostileNotification(t, text)), 502)
	}
	wantNoMarkup(t, p, len(hostile))
	for _, text := range hostile { // and it can be read
		shown, _ := json.Marshal(text)
		browsertest.Eval[bool](p, fmt.Sprintf(`%s[%d].querySelector("a").click() ?? true`, rows, len(hostile)-1-slices.Index(hostile, text)))
		p.Eventually(`document.querySelectorAll(".tree .more").forEach((b) => b.click()) ?? [...document.querySelectorAll(".tree .string")].some((e) => e.textContent === JSON.stringify(` + string(shown) + `))`)
	}
	wantValue(t, p, `document.querySelector(".answer").textContent.startsWith("<script>")`, true)

	// so do addresses
	for _, text := range hostile[:len(hostile)-1] {
		query := []string{"state", "destination", "kind", "text", "conversation", "object", "event", "since", "from", "view"}
		for i, name := range query {
			query[i] = name + "=" + strings.NewReplacer("\x00", "%00", " ", "%20", "<", "%3C", ">", "%3E", `"`, "%22", "&", "%26", "#", "%23").Replace(text)
		}
		p.Do(chromedp.Navigate(g.URL("/inspector/?" + strings.Join(query, "&"))))
		p.Eventually(`document.getElementById("state").textContent === "live" && ` + detail + `.textContent.includes("Nothing is known")`)
		wantValue(t, p, `window.hacked === undefined`, true)
		wantValue(t, p, `[...document.querySelectorAll("body *")].every((e) => `+ours+`.includes(e.localName))`, true)
	}
	for _, problem := range p.Problems() {
		if !strings.Contains(problem, "400") && !strings.Contains(problem, "404") { // what such an address asks for
			t.Errorf("got %s, want no problem in the browser", problem)
		}
	}
}

// TestPageKeepsUpWithAFlood has a thousand events arrive within a second.
func TestPageKeepsUpWithAFlood(t *testing.T) {
	g, p := inspected(t, "max_events 2000")
	watchGaps(p)
	time.Sleep(time.Second)
	idle := longestGaps(p)
	start := time.Now()
	for i := range 10 {
		notify(g, harness.Page(harness.Posts(fmt.Sprint(i), 100)))
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * 100 * time.Millisecond)))
	}
	sent := time.Since(start)
	p.Eventually(rows + `[0]?.textContent.includes("9") && document.getElementById("state").textContent === "live"`)
	wantGaps(t, p, idle)
	t.Logf("1000 events sent in %v; longest gaps %v, without events %v", sent, longestGaps(p), idle)
	if got := browsertest.Eval[int](p, rows+`.length`); got > 60 {
		t.Errorf("got %d rows in the document, want no more than are in sight and some", got)
	}
	// down to the first of them
	p.Eventually(`(scrollTo(0, document.body.scrollHeight), document.getElementById("count").textContent === "1,000 events")`)
	p.Eventually(`(scrollTo(0, document.body.scrollHeight), ` + rows + `.at(-1).getAttribute("aria-posinset") === "1000")`)
	wantClean(t, g.URL(""), p)
}

// watchGaps has the page note the longest time between two of its frames and
// timers.
func watchGaps(p *browsertest.Page) {
	browsertest.Eval[bool](p, `(() => {
		window.longest = { frame: 0, timer: 0 };
		const watch = (name, again) => {
			let last = performance.now();
			const look = () => {
				const now = performance.now();
				window.longest[name] = Math.max(window.longest[name], now - last);
				last = now;
				again(look);
			};
			again(look);
		};
		watch("frame", requestAnimationFrame);
		watch("timer", (look) => setTimeout(look));
		return true;
	})()`)
}

func longestGaps(p *browsertest.Page) map[string]float64 {
	return browsertest.Eval[map[string]float64](p, `Object.assign({}, window.longest)`)
}

// wantGaps fails the test if the page has stood still.
func wantGaps(t *testing.T, p *browsertest.Page, idle map[string]float64) {
	t.Helper()
	for name, gap := range longestGaps(p) {
		if most := 2000 + 10*idle[name]; gap > most { // where others take the processor, it takes longer
			t.Errorf("got %.0f ms between two of the page's %ss, want less than %.0f ms", gap, name, most)
		}
	}
}

// TestPageGoesOnAfterAReload loads configurations while events arrive.
func TestPageGoesOnAfterAReload(t *testing.T) {
	g, p := inspected(t)
	var want []string
	for i := range 5 {
		id := func(when string) string { return fmt.Sprintf("%d-%s", i, when) }
		notify(g, harness.Page([]string{id("before")}))
		g.Reload(harness.Lines(harness.Hook("parallel "+fmt.Sprint(i+1)), inspector()))
		notify(g, harness.Page([]string{id("right after")})) // nobody may be connected yet
		p.Eventually(rows + fmt.Sprintf(`.length === %d`, 2*i+2))
		want = append(want, id("before"), id("right after"))
	}
	slices.Reverse(want)
	wantValue(t, p, rows+`.map((row) => row.querySelector(".id").textContent).join()`, strings.Join(want, ","))
	p.Eventually(`document.getElementById("state").textContent === "live"`)
	for _, problem := range p.Problems() {
		if !strings.Contains(problem, "ERR_") { // the browser's own word for a connection that ended
			t.Errorf("got %s, want no problem in the browser", problem)
		}
	}
}
