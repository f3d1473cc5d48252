package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"grapevine/node"
	"grapevine/node/config"
)

// settings are a node's settings as the command line gives them. They are made by
// newSettings.
type settings struct {
	File  string       `name:"config" placeholder:"FILE" help:"YAML file of settings, named like these flags; flags and the environment go before it."`
	Given kong.Plugins `embed:""`
}

func newSettings() settings { return settings{Given: kong.Plugins{config.Flags()}} }

// load gives the configuration in force, and all that is wrong with it.
func (s settings) load() (config.Config, error) {
	return config.Load(s.Given[0], os.LookupEnv, s.File)
}

type nodeVerb struct {
	Settings settings `embed:""`
}

// Help implements kong.HelpProvider.
func (nodeVerb) Help() string {
	return `The first node makes a cluster, and its secret in DIR/secret. Every other node needs a copy of
that file and the gossip address of a running node:

  grapevine node --data a
  grapevine node --data b --secret-file a/secret --join HOST:7402 \
      --http 127.0.0.1:7410 --p2p :7411 --gossip :7412

When it serves it prints one line of JSON with its addresses, for scripts; port 0 lets the system
choose. The log goes to standard error. SIGTERM and SIGINT let requests under way end first; a second
signal ends the process at once. A node that has left the ring (see leave) prints a line with the event
"left" and ends by itself; started again it joins anew.`
}

func (v *nodeVerb) Run(c *console) error {
	cfg, err := v.Settings.load()
	if err != nil {
		return usage{err}
	}
	ctx, stop := signal.NotifyContext(c.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)

	log := cfg.Logger(c.err)
	quiet := warnWhileUnready(log, cfg.Join)
	defer quiet()
	cfg.OnReady = func(r config.Ready) {
		quiet()
		c.event(struct {
			Event string `json:"event"`
			config.Ready
		}{"ready", r})
	}
	if os.Getenv("GOGC") == "" {
		// Half of Go's usual head-room: a third less memory for some percent of the
		// throughput, on machines that are shared with an app.
		debug.SetGCPercent(50)
	}
	n, err := node.New(ctx, cfg, log)
	if err != nil {
		return &hinted{fmt.Errorf("starting the node: %w", err), "mend what the message names and start it again; --log-level debug tells more"}
	}
	if err := n.Run(ctx); errors.Is(err, node.ErrIdentityInUse) {
		return fmt.Errorf("running the node: %w", err)
	} else if err != nil {
		return &hinted{fmt.Errorf("running the node: %w", err), "start it again; what it acknowledged is on disk"}
	}
	if n.Left() {
		c.event(struct {
			Event string `json:"event"`
			ID    string `json:"id"`
		}{"left", string(n.ID())})
	}
	return nil
}

// event prints a line of JSON for scripts.
func (c *console) event(fields any) {
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err) // a struct of strings
	}
	fmt.Fprintf(c.out, "%s\n", line)
}

// readySoon is how long a node in good order takes at most to serve.
const readySoon = 5 * time.Second

// warnWhileUnready says once, when the node does not serve soon, what may keep it
// from that: nobody else tells it, since a stranger's secret is not answered.
func warnWhileUnready(log *slog.Logger, join []string) (quiet func() bool) {
	return time.AfterFunc(readySoon, func() {
		log.Warn("not serving yet. Unless it is catching up, see that a node of --join runs, can be reached over TCP and UDP and has the same secret, and that the first node of the cluster was started without --join", "join", join)
	}).Stop
}
