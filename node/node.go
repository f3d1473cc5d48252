// Package node is the wiring: it makes one node of a cluster from the floors
// below. The command, the testnet and the simulations all come through it.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/node/httpapi"
	"grapevine/node/routing"
	"grapevine/node/trace"
	"grapevine/p2p"
	"grapevine/services/fanout"
	"grapevine/services/graph"
	"grapevine/services/lists"
	"grapevine/services/live"
	"grapevine/services/notify"
	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/takeout"
	"grapevine/services/timeline"
	"grapevine/services/users"
	"grapevine/store"
	"grapevine/store/replica"
)

const (
	// drainTime bounds how long requests under way may take after a node was told
	// to stop.
	drainTime = 10 * time.Second
	// settleTime is how long a node that knows the ring waits to be caught up
	// before it says that it serves; until then others answer for it.
	settleTime = 10 * time.Second
	// leaveTime bounds how long a node tells the others that it goes.
	leaveTime = 2 * time.Second
)

// Node is one member of a cluster.
type Node struct {
	cfg     config.Config
	deps    Deps
	log     *slog.Logger
	store   *replica.Store
	fanout  *fanout.Worker
	live    *live.Service
	handler http.Handler
	started time.Time
	parts   closers

	standings *standings
	inspector *inspector
	tracer    *trace.Tracer
	heat      *heat
	load      atomic.Pointer[client.LoadEstimate] // nil before it is known

	// caches are told of changed rows. The store runs before the services that
	// cache exist, hence the pointer.
	caches   atomic.Pointer[[]store.Invalidator]
	stopping atomic.Bool
	draining atomic.Bool // new requests are better asked of others; those that come are served
}

// Assemble makes a node of given parts and starts all of it but the HTTP server.
// Closing the node does not close the parts.
func Assemble(cfg config.Config, deps Deps, log *slog.Logger) (*Node, error) {
	return assemble(cfg, deps, log, prometheus.NewRegistry())
}

func assemble(cfg config.Config, deps Deps, log *slog.Logger, metrics *prometheus.Registry) (*Node, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Reachable == nil {
		deps.Reachable = deps.Members.Alive
	}
	n := &Node{
		cfg: cfg, deps: deps, log: log, started: deps.Now(),
		heat: newHeat(),
	}
	n.startTracing(metrics)
	n.standings = newStandings(n.deps.Transport)
	if err := n.build(metrics); err != nil {
		return nil, errors.Join(err, n.parts.close())
	}
	return n, nil
}

func (n *Node) build(metrics *prometheus.Registry) error {
	if err := n.openStore(metrics); err != nil {
		return err
	}
	accounts, err := users.New(users.Config{
		Rows: n.store, Secret: n.deps.Secret, Now: n.deps.Now, Current: n.store.Current, HashCost: n.deps.HashCost,
	})
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	relations, err := graph.New(graph.Config{Rows: n.store, Users: accounts, Now: n.deps.Now, Current: n.store.Current})
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	texts, err := posts.New(posts.Config{Rows: n.store, Users: accounts, Relations: relations, Now: n.deps.Now, Current: n.store.Current})
	if err != nil {
		return fmt.Errorf("posts: %w", err)
	}
	timelines, err := timeline.New(timeline.Config{Rows: n.store, Posts: texts, Current: n.store.Current, Now: n.deps.Now})
	if err != nil {
		return fmt.Errorf("timelines: %w", err)
	}
	n.caches.Store(&[]store.Invalidator{accounts.Invalidate, relations.Invalidate, texts.Invalidate, timelines.Invalidate})
	if err := measureCaches(metrics, accounts, relations, texts, timelines); err != nil {
		return fmt.Errorf("metrics of caches: %w", err)
	}
	if err := n.startFanout(metrics); err != nil {
		return err
	}
	inbox := notify.New(notify.Config{Rows: n.store, Posts: texts, Users: accounts, Relations: relations, Now: n.deps.Now})
	kept := lists.New(lists.Config{Rows: n.store, Users: accounts, Relations: relations, Now: n.deps.Now})
	api := httpapi.Config{
		Users: accounts, Graph: relations, Posts: texts, Timelines: timelines,
		Notifications: inbox,
		Live:          n.startLive(metrics, texts, inbox),
		Webhooks:      n.startWebhooks(metrics, inbox),
		Lists:         kept,
		Search:        n.startSearch(metrics, texts, accounts, relations),
		Trends:        n.startTrends(metrics),
		Takeout:       takeout.New(accounts, texts, relations, kept, n.deps.Now),
		Cluster:       (*cluster)(n), Backups: (*backups)(n), Inspector: n.inspect(metrics), OperatorToken: n.deps.Secret.OperatorToken(),
		Log: n.log, Metrics: metrics, MaxInFlight: n.cfg.MaxInFlight, SignUpsPerMinute: n.cfg.SignUpsPerMinute,
		TrustedProxies: n.cfg.Proxies(), Tracer: n.tracer,
	}
	if n.cfg.UnsafeFaults && n.deps.Block != nil {
		api.Faults = (*faults)(n)
	}
	n.handler, err = httpapi.New(api)
	return err
}

func (n *Node) openStore(metrics prometheus.Registerer) error {
	if n.deps.Router == nil {
		router := routing.New(routing.Config{Self: n.deps.Transport.Self(), Alive: n.deps.Members.Alive, Now: n.deps.Now})
		metrics.MustRegister(router)
		n.deps.Router = router
	}
	var err error
	n.store, err = replica.Open(replica.Config{
		Self: n.deps.Transport.Self(), Engine: n.deps.Engine,
		Transport: n.deps.Transport, Broadcaster: n.deps.Broadcaster, Members: n.deps.Members,
		Router: n.deps.Router,
		Found:  found(n.cfg, n.deps.Rejoins), Weight: n.cfg.Weight, Zone: n.cfg.Zone,
		Indexed: schema.Indexed, Recent: schema.Recent, Invalidate: n.invalidate, Coordinated: n.coordinated,
		Now: n.deps.Now, Log: n.log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	n.parts.add("the replicated store", n.store.Close)
	metrics.MustRegister(nodeMetrics{(*cluster)(n)}, loadMetrics{n})
	n.deps.Transport.Handle(protoStanding, n.answerStanding)
	return nil
}

func (n *Node) invalidate(keys []store.Key) {
	caches := n.caches.Load()
	if caches == nil {
		return
	}
	for _, invalidate := range *caches {
		invalidate(keys)
	}
}

func (n *Node) startFanout(metrics prometheus.Registerer) error {
	var news *progress
	n.fanout = fanout.New(fanout.Config{
		Log: n.store, Rows: n.store, Leads: n.store.Leads, Lags: n.store.Lags, Hinted: n.store.Hinted,
		PartitionOf: func(slot store.Slot) store.Partition { return n.store.Ring().PartitionOf(slot) },
		Announce:    func(done []store.Seen) { news.announce(done) },
		PushLimit:   n.deps.PushLimit,
		Logger:      n.log, Metrics: metrics,
	})
	var err error
	if news, err = newProgress(n.deps.Broadcaster, n.log, n.fanout.Done); err != nil {
		return err
	}
	n.parts.add("the topic of progress", news.topic.Close)
	n.parts.add("news of progress", until(news.run))
	n.parts.add("fan-out", until(n.runFanout))
	return nil
}

// runFanout works as soon as the node knows the ring.
func (n *Node) runFanout(ctx context.Context) {
	select {
	case <-n.store.Serving():
	case <-ctx.Done():
		return
	}
	if err := n.fanout.Run(ctx); err != nil {
		n.log.Error("fan-out stopped", "error", err)
	}
}

// Handler is the node's HTTP API.
func (n *Node) Handler() http.Handler { return n.handler }

// ID is the node's identity.
func (n *Node) ID() p2p.NodeID { return n.deps.Transport.Self() }

// Active says whether the node is a full member of the ring that has caught up.
func (n *Node) Active() bool { return n.store.Active() }

// Store is the node's part of the replicated store.
func (n *Node) Store() *replica.Store { return n.store }

// Close stops the node.
func (n *Node) Close() error {
	n.stopping.Store(true)
	return n.parts.close()
}

// Left says whether the node has left the ring on an operator's word: the others
// hold what it held.
func (n *Node) Left() bool {
	select {
	case <-n.store.Left():
		return true
	default:
		return false
	}
}

// serve serves the API on a listener until ctx ends or the node has left the ring,
// lets those who ask here find other nodes, and then lets requests under way end.
func (n *Node) serve(ctx context.Context, listener net.Listener, ready config.Ready) error {
	server := httpapi.Server(http.HandlerFunc(n.answer), n.log)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	announced := until(func(ctx context.Context) { n.announceReady(ctx, ready) })
	var err error
	select {
	case err = <-failed:
	case <-n.store.Left():
		n.log.Info("left the ring: the others hold what this node held")
	case <-ctx.Done():
		err = n.linger(ctx, failed)
	}
	n.stopping.Store(true)
	_ = announced() // never fails
	if err != nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	n.live.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // what has not ended by now is cut off
	}
	<-failed
	return nil
}

// errUnfit is why a node ends that must not go on serving.
var errUnfit = errors.New("the node must not go on")

// linger serves on for a while in which the node says that it is not ready, so that
// balancers, DNS and the other nodes turn to others before anything is refused. It
// ends early with the error of the server. A node that nobody can stand in for, and
// one that is unfit to serve, ends at once.
func (n *Node) linger(ctx context.Context, failed <-chan error) error {
	alone := !slices.ContainsFunc(n.deps.Members.Members(), func(m p2p.Member) bool { return m.Alive && m.ID != n.ID() })
	if n.cfg.DrainSeconds == 0 || alone || errors.Is(context.Cause(ctx), errUnfit) {
		return nil
	}
	n.draining.Store(true)
	n.log.Info("draining", "seconds", n.cfg.DrainSeconds)
	n.live.Drain()
	n.store.Drain()
	over := time.NewTimer(time.Duration(n.cfg.DrainSeconds) * time.Second)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case err := <-failed:
		return err
	}
}

// answer serves a request. While the node drains it is the last of its connection,
// which then ends with its answer, rather than with no answer to the next.
func (n *Node) answer(w http.ResponseWriter, r *http.Request) {
	if n.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	n.handler.ServeHTTP(w, r)
}

// announceReady calls OnReady once the node can serve.
func (n *Node) announceReady(ctx context.Context, ready config.Ready) {
	select {
	case <-n.store.Serving():
	case <-ctx.Done():
		return
	}
	patience := time.NewTimer(settleTime)
	defer patience.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for waiting := true; waiting && !n.Active(); {
		select {
		case <-poll.C:
		case <-patience.C:
			waiting = false
		case <-ctx.Done():
			return
		}
	}
	n.log.Info("serving", "http", ready.HTTP, "p2p", ready.P2P, "gossip", ready.Gossip, "id", ready.ID)
	if n.cfg.OnReady != nil {
		n.cfg.OnReady(ready)
	}
}
