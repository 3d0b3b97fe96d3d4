// Package browsertest opens pages in a headless browser for a test.
package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// A Page is a tab of a browser, with a profile of its own, that ends with the
// test.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	hosts    map[string]bool
}

// Open opens a page. Where Chromium is not installed the test is skipped, or,
// if META_WEBHOOK_TEST_ALL is set, fails.
func Open(t testing.TB, target string) *Page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(patience),
		chromedp.NoSandbox, // which does without root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 800),
	)
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	p := &Page{t: t, hosts: make(map[string]bool)}
	ctx, end = chromedp.NewContext(ctx, chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		stop := time.AfterFunc(patience, end)
		defer stop.Stop()
		_ = chromedp.Cancel(ctx) // waits for the browser, which leaves its folder to be removed
	})
	// the browser lives as long as the context of what is done first
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	p.Do(chromedp.Navigate(target))
	return p
}

// listen notes what a page must not do.
func (p *Page) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			text := append(make([]string, 0, 1+len(e.Args)), "console "+string(e.Type)+":")
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			p.problem(strings.Join(text, " "))
		}
	case *runtime.EventExceptionThrown:
		p.problem((&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.problem(fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" { // which asks nobody
			p.mu.Lock()
			p.hosts[u.Host] = true
			p.mu.Unlock()
		}
	case *page.EventJavascriptDialogOpening:
		p.problem("dialog: " + e.Message)
		go func() { // a listener must not wait
			_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	}
}

func (p *Page) problem(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, text)
}

// Problems returns the errors, warnings and dialogs there have been, and
// forgets them.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems := p.problems
	p.problems = nil
	return problems
}

// Hosts returns the hosts that the page has asked for anything.
func (p *Page) Hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	hosts := make([]string, 0, len(p.hosts))
	for host := range p.hosts {
		hosts = append(hosts, host)
	}
	return hosts
}

// Do does something with the page.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: got error %v, want none", err)
	}
}

// Eval returns the value of an expression.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: got error %v, want none", expression, err)
	}
	return value
}

// Press presses a key that types a character. Unlike [chromedp.KeyEvent], it
// lets the page keep the character from being typed, as a browser does.
func (p *Page) Press(character string) {
	p.t.Helper()
	p.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
			e := input.DispatchKeyEventParams{Type: kind, Key: character}
			if kind == input.DispatchKeyEventTypeKeyDown {
				e.Text = character
			}
			if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Resize makes the page as large as the screen of a device, and as light or dark
// as its owner likes.
func (p *Page) Resize(width, height int64, scheme string) {
	p.t.Helper()
	p.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
		}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Eventually waits until an expression is true.
func (p *Page) Eventually(expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !Eval[bool](p, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("got nothing for %v, want %s\nproblems: %q\n%s", patience, expression, p.Problems(), Eval[string](p, "document.body.innerText"))
		}
	}
}

// chromium returns the path of the browser.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("META_WEBHOOK_TEST_ALL") != "" {
		t.Fatal("NOT RUN: this test needs Chromium")
	}
	t.Skip("SKIPPED: this test needs Chromium")
	return ""
}
