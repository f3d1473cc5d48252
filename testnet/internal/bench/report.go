package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"grapevine/testnet/internal/stats"
)

// Line is one measured thing.
type Line struct {
	What  string        `json:"what"`
	Value float64       `json:"value"`
	Unit  string        `json:"unit"`
	P50   time.Duration `json:"p50_ns,omitempty"`
	P99   time.Duration `json:"p99_ns,omitempty"`
	Ratio float64       `json:"ratio,omitempty"` // to the floor that Of names
	Of    string        `json:"of,omitempty"`
	Goal  string        `json:"goal,omitempty"`
	Met   bool          `json:"met"` // true where there is no goal
	Note  string        `json:"note,omitempty"`
}

// Report is a run of the bench.
type Report struct {
	Lines []Line `json:"lines"`
}

// add appends a line; a goal is met unless withGoal says otherwise.
func (r *Report) add(l Line) {
	if l.Goal == "" {
		l.Met = true
	}
	r.Lines = append(r.Lines, l)
}

// rates appends a series and its floors, with the ratio to each. A least rate or
// ratio of 0 is no goal.
func (r *Report) rates(unit string, least, leastRatio float64, s *series, floors ...*series) {
	m := s.median()
	r.add(Line{
		What: s.name, Value: m.perSecond, Unit: unit, P50: m.latency.P50, P99: m.latency.P99,
		Goal: atLeast(least), Met: m.perSecond >= least,
	})
	for _, f := range floors {
		fm := f.median()
		over := m.perSecond / fm.perSecond
		r.add(Line{
			What: "  floor: " + f.name, Value: fm.perSecond, Unit: unit, P50: fm.latency.P50, P99: fm.latency.P99,
			Ratio: over, Of: f.name, Goal: atLeast(leastRatio), Met: over >= leastRatio,
		})
	}
}

func atLeast(goal float64) string {
	if goal == 0 {
		return ""
	}
	return fmt.Sprintf(">= %g", goal)
}

// Met says whether every goal was met.
func (r Report) Met() bool {
	for _, l := range r.Lines {
		if !l.Met {
			return false
		}
	}
	return true
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASURED\tVALUE\tUNIT\tP50\tP99\tOF FLOOR\tGOAL\tNOTE")
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			l.What, number(l.Value), l.Unit, span(l.P50), span(l.P99), ratio(l.Ratio), goal(l), l.Note)
	}
	return t.Flush()
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func span(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return stats.Short(d)
}

func ratio(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}

func goal(l Line) string {
	switch {
	case l.Goal == "":
		return "-"
	case l.Met:
		return l.Goal + " met"
	}
	return l.Goal + " MISSED"
}
