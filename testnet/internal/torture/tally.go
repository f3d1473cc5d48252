package torture

import (
	"maps"
	"sync"
	"time"

	"grapevine/testnet/internal/stats"
)

// Tally counts what the load met. It is safe for concurrent use.
type Tally struct {
	mu     sync.Mutex
	counts Counts
	took   map[string][]time.Duration
	faults []Fault
}

// Counts is what a Tally holds at one moment.
type Counts struct {
	Acknowledged int
	Copies       map[int]int // acknowledged acts by copies
	Uncertain    int
	Reads        int
	Errors       map[string]int
}

func newTally() *Tally {
	return &Tally{counts: Counts{Copies: map[int]int{}, Errors: map[string]int{}}, took: map[string][]time.Duration{}}
}

func (t *Tally) acknowledged(copies int, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Acknowledged++
	t.counts.Copies[copies]++
	t.took["writes"] = append(t.took["writes"], took)
}

func (t *Tally) uncertain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Uncertain++
}

func (t *Tally) read(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Reads++
	t.took["reads"] = append(t.took["reads"], took)
}

func (t *Tally) err(what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Errors[what+": "+kind(err)]++
}

func (t *Tally) fault(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, f)
}

// Faults gives what sessions saw that they must not.
func (t *Tally) Faults() []Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.faults[:len(t.faults):len(t.faults)]
}

// Counts gives the counts so far.
func (t *Tally) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Copies, c.Errors = maps.Clone(c.Copies), maps.Clone(c.Errors)
	return c
}

// Latency sums up the answered requests, reads or writes.
func (t *Tally) Latency(what string) stats.Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return stats.Summarise(t.took[what])
}
