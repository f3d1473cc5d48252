package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"grapevine/node"
	"grapevine/node/client"
	"grapevine/node/verdict"
)

type versionVerb struct{}

// Help implements kong.HelpProvider.
func (versionVerb) Help() string {
	return `DATA is the format of data directories: a build starts on those of its own number and lower ones.
WIRE is the highest version of the messages between nodes, RULES that of what follows from acts. Builds
with other numbers work together while a cluster is upgraded, node by node; status says when there are
any, and what each of the nodes runs.

  grapevine version
  grapevine version -o json | jq .formats.data
  grapevine status -o json | jq '.nodes[] | [.id, .version, .formats]'`
}

// versionReport is what version answers.
type versionReport struct {
	Version string         `json:"version"`
	Go      string         `json:"go"`
	Formats client.Formats `json:"formats"`
}

// Run asks no node.
func (v *versionVerb) Run(c *console) error {
	r := versionReport{node.Version(), runtime.Version(), node.Formats()}
	if c.json {
		return c.encode(r)
	}
	fmt.Fprintf(c.out, "grapevine %s, built with %s\nformats: %s\n", r.Version, r.Go, numbers(r.Formats))
	return nil
}

// numbers words the formats of a build.
func numbers(f client.Formats) string {
	if f == (client.Formats{}) {
		return "none numbered"
	}
	return fmt.Sprintf("data %d, wire %d, rules %d", f.Data, f.Wire, f.Rules)
}

// mixed names the builds and which nodes run each, when there are several.
func (s sight) mixed() []string {
	builds := map[string][]string{}
	for _, v := range s.nodes {
		if v.err == nil && verdict.Counts(v.member) {
			build := fmt.Sprintf("%s (formats: %s)", orDash(v.health.Version), numbers(v.health.Formats))
			builds[build] = append(builds[build], short(v.member.ID))
		}
	}
	if len(builds) < 2 {
		return nil
	}
	var parts []string
	for _, build := range slices.Sorted(maps.Keys(builds)) {
		parts = append(parts, fmt.Sprintf("%s on %s", build, strings.Join(builds[build], ", ")))
	}
	return parts
}
