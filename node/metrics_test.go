package node_test

import (
	"context"
	"encoding/json"
	"os"
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
				// A vector without a value yet has its name in no line.
				if !strings.Contains(served, "\n"+name+" ") && !strings.Contains(served, "\n"+name+"{") && !lateVectors[name] {
					t.Errorf("%s: no node serves %s of %q", file, name, expr)
				}
			}
		}
	}
}

var metricName = regexp.MustCompile(`\b(grapevine|process|go)_[a-z0-9_]+\b`)

// lateVectors have no line before what they count has happened.
var lateVectors = map[string]bool{"grapevine_gossip_dropped_total": true}

func alertExprs(t *testing.T) (out []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Do string }
			}
		}
	}
	text, err := os.ReadFile(packaging + "alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Labels.Severity == "" || r.Annotations.Summary == "" || r.Annotations.Do == "" {
				t.Errorf("the alert %q has no severity, says not what it is, or not what to do", r.Alert)
			}
			out = append(out, r.Expr)
		}
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
