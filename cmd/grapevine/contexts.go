package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// contexts are the clusters that the user has named, kept in a file of the user's.
type contexts struct {
	Current string            `json:"current,omitempty"` // "" for none
	Known   map[string]target `json:"contexts"`
}

// target is where a cluster is asked, and how the user proves to be its operator.
type target struct {
	Node       string `json:"node"`
	SecretFile string `json:"secret_file,omitempty"`
	CA         string `json:"ca,omitempty"`
}

// contextsPath is where the contexts are kept.
func contextsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &hinted{fmt.Errorf("finding the directory of the user's settings: %w", err), "set HOME or XDG_CONFIG_HOME, or name a node with --node URL"}
	}
	return filepath.Join(dir, "grapevine", "contexts.json"), nil
}

// loadContexts reads the file. One that is not there holds no contexts.
func loadContexts() (contexts, error) {
	all := contexts{Known: map[string]target{}}
	path, err := contextsPath()
	if err != nil {
		return all, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return all, &hinted{fmt.Errorf("reading the contexts in %s: %w", path, err), "mend the file, or remove it and add the contexts again"}
	}
	if all.Known == nil {
		all.Known = map[string]target{}
	}
	return all, nil
}

// save writes the file whole or not at all, for the user's eyes only.
func (all contexts) save() error {
	path, err := contextsPath()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path+".new", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("writing the contexts: %w", err)
	}
	return nil
}

// names lists the contexts, for messages.
func (all contexts) names() string {
	if len(all.Known) == 0 {
		return "none yet"
	}
	return strings.Join(slices.Sorted(maps.Keys(all.Known)), ", ")
}

// find gives a context that the user has named.
func (all contexts) find(name string) (target, error) {
	found, ok := all.Known[name]
	if !ok {
		return target{}, &hinted{
			fmt.Errorf("there is no context %q; there are %s", name, all.names()),
			"`grapevine context add " + name + " --node URL` makes it",
		}
	}
	return found, nil
}

// defaultNode is asked when nothing else is said.
const defaultNode = "http://127.0.0.1:7400"

// chosen gives the cluster to ask: that of --node, else that of --context, else the
// context in use. It fails for a context that is not known, and only then needs the
// file.
func chosen(given target, context string) (target, error) {
	if given.Node != "" && context == "" {
		return given, nil
	}
	all, err := loadContexts()
	if err != nil {
		return target{}, err
	}
	found := target{Node: defaultNode}
	if name := context; name != "" || all.Current != "" {
		if name == "" {
			name = all.Current
		}
		if found, err = all.find(name); err != nil {
			return target{}, err
		}
	}
	found.Node = cmp.Or(given.Node, found.Node)
	found.CA = cmp.Or(given.CA, found.CA)
	return found, nil
}

// contextVerbs name clusters, so that they need not be spelled out each time.
type contextVerbs struct {
	List   contextListVerb   `cmd:"" default:"1" help:"List the contexts; * is in use."`
	Add    contextAddVerb    `cmd:"" help:"Name the cluster of --node; the first one named is used from then on."`
	Use    contextUseVerb    `cmd:"" help:"Ask a cluster when no other is named."`
	Remove contextRemoveVerb `cmd:"" help:"Forget the name of a cluster."`
}

type contextListVerb struct{}

// Help implements kong.HelpProvider.
func (contextListVerb) Help() string { return "  grapevine context list" }

func (contextListVerb) Run(c *console) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	t := head("", "context", "node", "secret file", "ca")
	for _, name := range slices.Sorted(maps.Keys(all.Known)) {
		mark := ""
		if name == all.Current {
			mark = "*"
		}
		k := all.Known[name]
		t.add(mark, name, k.Node, orDash(k.SecretFile), orDash(k.CA))
	}
	return c.show(all, t)
}

type contextAddVerb struct {
	Name       string `arg:"" help:"What to call the cluster."`
	SecretFile string `type:"path" placeholder:"FILE" help:"File with the cluster's secret, for what needs the operator token."`
}

// Help implements kong.HelpProvider.
func (contextAddVerb) Help() string {
	return `  grapevine context add prod --node https://10.0.0.7:7400 --ca ca.pem --secret-file prod.secret
  grapevine context use prod
  grapevine status
  grapevine status --context staging

The contexts are kept in grapevine/contexts.json of the user's configuration directory. --node and
GRAPEVINE_NODE go before a context.`
}

func (v *contextAddVerb) Run(c *console) error {
	if c.given.Node == "" {
		return usage{errors.New("context add: name a node of the cluster with --node URL")}
	}
	all, err := loadContexts()
	if err != nil {
		return err
	}
	ca := c.given.CA
	if ca != "" {
		if ca, err = filepath.Abs(ca); err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
	}
	all.Known[v.Name] = target{Node: c.given.Node, SecretFile: v.SecretFile, CA: ca}
	if all.Current == "" {
		all.Current = v.Name
	}
	return c.keep(all, fmt.Sprintf("context %s is %s; %s is in use", v.Name, c.given.Node, all.Current))
}

type contextUseVerb struct {
	Name string `arg:"" help:"The context to use."`
}

// Help implements kong.HelpProvider.
func (contextUseVerb) Help() string { return "  grapevine context use prod" }

func (v *contextUseVerb) Run(c *console) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	found, err := all.find(v.Name)
	if err != nil {
		return err
	}
	all.Current = v.Name
	return c.keep(all, fmt.Sprintf("context %s, %s, is in use", v.Name, found.Node))
}

type contextRemoveVerb struct {
	Name string `arg:"" help:"The context to remove."`
}

// Help implements kong.HelpProvider.
func (contextRemoveVerb) Help() string { return "  grapevine context remove prod" }

func (v *contextRemoveVerb) Run(c *console) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	if _, err := all.find(v.Name); err != nil {
		return err
	}
	delete(all.Known, v.Name)
	if all.Current == v.Name {
		all.Current = ""
	}
	return c.keep(all, "context "+v.Name+" is removed")
}

// keep writes the contexts and says what has changed.
func (c *console) keep(all contexts, what string) error {
	if err := all.save(); err != nil {
		return err
	}
	if c.json {
		return c.encode(all)
	}
	_, err := fmt.Fprintln(c.out, what)
	return err
}
