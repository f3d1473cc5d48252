package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"grapevine/testnet/internal/stats"
)

// outcome is what a measurement gave.
type outcome struct {
	perSecond float64
	latency   stats.Summary
}

// load describes closed-loop clients: each sends its next request when the last
// is answered. A client keeps one connection, to addrs in turn.
type load struct {
	clients int
	addrs   []string
	request func(client, n int) []byte
	check   func(reply) error
}

// drive runs a load for a time. Any error ends it.
func drive(ctx context.Context, d time.Duration, l load) (outcome, error) {
	conns := make([]*conn, l.clients)
	for i := range conns {
		conns[i] = &conn{addr: l.addrs[i%len(l.addrs)]}
		defer conns[i].close()
	}
	return loop{clients: l.clients, act: func(client, n int) error {
		r, err := conns[client].call(l.request(client, n))
		if err != nil {
			return err
		}
		return l.check(r)
	}}.run(ctx, d)
}

// loop is a number of clients that act, each one time after another.
type loop struct {
	clients int
	act     func(client, n int) error
}

// run loops for a time. Any error ends it.
func (l loop) run(ctx context.Context, d time.Duration) (outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, l.clients)
	var wait sync.WaitGroup
	start := time.Now()
	for i := range l.clients {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				begun := time.Now()
				if begun.Sub(start) >= d {
					return
				}
				if err := l.act(i, n); err != nil {
					cancel(err)
					return
				}
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	wait.Wait()
	return summarise(took, time.Since(start)), context.Cause(ctx)
}

func summarise(took [][]time.Duration, elapsed time.Duration) outcome {
	var all []time.Duration
	for _, ds := range took {
		all = append(all, ds...)
	}
	return outcome{
		perSecond: float64(len(all)) / elapsed.Seconds(),
		latency:   stats.Summarise(all),
	}
}

// wantStatus accepts one status.
func wantStatus(status int) func(reply) error {
	return func(r reply) error {
		if r.status != status {
			return fmt.Errorf("answered %d instead of %d: %.300s", r.status, status, r.body)
		}
		return nil
	}
}

// series is a thing measured once a round.
type series struct {
	name string
	run  func(ctx context.Context, d time.Duration) (outcome, error)
	got  []outcome
}

// interleave measures the series in turn, round by round, so that noise of the
// machine falls on all of them.
func interleave(ctx context.Context, rounds int, d time.Duration, all []*series, say func(string)) error {
	for round := range rounds {
		for _, s := range all {
			say(fmt.Sprintf("round %d of %d: %s", round+1, rounds, s.name))
			o, err := s.run(ctx, d)
			if err != nil {
				return fmt.Errorf("bench %s: %w", s.name, err)
			}
			s.got = append(s.got, o)
		}
	}
	return nil
}

// median gives the medians of a series' rounds.
func (s *series) median() outcome {
	pick := func(f func(outcome) float64) float64 {
		xs := make([]float64, len(s.got))
		for i, o := range s.got {
			xs[i] = f(o)
		}
		return stats.Median(xs)
	}
	return outcome{
		perSecond: pick(func(o outcome) float64 { return o.perSecond }),
		latency: stats.Summary{
			P50: time.Duration(pick(func(o outcome) float64 { return float64(o.latency.P50) })),
			P99: time.Duration(pick(func(o outcome) float64 { return float64(o.latency.P99) })),
		},
	}
}
