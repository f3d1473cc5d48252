package replica

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"grapevine/p2p"
	"grapevine/store/ring"
)

func TestAPeerOfALaterBuildIsToldApartAndNotShunned(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	s := &Store{log: slog.New(slog.NewTextHandler(&said, nil)), seldom: rate.Sometimes{Interval: laterInterval}}
	b := batch{coordinator: "node-a", number: 7, deltas: []delta{someDelta()}}
	later := b.encode()
	later[0]++
	_, batchErr := decodeBatch(later, eighth)
	view := ring.NewView(ring.Cluster{ID: "c"}).Append(nil)
	view[0]++
	_, _, viewErr := ring.ConsumeView(view)
	for range 2 * offences {
		for _, err := range []error{batchErr, viewErr} {
			remote, ok := s.malformed("node-b", err).(*p2p.RemoteError) //nolint:errorlint // this very error
			if !ok || remote.Code != "later" {
				t.Fatalf("%v is answered with %v", err, remote)
			}
		}
	}
	if s.guard.shuns("node-b", time.Now()) {
		t.Error("the peer is shunned")
	}
	if n := strings.Count(said.String(), "a peer runs a later build"); n != 1 {
		t.Errorf("said %d times: %s", n, &said)
	}
}
