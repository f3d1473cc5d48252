package node_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p/swim"
)

// copied gives the settings of a node on a copy of the data directory of a node
// that runs, without the addresses that it remembers.
func copied(tb testing.TB, original config.Config) config.Config {
	tb.Helper()
	cfg := original
	cfg.Data = tb.TempDir()
	for _, name := range []string{"secret", "identity.pem"} {
		b, err := os.ReadFile(original.Data + "/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(cfg.Data+"/"+name, b, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return cfg
}

func TestACopiedIdentityIsRefusedAtTheStartAndTheOriginalServesOn(t *testing.T) {
	t.Parallel()
	first := config.Default(t.TempDir())
	ready := machine(t, first)
	second := config.Default(t.TempDir())
	second.SecretFile, second.Join = first.Data+"/secret", []string{ready.Gossip}
	machine(t, second)
	outlive(t)
	_, err := node.New(t.Context(), copied(t, second), slog.New(slog.DiscardHandler))
	if !errors.Is(err, swim.ErrIdentityInUse) {
		t.Errorf("got %v, want ErrIdentityInUse", err)
	}
}

// TestACopyThatRanApartEndsWhenItMeetsItsOriginal lets the copy start where it can
// reach nobody, until a node comes up that knows both.
func TestACopyThatRanApartEndsWhenItMeetsItsOriginal(t *testing.T) {
	t.Parallel()
	first := config.Default(t.TempDir())
	ready := machine(t, first)
	between := config.Default(t.TempDir())
	between.SecretFile, between.Join = first.Data+"/secret", []string{ready.Gossip}
	between.Gossip = freeAddr(t)

	apart := copied(t, first)
	apart.Join = []string{between.Gossip}
	outlive(t)
	m, err := node.New(t.Context(), apart, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { ended <- m.Run(ctx) }()
	machine(t, between)
	select {
	case err := <-ended:
		if !errors.Is(err, swim.ErrIdentityInUse) {
			t.Errorf("got %v, want ErrIdentityInUse", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the copy goes on")
	}
}

// outlive waits until whoever runs now is older than a question between two
// processes can take, so that age decides which of them goes on.
func outlive(tb testing.TB) {
	tb.Helper()
	grown := time.NewTimer(600 * time.Millisecond)
	defer grown.Stop()
	select {
	case <-grown.C:
	case <-tb.Context().Done():
		tb.Fatal(tb.Context().Err())
	}
}

// freeAddr gives an address of loopback at which nobody listens.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
