package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// TestEveryAlertNamesACommandThatTellsMore reads the commands as the program would.
func TestEveryAlertNamesACommandThatTellsMore(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations struct{ Do string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(packaged(t, "alerts.yaml")), &file); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%d groups of alerts: %v", len(file.Groups), err)
	}
	g := grammar{Run: nodeVerb{newSettings()}}
	g.Config.Print.Settings = newSettings()
	parser, err := kong.New(&g)
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("`grapevine ([^`]*)`")
	for _, r := range file.Groups[0].Rules {
		named := commands.FindAllStringSubmatch(r.Annotations.Do, -1)
		if len(named) == 0 {
			t.Errorf("%s: no command in %q", r.Alert, r.Annotations.Do)
		}
		for _, command := range named {
			if _, err := parser.Parse(strings.Fields(command[1])); err != nil {
				t.Errorf("%s: %s: %v", r.Alert, command[0], err)
			}
		}
	}
}
