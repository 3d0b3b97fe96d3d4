package docs

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// alertRules returns the expression of each alert rule, by name.
func alertRules(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "prometheus", "alerts.yml"))), &file); err != nil {
		t.Fatal(err)
	}
	rules := make(map[string]string)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules[rule.Alert] = rule.Expr
		}
	}
	return rules
}

// A dashboard is what is looked at of Grafana's format.
type dashboard struct {
	Inputs []struct{ Name, Type, PluginID string } `json:"__inputs"`
	UID    string
	Title  string
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
	Templating struct {
		List []struct {
			Name, Type, Definition string
			Current                struct{ Value any }
		}
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	return harness.Decode[dashboard](t, harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "grafana", "dashboard.json")))
}

// expressions returns those of the dashboard, by panel.
func (d dashboard) expressions() map[string]string {
	expressions := make(map[string]string)
	for _, panel := range d.Panels {
		for i, target := range panel.Targets {
			expressions[fmt.Sprintf("panel %s, query %d", panel.Title, i+1)] = target.Expr
		}
	}
	return expressions
}

func TestDashboardCanBeImported(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || len(d.Panels) == 0 {
		t.Errorf("got uid %q, title %q, %d panels, want all of them", d.UID, d.Title, len(d.Panels))
	}
	asked := false
	for _, input := range d.Inputs {
		asked = asked || input.Name == "DS_PROMETHEUS" && input.Type == "datasource" && input.PluginID == "prometheus"
	}
	offered := false
	for _, variable := range d.Templating.List {
		offered = offered || variable.Name == "datasource" && variable.Type == "datasource" && variable.Current.Value == "${DS_PROMETHEUS}"
	}
	if !asked || !offered {
		t.Errorf("got a data source that is asked for: %v, and is a variable: %v, want both", asked, offered)
	}
	ids := make(map[int]bool)
	for i, panel := range d.Panels {
		if panel.ID == 0 || ids[panel.ID] {
			t.Errorf("%s: got id %d, want one of its own", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type == "row" {
			continue
		}
		if len(panel.Targets) == 0 || panel.Datasource.UID != "${datasource}" {
			t.Errorf("%s: got %d queries of %q, want some of the variable", panel.Title, len(panel.Targets), panel.Datasource.UID)
		}
		for _, target := range panel.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: got a query of %q, want the variable", panel.Title, target.Datasource.UID)
			}
		}
		at := panel.GridPos
		if at.X+at.W > 24 {
			t.Errorf("%s: got an end in column %d, want 24 at most", panel.Title, at.X+at.W)
		}
		for _, other := range d.Panels[:i] {
			o := other.GridPos
			if at.X < o.X+o.W && o.X < at.X+at.W && at.Y < o.Y+o.H && o.Y < at.Y+at.H {
				t.Errorf("got %s on top of %s, want them side by side", panel.Title, other.Title)
			}
		}
	}
}

// TestDashboardParses has Prometheus read the dashboard's queries as rules.
func TestDashboardParses(t *testing.T) {
	promtool := tool("promtool")
	promtool.find(t)
	grafana := strings.NewReplacer("$__rate_interval", "5m", "$name", ".+")
	var rules []map[string]string
	for _, expr := range readDashboard(t).expressions() {
		expr = grafana.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("got a variable in %s, want none that is not defined", expr)
		}
		rules = append(rules, map[string]string{"record": fmt.Sprintf("query:%d", len(rules)), "expr": expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	harness.WriteFile(t, dir, "rules.yml", text)
	promtool.wantSuccess(t, dir, "check", "rules", "rules.yml")
}

// TestAlertsAreDescribedAndTested compares the rules with the guide and with
// their tests.
func TestAlertsAreDescribedAndTested(t *testing.T) {
	guide := harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "guides", "monitoring.md"))
	tests := harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "prometheus", "alerts_test.yml")) +
		harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "prometheus", "alerts_days_test.yml"))
	rules := alertRules(t)
	for alert := range rules {
		if !strings.Contains(guide, "`"+alert+"`") {
			t.Errorf("got nothing of %s in the guide, want a line", alert)
		}
		fires := regexp.MustCompile(`alertname: ` + alert + `\n +eval_time: .*\n +exp_alerts:\n`)
		if !fires.MatchString(tests) {
			t.Errorf("got no test in which %s fires, want one", alert)
		}
		if !strings.Contains(tests, "{alertname: "+alert+",") {
			t.Errorf("got no test in which %s does not fire, want one", alert)
		}
	}
	for _, match := range regexp.MustCompile("`(MetaWebhook\\w+)`").FindAllStringSubmatch(guide, -1) {
		if _, ok := rules[match[1]]; !ok {
			t.Errorf("got %s in the guide, want only alerts that there are", match[1])
		}
	}
}

// shown is the values of the labels of metrics, as a running Caddy shows them:
// by metric, by label.
type shown map[string]map[string][]string

var (
	series  = regexp.MustCompile(`(?m)^(caddy_meta_webhook_\w+)\{(.*)\} \S+$`)
	matcher = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
)

// read adds what there is to see.
func (s shown) read(g *harness.Gateway) {
	g.T.Helper()
	got := g.Do(g.Request("GET", "/metrics", nil))
	harness.WantStatus(g.T, got, 200)
	for _, line := range series.FindAllStringSubmatch(got.Body, -1) {
		if s[line[1]] == nil {
			s[line[1]] = make(map[string][]string)
		}
		for _, label := range matcher.FindAllStringSubmatch(line[2], -1) {
			s[line[1]][label[1]] = append(s[line[1]][label[1]], label[3])
		}
	}
}

// TestMetricsInTheGuidesExist has all happen to a handler that is counted, and
// looks for each metric that alerts and dashboard ask for, with its labels and
// their values.
func TestMetricsInTheGuidesExist(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(500)
		}
	})
	site := func(options ...string) string {
		return harness.Lines("metrics /metrics", harness.Hook(options...), "reverse_proxy "+u.Addr)
	}
	g := harness.StartQuiet(t, site("name "+t.Name(), "store memory {\nmax_events 1\n}"))
	g.Verify("wrong", "1")
	for i := range 100 { // more than fit
		g.Post(harness.Page([]string{fmt.Sprint(i)}))
	}
	g.Post(harness.Page([]string{"poison"}))
	for _, object := range []string{"page", "instagram"} {
		for _, list := range []string{"messaging", "standby"} {
			for _, mid := range []string{"hello", "hello", "poison"} { // the second is a duplicate
				item := fmt.Sprintf(`{"sender":{"id":"1"},"recipient":{"id":"2"},"timestamp":1,"message":{"mid":%q}}`, mid)
				g.Post(fmt.Appendf(nil, `{"object":%q,"entry":[{"id":"1","time":1,%q:[%s]}]}`, object, list, item))
			}
		}
	}
	seen := make(shown)
	seen.read(g)
	g.Reload(site("name "+t.Name()+"-database", "store postgres {\ndsn postgres://127.0.0.1:1/nobody-there\n}"))
	g.Post(harness.Page([]string{"a"}))
	seen.read(g)
	g.Reload(harness.Lines("metrics /metrics", harness.Hook("name "+t.Name()+"-stored",
		"store file {\npath "+filepath.ToSlash(harness.StoreDir(t))+"\n}", "destination app {", "retry 10ms 10ms", "give_up 1ms", "respond 422", "}")))
	g.Post(harness.Page([]string{"a"}))
	harness.Eventually(t, "a dead event", func() bool {
		seen.read(g)
		return seen["caddy_meta_webhook_dead_events_total"] != nil
	})

	// the reasons why requests are refused are in a table of their own
	reasons := regexp.MustCompile("`([a-z_]+)`")
	answers := harness.ReadFile(t, filepath.Join(harness.Repository, "docs", "reference", "answers.md"))
	answers, _, _ = strings.Cut(answers, "\n## ")
	results := []string{"ok"}
	for line := range strings.Lines(answers) {
		if columns := strings.Split(line, "|"); len(columns) == 5 {
			for _, reason := range reasons.FindAllStringSubmatch(columns[3], -1) {
				results = append(results, reason[1])
			}
		}
	}
	if len(results) < 20 {
		t.Fatalf("got results %q in the table, want more", results)
	}

	expressions := readDashboard(t).expressions()
	maps.Copy(expressions, alertRules(t))
	for where, expr := range expressions {
		seen.check(t, where, expr, results)
	}
}

// check looks for the metrics of an expression.
func (s shown) check(t *testing.T, where, expr string, results []string) {
	t.Helper()
	selectors := regexp.MustCompile(`(caddy_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expr, -1)
	grouped := regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1)
	for _, selector := range selectors {
		labels, ok := s[selector[1]]
		if !ok {
			t.Errorf("%s: got metric %s, want one that there is", where, selector[1])
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(selector[2], -1) {
			label, want := m[1], m[3]
			values := labels[label]
			if len(values) == 0 {
				t.Errorf("%s: got label %s of %s, want one that it has", where, label, selector[1])
			}
			if label == "result" {
				values = results
			}
			for alternative := range strings.SplitSeq(want, "|") {
				pattern := regexp.MustCompile("^(?:" + alternative + ")$")
				if !strings.HasPrefix(want, "$") && !slices.ContainsFunc(values, pattern.MatchString) {
					t.Errorf("%s: got %s %q of %s, want one of %q", where, label, alternative, selector[1], values)
				}
			}
		}
		for _, by := range grouped {
			for label := range strings.SplitSeq(by[1], ", ") {
				if _, ok := labels[label]; !ok && label != "instance" {
					t.Errorf("%s: got a sum by %s of %s, want a label that it has", where, label, selector[1])
				}
			}
		}
	}
}
