package torture

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"grapevine/testnet/internal/api"
)

// avoid is how long a client keeps away from a node that did not answer it.
const avoid = 3 * time.Second

// targets are the nodes that clients ask, as an application would that was given
// the list of nodes: at random, and for a while not those that failed.
type targets struct {
	conns int

	mu    sync.Mutex
	nodes []*target
}

type target struct {
	index  int
	pool   *api.Pool
	rested time.Time // when it may be asked again
}

// set adds a node or gives it another address.
func (t *targets) set(index int, url string) {
	t.remove(index)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes = append(t.nodes, &target{index: index, pool: api.NewPool([]string{url}, t.conns)})
}

// remove takes away a node that has left.
func (t *targets) remove(index int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes = slices.DeleteFunc(t.nodes, func(n *target) bool {
		if n.index == index {
			n.pool.Close()
		}
		return n.index == index
	})
}

// all gives the nodes in the order of their indices.
func (t *targets) all() []*target {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(slices.Values(t.nodes), func(a, b *target) int { return a.index - b.index })
}

// pick draws a node, one that has not failed of late when there is any.
func (t *targets) pick(rng *rand.Rand) *target {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var fit []*target
	for _, n := range t.nodes {
		if now.After(n.rested) {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		fit = t.nodes
	}
	return fit[rng.IntN(len(fit))]
}

// failed notes that a node did not answer.
func (t *targets) failed(n *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.rested = time.Now().Add(avoid)
}

func (t *targets) close() {
	for _, n := range t.all() {
		n.pool.Close()
	}
}

// kind names an error for the report.
func kind(err error) string {
	var timeout net.Error
	switch {
	case api.Status(err) != 0:
		return strconv.Itoa(api.Status(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection broken"
	}
	return "other"
}
