package main

import (
	"fmt"

	"grapevine/node/config"
)

// configVerbs are about the settings of a node.
type configVerbs struct {
	Print   configPrintVerb   `cmd:"" help:"Show the settings that a node would have, and where each comes from."`
	Example configExampleVerb `cmd:"" help:"Print an annotated file of all settings for --config."`
}

type configPrintVerb struct {
	Settings settings `embed:""`
}

// Help implements kong.HelpProvider.
func (configPrintVerb) Help() string {
	return `Give the flags that grapevine node is given, in the same environment. A flag goes before the
environment, that before the file of --config, and that before the default. Secrets are never printed:
they are read from files that settings name. What is wrong with the settings goes to standard error,
and the exit code is 2.

  grapevine config print --config /etc/grapevine.yaml
  GRAPEVINE_ZONE=rack1 grapevine config print --data d -o json | jq '.[] | select(.source != "default")'`
}

func (v *configPrintVerb) Run(c *console) error {
	cfg, wrong := v.Settings.load()
	all := cfg.Settings()
	t := head("setting", "value", "from", "what it is")
	for _, s := range all {
		t.add(s.Name, orDash(s.Value), s.Source, brief(s.Help))
	}
	if err := c.show(all, t); err != nil {
		return err
	}
	if wrong != nil {
		return usage{wrong}
	}
	return nil
}

// briefLength is what of a help fits into a table.
const briefLength = 60

// brief gives the beginning of a text.
func brief(text string) string {
	if r := []rune(text); len(r) > briefLength {
		return string(r[:briefLength-1]) + "…"
	}
	return text
}

type configExampleVerb struct{}

// Help implements kong.HelpProvider.
func (configExampleVerb) Help() string { return "  grapevine config example > grapevine.yaml" }

func (configExampleVerb) Run(c *console) error {
	_, err := fmt.Fprint(c.out, config.Annotated())
	return err
}
