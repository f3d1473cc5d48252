// Package simulation runs whole nodes, wired as they are shipped, on memory
// disks, a simulated network and virtual time, under schedules of faults that
// follow from a seed, and compares what they do with an independent record of
// what was promised. A schedule that breaks an invariant is made smaller until
// nothing can be left out.
package simulation

import (
	"fmt"
	"io"
	"time"
)

// Result is what came of a run.
type Result struct {
	Failure   *Failure      `json:"failure,omitempty"` // nil when all invariants held
	Simulated time.Duration `json:"simulated"`         // virtual time
	Writes    int           `json:"writes"`            // that nodes coordinated
}

// lookEvery is how many acts lie between two looks at all owners.
const lookEvery = 8

// longest bounds the virtual time of a run; a run that takes longer hangs.
const longest = 24 * time.Hour

// Run does what a schedule says and checks the invariants, until one fails. The
// account of it goes to out, which may be nil, with the logs of the nodes when
// verbose. It must be called in a testing/synctest bubble.
func Run(s Schedule, out io.Writer, verbose bool) Result {
	t := newTrace(out, verbose)
	watchdog := time.AfterFunc(longest, func() { panic("simulation: " + Terminates + ": the run has hung") })
	defer watchdog.Stop()
	w := newWorld(s, t)
	w.begin()
	for i, a := range s.Acts {
		if t.failed() != nil {
			break
		}
		time.Sleep(a.After)
		t.event("%v", a)
		w.bury()
		w.perform(a)
		w.lookAtYoung()
		if i%lookEvery == 0 {
			w.look()
		}
	}
	if t.failed() == nil {
		t.event("the end")
		w.check(Act{})
	}
	w.close()
	return Result{Failure: t.failed(), Simulated: time.Since(t.began), Writes: w.ledger.size()}
}

// begin waits until the first nodes are one cluster, and makes all counters and
// some other rows.
func (w *world) begin() {
	if f := w.settle(); f != nil {
		w.trace.fail(f.invariant, "at the beginning: %s", f.detail)
		return
	}
	w.look()
	for row := rows / 2; row <= rows; row++ {
		w.put(Act{Node: 1, Session: 1, Row: row, N: min(copies, len(w.peers))})
	}
	w.awaitClients()
}

func (w *world) perform(a Act) {
	k, known := kinds[a.Kind]
	if !known {
		panic(fmt.Sprintf("simulation: there are no acts of kind %q", a.Kind))
	}
	k.do(w, a)
}
