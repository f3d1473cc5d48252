package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"grapevine/node/config"
)

func packaged(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheComposeFileStartsNodesAsTheCommandUnderstandsThem reads the command of each
// service as the node would.
func TestTheComposeFileStartsNodesAsTheCommandUnderstandsThem(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]struct {
			Command []string
			Build   struct{ Context, Dockerfile string }
			Ports   []string
		}
	}
	if err := yaml.Unmarshal([]byte(packaged(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != 3 {
		t.Errorf("%d services", len(file.Services))
	}
	ports := map[string]bool{}
	for name, s := range file.Services {
		var g struct {
			Node struct{ settings } `cmd:""`
		}
		g.Node.settings = newSettings()
		parser, err := kong.New(&g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(s.Command); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		image := map[string]string{"GRAPEVINE_DATA": "/data", "GRAPEVINE_HTTP": "0.0.0.0:7400"}
		cfg, err := config.Load(g.Node.Given[0], func(name string) (string, bool) { v, ok := image[name]; return v, ok }, "")
		if err != nil || cfg.SecretFile == "" || cfg.Zone == "" || (name == "first") != (len(cfg.Join) == 0) {
			t.Errorf("%s: %+v, %v", name, cfg, err)
		}
		if _, err := os.Stat(filepath.Join("packaging", s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s is built of nothing: %v", name, err)
		}
		for _, p := range s.Ports {
			if ports[p] || !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, p)
			}
			ports[p] = true
		}
	}
}

func TestTheImageIsStaticNamesNoRootAndSetsWhatTheNodeReads(t *testing.T) {
	t.Parallel()
	text := packaged(t, "Dockerfile")
	for _, want := range []string{"CGO_ENABLED=0", "FROM scratch", "USER 65532:65532", "./cmd/grapevine"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %s", want)
		}
	}
	known := map[string]bool{}
	for _, s := range (config.Config{}).Settings() {
		known["GRAPEVINE_"+strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))] = true
	}
	for _, file := range []string{text, packaged(t, "grapevine.service")} {
		for _, name := range regexp.MustCompile(`\bGRAPEVINE_[A-Z0-9_]+`).FindAllString(file, -1) {
			if !known[name] {
				t.Errorf("%s is no setting", name)
			}
		}
	}
}

func TestTheUnitIsOneThatSystemdUnderstands(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	// The command need not be installed where this is tested.
	unit := strings.ReplaceAll(packaged(t, "grapevine.service"), "/usr/local/bin/grapevine", "/bin/true")
	path := filepath.Join(t.TempDir(), "grapevine.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
