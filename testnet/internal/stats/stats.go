// Package stats summarises measured durations.
package stats

import (
	"fmt"
	"slices"
	"time"
)

// Summary holds the percentiles of a set of durations, by nearest rank: each is
// a duration that was really measured.
type Summary struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summarise sorts ds in place and gives its percentiles. The Summary of nothing
// is zero.
func Summarise(ds []time.Duration) Summary {
	if len(ds) == 0 {
		return Summary{}
	}
	slices.Sort(ds)
	return Summary{
		Count: len(ds),
		P50:   rank(ds, 50),
		P90:   rank(ds, 90),
		P99:   rank(ds, 99),
		Max:   ds[len(ds)-1],
	}
}

// rank gives the smallest of the sorted ds that at least percent of them do not
// exceed.
func rank(ds []time.Duration, percent int) time.Duration {
	return ds[(len(ds)*percent+99)/100-1]
}

func (s Summary) String() string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s", Short(s.P50), Short(s.P90), Short(s.P99), Short(s.Max))
}

// Short renders d with three significant digits.
func Short(d time.Duration) string {
	for unit := time.Second; unit > 1; unit /= 1000 {
		if d < unit {
			continue
		}
		return d.Round(max(unit/1000, magnitude(d)/100)).String()
	}
	return d.String()
}

// magnitude gives the greatest power of ten not above d, which is positive.
func magnitude(d time.Duration) time.Duration {
	m := time.Duration(1)
	for m <= d/10 {
		m *= 10
	}
	return m
}

// Median gives the middle one of xs, the mean of the two middle ones of an even
// number, and 0 of none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}
