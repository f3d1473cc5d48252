package node_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v3"

	"grapevine/node/client"
	"grapevine/node/config"
)

const packaging = "../cmd/grapevine/packaging/"

// exposition gives the metrics of a node with every feature on that has been used.
func exposition(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ca := pair(t, dir, "node")
	cfg := config.Default(t.TempDir())
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cfg.DNS = "127.0.0.1:0"
	ready := machine(t, cfg)
	trust, err := client.TrustCA(ca)
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(ready.URL, trust)
	defer c.Close()
	if _, err := c.SignUp(t.Context(), client.SignUp{Username: "ada", Password: "a long password"}); err != nil {
		t.Fatal(err)
	}
	if _, err := resolver(ready.DNS).LookupHost(context.Background(), "grapevine."); err != nil {
		t.Fatal(err)
	}
	return metricsOf(t, trusting(ca), ready.URL)
}

func TestMetricsObeyTheConventionsOfPrometheus(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(exposition(t))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "grapevine_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestEveryMetricOfTheAlertsAndTheDashboardIsServed(t *testing.T) {
	t.Parallel()
	served := exposition(t)
	for file, exprs := range map[string][]string{"alerts.yaml": alertExprs(t), "dashboard.json": dashboardExprs(t)} {
		if len(exprs) < 10 {
			t.Errorf("%s has %d expressions", file, len(exprs))
		}
		for _, expr := range exprs {
			for _, name := range metricName.FindAllString(expr, -1) {
				if !strings.Contains(served, "\n"+name+" ") && !strings.Contains(served, "\n"+name+"{") {
					t.Errorf("%s: no node serves %s of %q", file, name, expr)
				}
			}
		}
	}
}

// TestEveryAlertIsTriedFiringAndAtRest reads the unit tests of the alerts, and has
// promtool run them where it is installed.
func TestEveryAlertIsTriedFiringAndAtRest(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	text, err := os.ReadFile(packaging + "alerts_test.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.AlertRuleTest {
			fires[c.Alertname] = fires[c.Alertname] || len(c.ExpAlerts) > 0
			rests[c.Alertname] = rests[c.Alertname] || len(c.ExpAlerts) == 0
		}
	}
	for _, rule := range alertRules(t) {
		if !fires[rule.Alert] || !rests[rule.Alert] {
			t.Errorf("%s is tried firing: %v, at rest: %v", rule.Alert, fires[rule.Alert], rests[rule.Alert])
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	if out, err := exec.Command(promtool, "test", "rules", packaging+"alerts_test.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheLabelsOfTheAlertsAndTheDashboardAreThoseOfTheMetrics(t *testing.T) {
	t.Parallel()
	served := exposition(t)
	for _, expr := range append(alertExprs(t), dashboardExprs(t)...) {
		for _, selector := range metricSelector.FindAllStringSubmatch(expr, -1) {
			for _, match := range labelMatcher.FindAllStringSubmatch(selector[2], -1) {
				label, value := match[1], match[3]
				if label == "instance" || label == "job" {
					continue // of the scrape
				}
				if match[2] != "=" || label == "class" {
					value = "" // a class of replies is there after the first of them
				}
				line := regexp.MustCompile(`(?m)^` + selector[1] + `\{[^}]*\b` + label + `="` + value)
				if !line.MatchString(served) {
					t.Errorf("no node serves %s with %s of %q", selector[1], match[0], expr)
				}
			}
		}
	}
}

var (
	metricSelector = regexp.MustCompile(`([a-z][a-z0-9_]*)\{([^}]*)\}`)
	labelMatcher   = regexp.MustCompile(`([a-z_]+)(=~|!=|!~|=)"([^"]*)"`)
)

var metricName = regexp.MustCompile(`\b(grapevine|process|go)_[a-z0-9_]+\b`)

type alertRule struct {
	Alert, Expr string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Do string }
}

func alertRules(t *testing.T) (out []alertRule) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alertRule }
	}
	text, err := os.ReadFile(packaging + "alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

func alertExprs(t *testing.T) (out []string) {
	t.Helper()
	for _, r := range alertRules(t) {
		if r.Alert == "" || r.Labels.Severity == "" || r.Annotations.Summary == "" || r.Annotations.Do == "" {
			t.Errorf("the alert %q has no severity, says not what it is, or not what to do", r.Alert)
		}
		out = append(out, r.Expr)
	}
	return out
}

func dashboardExprs(t *testing.T) (out []string) {
	t.Helper()
	var file struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	text, err := os.ReadFile(packaging + "dashboard.json")
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Panels {
		for _, target := range p.Targets {
			out = append(out, target.Expr)
		}
	}
	return out
}
