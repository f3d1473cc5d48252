// Command testnet brings up a Grapevine cluster of real node processes on
// loopback, with people in it, and lets one load, break, check and measure it:
//
//	go run ./testnet                    three nodes with sample data, until Ctrl-C
//	go run ./testnet load DIR           more data into the running testnet
//	go run ./testnet kill 2             and restart 2, partition '1,2|3', heal, status
//	go run ./testnet check              does it converge, and are its answers right?
//	go run ./testnet bench              how fast is it, beside what it could be?
//	go run ./testnet torture -netns     does it keep its promises, whatever happens?
//	go run ./testnet upgrade            can it become another build while it serves?
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr *os.File) int {
	v, opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitFine
	}
	if err != nil {
		fmt.Fprintf(stderr, "testnet: %v\nSee testnet -help.\n", err)
		return exitUsage
	}
	opts.stdout, opts.stderr = stdout, stderr
	if err := v.run(ctx, opts); err != nil {
		fmt.Fprintf(stderr, "testnet: %v\n", err)
		return exitFailed
	}
	return exitFine
}

// parse finds the verb and reads flags, which may stand before and after
// positional arguments and begin with one dash or two.
func parse(args []string, help io.Writer) (verb, *options, error) {
	v := verbs[0]
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		found, ok := findVerb(args[0])
		if !ok {
			return v, nil, fmt.Errorf("there is no verb %q", args[0])
		}
		v, args = found, args[1:]
	}
	opts := &options{}
	flags := flag.NewFlagSet("testnet "+v.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	opts.common(flags)
	if v.flags != nil {
		v.flags(flags, opts)
	}
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				usage(help, v, flags)
			}
			return v, nil, err
		}
		args = flags.Args()
		if len(args) > 0 {
			opts.args = append(opts.args, args[0])
			args = args[1:]
		}
	}
	if len(opts.args) < v.least || (v.most >= 0 && len(opts.args) > v.most) {
		return v, nil, fmt.Errorf("usage: testnet %s %s", v.name, v.args)
	}
	return v, opts, opts.verify()
}

func usage(w io.Writer, v verb, flags *flag.FlagSet) {
	fmt.Fprintln(w, "usage: testnet [VERB] [flags]")
	fmt.Fprintln(w)
	for _, v := range verbs {
		if v.about != "" {
			fmt.Fprintf(w, "  %-9s %-12s %s\n", v.name, v.args, v.about)
		}
	}
	fmt.Fprintf(w, "\nflags of %s (one dash or two; testnet VERB -help for another's):\n", v.name)
	flags.SetOutput(w)
	flags.PrintDefaults()
}
