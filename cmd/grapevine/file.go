package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// file is a node's settings from --config: a JSON object whose members are named
// like the flags. Flags and the environment go before it.
type file map[string]any

func configFile(r io.Reader) (kong.Resolver, error) {
	var f file
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return nil, fmt.Errorf("--config: not a JSON object: %w", err)
	}
	return f, nil
}

// Validate refuses members that are no setting, which would be without effect.
func (f file) Validate(app *kong.Application) error {
	known := settings(app)
	for name := range f {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--config: %q is no setting; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// settings are the flags of the verb node.
func settings(app *kong.Application) []string {
	var names []string
	for _, verb := range app.Children {
		if verb.Name != "node" {
			continue
		}
		for _, flag := range verb.Flags {
			if flag.Name != "config" && flag.Name != "help" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}

// Resolve implements kong.Resolver.
func (f file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return f[flag.Name], nil
}
