package torture

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"grapevine/testnet/internal/stats"
	"grapevine/testnet/internal/torture/lab"
)

// Report is what a run came to.
type Report struct {
	Seed     uint64
	Took     time.Duration
	Injected map[string]int // faults by kind
	Counts
	Latency map[string]stats.Summary
	Settled []time.Duration // each time: from the end of all faults until all owners held the same
	Traffic *lab.Traffic    // nil without a lab
	*Verdict
	Faults  []Fault  // all: of the answers and of sessions
	Ended   []string // nodes that ended though nobody ended them
	Excused int      // acknowledged acts whose loss the promise permits
}

// OK says whether all promises held.
func (r *Report) OK() bool { return len(r.Faults)+len(r.Ended) == 0 }

func (r *Report) outcome() string {
	if r.OK() {
		return "lost 0, resurrected 0"
	}
	var parts []string
	counts := map[string]int{}
	for _, f := range r.Faults {
		counts[f.Kind]++
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, r.count(kind)))
	}
	return strings.Join(append(parts, r.Ended...), ", ")
}

// count gives the number of things with faults of a kind, however many nodes show
// them.
func (r *Report) count(kind string) int {
	things := map[string]bool{}
	for _, f := range r.Faults {
		if f.Kind == kind {
			things[f.User+" "+f.Thing] = true
		}
	}
	return len(things)
}

func (r *Report) fill(run *run) {
	r.Seed, r.Took = run.Seed, time.Since(run.begun)
	r.Injected = run.rig.injected
	r.Counts = run.load.tally.Counts()
	r.Latency = map[string]stats.Summary{"writes": run.load.tally.Latency("writes"), "reads": run.load.tally.Latency("reads")}
	r.Ended = run.rig.Ended()
	if run.lab != nil {
		t := run.lab.Traffic()
		r.Traffic = &t
	}
}

func (c Counts) total() int {
	n := 0
	for _, count := range c.Errors {
		n += count
	}
	return n
}

// shown is how many faults a printed report spells out.
const shown = 20

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(what, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	line("seed", "%d, %s", r.Seed, r.Took.Round(time.Second))
	line("faults injected", "%s", counted(r.Injected))
	line("writes acknowledged", "%d (%s)", r.Acknowledged, copies(r.Copies))
	if v := r.Verdict; v != nil {
		line("  of these excused", "%d, whose disks were lost within what their copies say; %d things are as if lost", r.Excused, v.ExcusedLost)
		line("lost", "%d of %d posts and %d follows", r.count(Lost), v.Posts, v.Follows)
		line("resurrected", "%d", r.count(Resurrected))
		line("sessions gone back", "%d; stuck %d", r.count(Backwards), r.count(Stuck))
		line("other wrong answers", "%d divided, %d strange; %d answers compared", r.count(Divided), r.count(Strange), v.Answers)
		line("posts made twice", "%d, by retries under one key on both sides of a cut", v.Twice)
	}
	line("uncertain", "%d writes", r.Uncertain)
	line("time to converge", "%s", settled(r.Settled))
	for _, what := range slices.Sorted(maps.Keys(r.Latency)) {
		s := r.Latency[what]
		line("answered "+what, "%d: p50 %s, p99 %s, max %s", s.Count, stats.Short(s.P50), stats.Short(s.P99), stats.Short(s.Max))
	}
	line("errors", "%s", counted(r.Errors))
	if r.Traffic != nil {
		line("packets", "%d passed, %d lost", r.Traffic.Passed, r.Traffic.Lost)
	}
	for i, f := range r.Faults {
		if i == shown {
			fmt.Fprintf(t, "  … and %d more\n", len(r.Faults)-shown)
			break
		}
		fmt.Fprintf(t, "  %v\n", f)
	}
	for _, e := range r.Ended {
		fmt.Fprintf(t, "  %s\n", e)
	}
	verdict := "OK"
	switch {
	case !r.OK():
		verdict = "FAILED"
	case r.Verdict == nil:
		verdict = "none: the run was cut short before all was healed and compared"
	}
	fmt.Fprintf(t, "verdict: %s\n", verdict)
	return t.Flush()
}

func counted(counts map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func copies(counts map[int]int) string {
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d on %d", counts[n], n))
	}
	return strings.Join(parts, ", ") + " copies"
}

func settled(times []time.Duration) string {
	if len(times) == 0 {
		return "never tried"
	}
	s := stats.Summarise(slices.Clone(times))
	return fmt.Sprintf("%d times: median %s, longest %s", s.Count, stats.Short(s.P50), stats.Short(s.Max))
}
