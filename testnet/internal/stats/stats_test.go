package stats

import (
	"testing"
	"time"
)

func TestPercentilesAreMeasuredValuesByNearestRank(t *testing.T) {
	var ds []time.Duration
	for i := 100; i > 0; i-- {
		ds = append(ds, time.Duration(i))
	}
	got := Summarise(ds)
	want := Summary{Count: 100, P50: 50, P90: 90, P99: 99, Max: 100}
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestPercentilesOfFewValuesAreTheGreaterOnes(t *testing.T) {
	if got, want := Summarise([]time.Duration{7}), (Summary{1, 7, 7, 7, 7}); got != want {
		t.Fatalf("of one: got %+v, want %+v", got, want)
	}
	if got, want := Summarise([]time.Duration{9, 1, 5}), (Summary{3, 5, 9, 9, 9}); got != want {
		t.Fatalf("of three: got %+v, want %+v", got, want)
	}
	if got := Summarise(nil); got != (Summary{}) {
		t.Fatalf("of none: got %+v", got)
	}
}

func TestMedianIsTheMiddleAndLeavesItsInputAlone(t *testing.T) {
	in := []float64{3, 1, 2}
	if got := Median(in); got != 2 || in[0] != 3 {
		t.Fatalf("got %v, input now %v", got, in)
	}
	if got := Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Fatalf("of four: got %v", got)
	}
	if got := Median(nil); got != 0 {
		t.Fatalf("of none: got %v", got)
	}
}

func TestShortKeepsThreeDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567:                 "1.23ms",
		123456789:               "123ms",
		12345678901:             "12.3s",
		950 * time.Nanosecond:   "950ns",
		12345 * time.Nanosecond: "12.3µs",
		0:                       "0s",
	} {
		if got := Short(d); got != want {
			t.Errorf("Short(%d) = %s, want %s", d, got, want)
		}
	}
}
