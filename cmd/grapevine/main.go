// Grapevine is a masterless social backend. This command runs its nodes and asks
// them what is going on. It exits with 0 when all went well, 1 when something
// failed, and 2 when it was called wrongly; failures end with what to do next.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/alecthomas/kong"

	"grapevine/node/client"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// grammar is the command line.
type grammar struct {
	Node    string `placeholder:"URL" help:"The node to ask; else that of the context in use, else http://127.0.0.1:7400."`
	CA      string `name:"ca" placeholder:"FILE" help:"Certificates, in PEM, of who vouches for nodes at https URLs; the system's when not given."`
	Context string `placeholder:"NAME" help:"The cluster to ask, as grapevine context names it."`
	Output  string `short:"o" default:"table" enum:"table,json" placeholder:"FORMAT" help:"How to answer: ${enum}. (${default})"`

	Run        nodeVerb       `cmd:"" name:"node" help:"Run a node."`
	Status     statusVerb     `cmd:"" help:"Show whether all is well in the whole cluster, what is not, and what to do."`
	Top        topVerb        `cmd:"" help:"Show throughput, latency, what waits and what is hot, live."`
	Doctor     doctorVerb     `cmd:"" help:"Look for what is wrong or wears on the cluster, and say what to do."`
	Peers      peersVerb      `cmd:"" help:"List the nodes that the node has seen."`
	RTT        rttVerb        `cmd:"" name:"rtt" help:"Show how long every node takes to reach every other."`
	Ring       ringVerbs      `cmd:"" help:"Show who is in the ring, or plan a change to it."`
	Partitions partitionsVerb `cmd:"" help:"List the partitions with their owners."`
	Locate     locateVerb     `cmd:"" help:"Show where an id, an @name or a key lives."`
	Explain    explainVerb    `cmd:"" help:"Show what every owner has of a user, a post, a name or a follow, and why."`
	Leave      leaveVerb      `cmd:"" help:"Have the node give its data to the others, leave the ring, and end."`
	Forget     forgetVerb     `cmd:"" help:"Give up a node that will not return, so that its share is copied anew."`
	Repair     repairVerb     `cmd:"" help:"Have the node compare what it has with all others now."`
	Token      tokenVerb      `cmd:"" help:"Print the operator token, which is derived from the cluster's secret."`
	Bench      benchVerb      `cmd:"" help:"Put a small load on the cluster, and measure it."`
	Backup     backupVerbs    `cmd:"" help:"Write a backup of the whole cluster, or of one node, to a file."`
	Restore    restoreVerb    `cmd:"" help:"Restore a backup into an empty cluster of any size."`
	Contexts   contextVerbs   `cmd:"" name:"context" help:"Name clusters, so that they need not be spelled out."`
	Config     configVerbs    `cmd:"" help:"Show the settings of a node."`
	Version    versionVerb    `cmd:"" help:"Print which build this is, and the numbers of its formats."`
	Completion completionVerb `cmd:"" help:"Print a script that completes verbs and flags in a shell."`
}

// console is what the verbs work with.
type console struct {
	ctx    context.Context
	client *client.Client
	given  target // by flags and environment
	secret string // file of the context's secret, "" for none
	json   bool
	colour bool
	out    io.Writer
	err    io.Writer
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	do string
}

func (h *hinted) Unwrap() error { return h.error }

// usage is an error in how the command was called.
type usage struct{ error }

// errQuiet fails the command when its output has said why.
var errQuiet = errors.New("said already")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole command but for the end of the process.
func run(args []string, out, errs io.Writer) (code int) {
	type exit int
	defer func() { // kong ends --help by calling Exit
		if p := recover(); p != nil {
			e, ok := p.(exit)
			if !ok {
				panic(p)
			}
			code = int(e)
		}
	}()
	g := grammar{Run: nodeVerb{newSettings()}}
	g.Config.Print.Settings = newSettings()
	parser, err := kong.New(&g,
		kong.Name("grapevine"),
		kong.Description("A masterless social backend. Every flag can be given in the environment: GRAPEVINE_NODE for --node."),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.DefaultEnvars("GRAPEVINE"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the grammar is wrong
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return report(errs, usage{err})
	}
	c, err := newConsole(g, out, errs)
	if err != nil {
		return report(errs, err)
	}
	defer c.client.Close()
	return report(errs, parsed.Run(c))
}

// newConsole finds out which cluster to ask, and how to answer.
func newConsole(g grammar, out, errs io.Writer) (*console, error) {
	given := target{Node: g.Node, CA: g.CA}
	asked, err := chosen(given, g.Context)
	if err != nil {
		return nil, err
	}
	if u, err := url.ParseRequestURI(asked.Node); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage{fmt.Errorf("--node: %q must be a URL such as %s", asked.Node, defaultNode)}
	}
	var options []client.Option
	if asked.CA != "" {
		pem, err := os.ReadFile(asked.CA)
		if err != nil {
			return nil, usage{fmt.Errorf("--ca: %w", err)}
		}
		trusted, err := client.TrustCA(pem)
		if err != nil {
			return nil, usage{fmt.Errorf("--ca: %s: %w", asked.CA, err)}
		}
		options = append(options, trusted)
	}
	return &console{
		ctx: context.Background(), client: client.New(asked.Node, options...), given: given, secret: asked.SecretFile,
		json: g.Output == "json", colour: coloured(out), out: out, err: errs,
	}, nil
}

// report tells a person what failed and what to do, and gives the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitFine
	}
	var u usage
	if errors.As(err, &u) {
		fmt.Fprintf(w, "grapevine: %v\nTo do: see `grapevine --help`, or `grapevine VERB --help`.\n", u.error)
		return exitUsage
	}
	if errors.Is(err, errQuiet) {
		return exitFailed
	}
	fmt.Fprintf(w, "grapevine: %v\n", err)
	var h *hinted
	if errors.As(err, &h) {
		fmt.Fprintf(w, "To do: %s\n", h.do)
	}
	return exitFailed
}

// asked explains the failure of a question to the node.
func (c *console) asked(err error) error {
	if err == nil {
		return nil
	}
	var p *client.Problem
	if errors.As(err, &p) {
		do := "read what the node says above; its log tells more"
		switch {
		case p.RetryAfter > 0:
			do = "try again in a moment, or ask another node with --node URL"
		case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
			do = "name the secret of the cluster that is asked, with --secret-file FILE"
		case p.Status == http.StatusNotFound || p.Status == http.StatusUnprocessableEntity:
			do = "correct what the message names; `grapevine peers` lists the nodes with their ids"
		}
		return &hinted{err, do}
	}
	return &hinted{
		fmt.Errorf("no node answers at %s: %w", c.client.Base(), err),
		"start a node with `grapevine node --data DIR`, or name a running one with --node URL or GRAPEVINE_NODE",
	}
}
