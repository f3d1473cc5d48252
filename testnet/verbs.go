package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// verb is one thing that the command does. Its positional arguments number least
// to most; a negative most is no bound. A verb without about is not shown.
type verb struct {
	name, args, about string
	least, most       int
	flags             func(*flag.FlagSet, *options)
	run               func(context.Context, *options) error
}

// verbs has the one that runs without a name first.
var verbs = []verb{
	{name: "up", about: "start nodes, load the sample data, run until Ctrl-C (the verb may be left out)", flags: upFlags, run: up},
	{name: "load", args: "DIR…", least: 1, most: -1, about: "load datasets (edges.txt, posts.ndjson), or go on loading them", flags: loadFlags, run: loadMore},
	{name: "kill", args: "NODE…", least: 1, most: -1, about: "end nodes as a crash would; NODE is 1, 2, … or the end of an id", run: kill},
	{name: "restart", args: "NODE…", least: 1, most: -1, about: "start killed nodes again with their data and addresses", run: restart},
	{name: "partition", args: "'A,B|C'", least: 1, most: 1, about: "cut the links between groups of nodes", run: partition},
	{name: "heal", about: "restore all links", run: heal},
	{name: "status", about: "show the nodes", run: status},
	{name: "check", about: "wait for convergence and compare all answers with what was loaded", flags: checkFlags, run: runCheck},
	{name: "compare", about: "make the same acts on a cluster of its own and on a naive network in memory, kill a node half-way, compare every answer", flags: compareFlags, run: runCompare},
	{name: "bench", about: "measure beside floors: posts, reads, lag, idleness, failover", flags: benchFlags, run: runBench},
	{name: "torture", about: "do all that its promises are said to survive to a cluster of its own, and judge", flags: tortureFlags, run: runTorture},
	{name: "torture-apart", flags: tortureFlags, run: tortureApart},
	{name: "upgrade", about: "upgrade a cluster of its own from an earlier build, node by node under load, and judge", flags: upgradeFlags, run: runUpgrade},
	{name: "simulate", about: "run seeds of the simulation: whole nodes under random faults in virtual time", flags: simulateFlags, run: runSimulate},
	{name: "stop", about: "end a running testnet", run: stop},
	{name: "floor", run: floor},
}

func findVerb(name string) (verb, bool) {
	for _, v := range verbs {
		if v.name == name {
			return v, true
		}
	}
	return verb{}, false
}

// options are the flags of all verbs; each verb defines those it reads.
type options struct {
	args           []string
	stdout, stderr *os.File

	data  string
	bin   string
	nodes int
	keep  bool
	loads list

	limit   int
	workers int

	timeout time.Duration
	sample  int
	seed    uint64
	acts    int

	duration time.Duration
	rounds   int
	clients  int
	output   string

	torture  tortureOptions
	upgrade  upgradeOptions
	simulate simulateOptions
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func (o *options) common(f *flag.FlagSet) {
	f.StringVar(&o.data, "data", "", "run directory `DIR`, kept at the end (default: a temporary one of the user)")
	// Defaults of flags that a verb does not define must pass verify as well.
	o.nodes, o.workers, o.timeout, o.duration, o.rounds, o.clients, o.output = 3, 64, time.Minute, time.Second, 1, 1, "table"
}

func upFlags(f *flag.FlagSet, o *options) {
	f.IntVar(&o.nodes, "n", 3, "number of nodes")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary run directory")
	f.Var(&o.loads, "load", "load a dataset from `DIR` too; may be repeated")
	f.StringVar(&o.bin, "bin", "", "run this grapevine `program` instead of building one")
	loadFlags(f, o)
}

func loadFlags(f *flag.FlagSet, o *options) {
	f.IntVar(&o.limit, "limit", 0, "load at most so many posts of a dataset; 0 is all")
	f.IntVar(&o.workers, "workers", 64, "requests in flight")
}

func checkFlags(f *flag.FlagSet, o *options) {
	f.DurationVar(&o.timeout, "timeout", time.Minute, "longest wait for convergence")
	f.IntVar(&o.sample, "sample", 0, "ask about so many users; 0 is all up to 5000, else 1000")
	f.Uint64Var(&o.seed, "seed", 1, "draws the sample")
	f.IntVar(&o.workers, "workers", 16, "requests in flight")
	f.StringVar(&o.output, "o", "table", "table or json")
}

func benchFlags(f *flag.FlagSet, o *options) {
	f.DurationVar(&o.duration, "duration", 5*time.Second, "length of each measurement in each round")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	f.IntVar(&o.clients, "clients", 64, "clients, each with a connection of its own")
	f.StringVar(&o.bin, "bin", "", "run this grapevine `program` instead of building one")
	f.StringVar(&o.output, "o", "table", "table or json")
}

// verify reports every mistake at once.
func (o *options) verify() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	check(o.nodes >= 1 && o.nodes <= 32, "-n must be 1 to 32")
	check(o.limit >= 0, "-limit must not be negative")
	check(o.workers >= 1 && o.workers <= 1024, "-workers must be 1 to 1024")
	check(o.timeout > 0, "-timeout must be positive")
	check(o.sample >= 0, "-sample must not be negative")
	check(o.acts >= 0, "-acts must not be negative")
	check(o.duration >= 100*time.Millisecond, "-duration must be at least 100ms")
	check(o.rounds >= 1, "-rounds must be at least 1")
	check(o.clients >= 1 && o.clients <= 1024, "-clients must be 1 to 1024")
	check(o.output == "table" || o.output == "json", "-o must be table or json")
	return errors.Join(errs...)
}

// dir gives the run directory.
func (o *options) dir() string {
	if o.data != "" {
		return o.data
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("grapevine-testnet-%d", os.Getuid()))
}
