package node_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"grapevine/node"
	"grapevine/node/config"
)

// resolver asks a node alone.
func resolver(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
}

// stoppable starts a node that can be stopped before the test ends.
func stoppable(t *testing.T, cfg config.Config) (config.Ready, func()) {
	t.Helper()
	served := make(chan config.Ready, 1)
	cfg.OnReady = func(r config.Ready) { served <- r }
	m, err := node.New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
	})
	t.Cleanup(stop)
	return <-served, stop
}

func TestANodeAnswersDNSWithTheHealthyNodesItselfFirst(t *testing.T) {
	t.Parallel()
	first := config.Default(t.TempDir())
	first.DNS = "127.0.0.1:0"
	a := machine(t, first)
	second := config.Default(t.TempDir())
	second.SecretFile, second.Join = first.Data+"/secret", []string{a.Gossip}
	b, stop := stoppable(t, second)
	names := resolver(a.DNS)

	services := func() []string {
		_, found, err := names.LookupSRV(t.Context(), "http", "tcp", "grapevine.")
		if err != nil {
			return nil
		}
		slices.SortFunc(found, func(a, b *net.SRV) int { return int(a.Priority) - int(b.Priority) })
		out := []string{}
		for _, s := range found {
			addrs, err := names.LookupHost(t.Context(), s.Target)
			if err != nil || len(addrs) != 1 {
				return nil // it has gone meanwhile
			}
			out = append(out, net.JoinHostPort(addrs[0], strconv.Itoa(int(s.Port))))
		}
		return out
	}
	await(t, "both nodes are named, the asked one first", func() bool { return slices.Equal(services(), []string{a.HTTP, b.HTTP}) })
	if addrs, err := names.LookupHost(t.Context(), "grapevine."); err != nil || !slices.Equal(slices.Compact(addrs), []string{"127.0.0.1"}) {
		t.Errorf("the name has the addresses %v, %v", addrs, err)
	}
	stop()
	await(t, "the node that ended is not named any more", func() bool { return slices.Equal(services(), []string{a.HTTP}) })
}
