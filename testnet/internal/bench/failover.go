package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"grapevine/node/client"
	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/stats"
)

// Times of the failover measurement.
const (
	beforeKill = 2 * time.Second
	afterKill  = 8 * time.Second
	askEvery   = 20 * time.Millisecond
)

// witness is one closed-loop client of a survivor while another node dies.
type witness struct {
	took   []time.Duration // of calls that ended after the kill
	errors int             // after the kill
	stall  time.Duration   // longest time without a success that reaches beyond the kill
}

// failover kills the last of three nodes under load and measures what clients of
// the others notice.
func (b *bench) failover(ctx context.Context) error {
	if len(b.Nodes) < 3 {
		return nil
	}
	b.Say("failover")
	victim := b.Nodes[len(b.Nodes)-1]
	survivors := b.Nodes[:len(b.Nodes)-1]
	killed := make(chan struct{})
	witnesses := make([]witness, min(16, b.Clients))
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	for i := range witnesses {
		wait.Go(func() { b.watch(stop, &witnesses[i], survivors[i%len(survivors)].Addr, i, killed) })
	}
	err := api.Pause(ctx, beforeKill)
	if err == nil {
		err = b.Kill(victim.Index)
	}
	at := time.Now()
	close(killed)
	var noticed time.Duration
	if err == nil {
		noticed, err = notice(ctx, survivors, victim.ID, at)
	}
	if err == nil {
		err = api.Pause(ctx, time.Until(at.Add(afterKill)))
	}
	cancel()
	wait.Wait()
	if err != nil {
		return fmt.Errorf("bench: failover: %w", err)
	}
	b.tell(witnesses, noticed)
	if b.Revive != nil {
		return b.Revive(ctx, victim.Index)
	}
	return nil
}

// watch posts and reads in turn until ctx ends.
func (b *bench) watch(ctx context.Context, w *witness, addr string, i int, killed <-chan struct{}) {
	c := &conn{addr: addr}
	defer c.close()
	last := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		request, ok := b.readPost(i, n), wantStatus(200)
		if n%2 == 0 {
			request, ok = b.writePost(i, n), wantStatus(201)
		}
		begun := time.Now()
		r, err := c.call(request)
		if err == nil {
			err = ok(r)
		}
		now := time.Now()
		select {
		case <-killed:
			w.after(now.Sub(begun), now.Sub(last), err)
		default:
		}
		if err == nil {
			last = now
		}
	}
}

func (w *witness) after(took, gap time.Duration, err error) {
	w.took = append(w.took, took)
	w.stall = max(w.stall, gap)
	if err != nil {
		w.errors++
	}
}

// notice returns how long after the kill all survivors have the node for dead.
func notice(ctx context.Context, survivors []Node, victim string, at time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, afterKill)
	defer cancel()
	for _, n := range survivors {
		survivor := client.New("http://" + n.Addr)
		defer survivor.Close()
		for {
			members, err := survivor.Members(ctx)
			if err == nil && !slices.ContainsFunc(members, func(m client.Member) bool { return m.ID == victim && m.Alive }) {
				break
			}
			if stop := api.Pause(ctx, askEvery); stop != nil {
				return 0, fmt.Errorf("node %d still has the killed one for alive after %s: %w", n.Index, time.Since(at).Round(time.Millisecond), stop)
			}
		}
	}
	return time.Since(at), nil
}

func (b *bench) tell(witnesses []witness, noticed time.Duration) {
	var errors int
	var stall time.Duration
	var took []time.Duration
	for _, w := range witnesses {
		errors += w.errors
		stall = max(stall, w.stall)
		took = append(took, w.took...)
	}
	s := stats.Summarise(took)
	b.report.add(Line{What: "killed node noticed by all", Value: noticed.Seconds() * 1000, Unit: "ms",
		Goal: "<= " + goalNotice.String(), Met: noticed <= goalNotice})
	b.report.add(Line{What: "longest wait of a client", Value: stall.Seconds() * 1000, Unit: "ms", P50: s.P50, P99: s.P99,
		Note: fmt.Sprintf("without a success after the kill; %d clients of the others", len(witnesses))})
	b.report.add(Line{What: "errors after the kill", Value: float64(errors), Unit: "requests",
		Note: fmt.Sprintf("of %d in %s", s.Count, afterKill)})
}
