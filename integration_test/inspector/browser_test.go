package inspector

import (
	"encoding/json"
	"fmt"
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
	p := browsertest.Open(t, g.URL("/inspector"))
	p.Eventually(`document.getElementById("state").textContent === "live"`)
	return g, p
}

// rows is an expression for the rows of the list.
const rows = `[...document.querySelectorAll("#list > li")]`

// wantClean fails the test if the page has had errors or dialogs, or has asked
// anybody else for anything.
func wantClean(t *testing.T, g *harness.Gateway, p *browsertest.Page) {
	t.Helper()
	for _, problem := range p.Problems() {
		t.Errorf("got %s, want no problem in the browser", problem)
	}
	own := strings.TrimPrefix(g.URL(""), "http://")
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

func TestPageShowsWhatArrives(t *testing.T) {
	g, p := inspected(t)
	wantValue(t, p, `document.getElementById("empty").hidden`, false)
	harness.Command(t, "", "send", "--sample", "page-feed", "--url", g.URL(harness.Callback)).Want(t, 0, "200 OK in ", "")
	p.Eventually(rows + `.length === 1`)
	notify(g, harness.WhatsApp([]string{"wamid.second"}, []string{"wamid.third"}))
	p.Eventually(rows + `.length === 3`)
	wantValue(t, p, rows+`.map((row) => row.querySelector(".object").textContent + " " + row.querySelector(".kind").textContent).join()`,
		"whatsapp_business_account statuses,whatsapp_business_account messages,page feed")
	wantValue(t, p, `document.getElementById("empty").hidden`, true)

	// a click opens it
	p.Do(chromedp.Click(chromedp.CSS("#list > li:nth-child(2) summary")))
	p.Eventually(`document.querySelector(".tree")?.textContent.includes("wamid.second") ?? false`)
	wantValue(t, p, `[...document.querySelectorAll(".tree .string")].some((e) => e.textContent === '"hello"')`, true)
	wantValue(t, p, `[...document.querySelectorAll("dd")].some((e) => e.textContent === "each, to /webhooks")`, true)

	// the payload is what the app got
	wantValue(t, p, `document.querySelector(".actions a").download`, "")
	link := browsertest.Eval[string](p, `document.querySelector(".actions a").href`)
	payload := g.Do(g.Request("GET", strings.TrimPrefix(link, g.URL("")), nil))
	if got := harness.Decode[map[string]any](t, payload.Body)["subject"]; got != "wamid.second" {
		t.Errorf("got the payload %s, want the event's", payload.Body)
	}

	// all of it is there again for whoever comes later
	p.Do(chromedp.Reload())
	p.Eventually(rows + `.length === 3`)
	wantClean(t, g, p)
}

func TestPageFilters(t *testing.T) {
	g, p := inspected(t)
	notify(g, harness.Page([]string{"needle", "b", "c"}), harness.WhatsApp([]string{"wamid.a"}, []string{"wamid.b"}))
	notify(g, []byte(`{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"mention","value":{"message":"caf\u00e9"}}]}]}`))
	p.Eventually(rows + `.length === 6`)
	choose := func(id, value string) {
		t.Helper()
		browsertest.Eval[bool](p, fmt.Sprintf(`((select) => {
			select.value = %q;
			return select.dispatchEvent(new Event("change"));
		})(document.getElementById(%q))`, value, id))
	}
	search := func(text string) {
		t.Helper()
		p.Do(chromedp.Click(chromedp.CSS("#text")))
		browsertest.Eval[bool](p, `document.getElementById("text").select() ?? true`)
		p.Do(chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
	}
	wantValue(t, p, `[...document.getElementById("kind").options].map((o) => o.value).join()`, ",feed,mention,messages,statuses")

	choose("object", "whatsapp_business_account")
	wantValue(t, p, rows+`.length`, 2)
	wantValue(t, p, `document.getElementById("count").textContent`, "2 of 6 events")
	choose("kind", "feed")
	wantValue(t, p, rows+`.length`, 0)
	wantValue(t, p, `document.getElementById("nothing").hidden`, false)
	choose("object", "")
	wantValue(t, p, rows+`.length`, 3)
	search("NEEDLE")
	p.Eventually(rows + `.length === 1`)
	choose("kind", "")
	search("café") // which Meta has escaped
	p.Eventually(rows + `.length === 1 && document.querySelector(".kind").textContent === "mention"`)

	// what does not match is not shown when it arrives, either
	notify(g, harness.Page([]string{"other"}))
	p.Eventually(`document.getElementById("count").textContent === "1 of 7 events"`)
	wantValue(t, p, rows+`.length`, 1)
	search("no such text")
	p.Eventually(rows + `.length === 0`)
	wantClean(t, g, p)
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
	p.Eventually(`document.querySelectorAll("#list > li > details[open] .tree").length === 1`)
	keys(kb.Tab)
	wantValue(t, p, `document.activeElement.textContent`, "Copy event")
	keys(kb.Tab)
	wantValue(t, p, `document.activeElement.textContent`, "Download payload")
	p.Press("/")
	wantValue(t, p, `document.activeElement.id`, "text")
	p.Press("j") // is a letter there
	p.Press("p")
	wantValue(t, p, `document.getElementById("text").value`, "jp")
	keys(kb.Backspace + kb.Backspace + kb.Escape)
	wantValue(t, p, `document.activeElement === document.body`, true)

	p.Press("p")
	wantValue(t, p, `document.getElementById("pause").getAttribute("aria-pressed")`, "true")
	notify(g, harness.Page([]string{"d"}))
	p.Eventually(`document.getElementById("count").textContent === "3 events, 1 waiting"`)
	wantValue(t, p, rows+`.length`, 3)
	p.Press("p")
	wantValue(t, p, rows+`.length`, 4)
	wantClean(t, g, p)
}

// TestEventIsNothingButText has events that try to be markup.
func TestEventIsNothingButText(t *testing.T) {
	g, p := inspected(t)
	hostile := []string{
		`<script>window.hacked = 1; alert(1)</script>`,
		`</pre></details><img src=x onerror="window.hacked=1;alert(1)">`,
		`<svg onload="window.hacked=1;alert(1)"><animate onbegin="alert(1)"/></svg>`,
		`"><a href="javascript:alert(1)">click</a><iframe srcdoc="<script>alert(1)</script>"></iframe>`,
		"\u202e\u2066 left \u2069 \x00 \u2028 </textarea>",
		strings.Repeat("<b>long</b> ", 200_000/12),
	}
	before := browsertest.Eval[map[string]int](p, elements)
	for _, text := range hostile {
		name := text // wherever it can stand: in the object, the field, the ids and the data
		if len(name) > 1000 {
			name = "long"
		}
		value, err := json.Marshal(map[string]any{"message": text, name: map[string]any{name: []string{name}}})
		if err != nil {
			t.Fatal(err)
		}
		quoted, _ := json.Marshal(name)
		notify(g, fmt.Appendf(nil, `{"object":%s,"entry":[{"id":%s,"time":1,"changes":[{"field":%s,"value":%s}]}]}`, quoted, quoted, quoted, value))
	}
	p.Eventually(rows + fmt.Sprintf(`.length === %d`, len(hostile)))
	browsertest.Eval[bool](p, `document.querySelectorAll("#list > li > details").forEach((d) => (d.open = true)) ?? true`)
	p.Eventually(fmt.Sprintf(`document.querySelectorAll(".tree").length === %d`, len(hostile)))
	for range 5 { // and what is folded, or too long
		browsertest.Eval[bool](p, `document.querySelectorAll(".tree .more").forEach((b) => b.click()) ??
			document.querySelectorAll(".tree details").forEach((d) => (d.open = true)) ?? true`)
		time.Sleep(50 * time.Millisecond)
	}
	for _, text := range hostile {
		shown, _ := json.Marshal(text)
		wanted, _ := json.Marshal(string(shown))
		wantValue(t, p, `[...document.querySelectorAll(".tree .string")].some((e) => JSON.parse(e.textContent) === JSON.parse(`+string(wanted)+`))`, true)
	}
	after := browsertest.Eval[map[string]int](p, elements)
	for name, n := range after {
		if before[name] != n && !slices.Contains(ours, name) {
			t.Errorf("got %d elements %s, want %d", n, name, before[name])
		}
	}
	wantValue(t, p, `window.hacked === undefined`, true)
	wantValue(t, p, `document.querySelectorAll("[onload], [onerror], [src]:not(head [src])").length`, 0)
	wantClean(t, g, p)
}

// elements is an expression for how many elements there are of each name.
const elements = `Object.fromEntries(Object.entries(Object.groupBy(document.querySelectorAll("*"), (e) => e.localName)).map(([name, all]) => [name, all.length]))`

// ours are the elements that events are made of.
var ours = []string{"li", "details", "summary", "time", "span", "div", "dl", "dt", "dd", "button", "a", "option"}

// TestPageKeepsUpWithAFlood has a thousand events arrive within a second.
func TestPageKeepsUpWithAFlood(t *testing.T) {
	g, p := inspected(t, "max_events 2000")
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
	time.Sleep(time.Second)
	idle := browsertest.Eval[map[string]float64](p, `Object.assign({}, window.longest)`)
	start := time.Now()
	for i := range 10 {
		notify(g, harness.Page(harness.Posts(fmt.Sprint(i), 100)))
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * 100 * time.Millisecond)))
	}
	sent := time.Since(start)
	p.Eventually(`document.getElementById("count").textContent === "1,000 events"`)
	shown := time.Since(start)
	longest := browsertest.Eval[map[string]float64](p, `window.longest`)
	t.Logf("1000 events sent in %v, shown after %v; longest gap between frames %.0f ms, between timers %.0f ms; without events %.0f ms, %.0f ms",
		sent, shown, longest["frame"], longest["timer"], idle["frame"], idle["timer"])
	for name, gap := range longest {
		if most := 2000 + 10*idle[name]; gap > most { // where others take the processor, it takes longer
			t.Errorf("got %.0f ms between two of the page's %ss, want less than %.0f ms", gap, name, most)
		}
	}
	wantValue(t, p, rows+`.length`, 50)
	wantValue(t, p, `document.getElementById("more").hidden`, false)
	p.Do(chromedp.Click(chromedp.CSS("#more")))
	p.Eventually(rows + `.length === 100`)
	wantClean(t, g, p)
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
	browsertest.Eval[bool](p, `document.querySelectorAll("#list > li > details").forEach((d) => (d.open = true)) ?? true`)
	p.Eventually(fmt.Sprintf(`document.querySelectorAll(".tree").length === %d`, len(want)))
	wantValue(t, p, rows+`.map((row) => JSON.parse([...row.querySelectorAll(".leaf")].
		find((leaf) => leaf.textContent.startsWith('"post_id"')).querySelector(".string").textContent)).join()`, strings.Join(want, ","))
	wantValue(t, p, `document.getElementById("state").textContent`, "live")
	for _, problem := range p.Problems() {
		if !strings.Contains(problem, "ERR_") { // the browser's own word for a connection that ended
			t.Errorf("got %s, want no problem in the browser", problem)
		}
	}
}
