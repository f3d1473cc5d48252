package simulation_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"grapevine/testnet/internal/simulation"
)

func TestAScheduleIsAFunctionOfItsSeed(t *testing.T) {
	t.Parallel()
	a, b, c := simulation.NewSchedule(7), simulation.NewSchedule(7), simulation.NewSchedule(8)
	if !reflect.DeepEqual(a, b) {
		t.Error("one seed gave two schedules")
	}
	if reflect.DeepEqual(a.Acts, c.Acts) {
		t.Error("two seeds gave one schedule")
	}
}

func TestEveryKindOfActIsDrawnBySomeSeed(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for seed := range uint64(60) {
		for _, a := range simulation.NewSchedule(seed).Acts {
			drawn[a.Kind] = true
		}
	}
	for _, kind := range simulation.Kinds() {
		if !drawn[kind] {
			t.Errorf("60 seeds have no act of kind %s", kind)
		}
	}
}

func TestAScheduleReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "schedule")
	want := simulation.NewSchedule(3)
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := simulation.ReadSchedule(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := simulation.ReadSchedule(file + "-of-nothing"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// Three acts make the failure, however many others surround them.
func TestShrinkingLeavesNothingThatCanBeLeftOut(t *testing.T) {
	t.Parallel()
	s := simulation.NewSchedule(1)
	cause := []simulation.Act{s.Acts[3], s.Acts[60], s.Acts[61]}
	tries := 0
	small := simulation.Shrink(s, 1000, func(c simulation.Schedule) bool {
		tries++
		at := 0
		for _, a := range c.Acts {
			if at < len(cause) && a == cause[at] {
				at++
			}
		}
		return at == len(cause)
	})
	if !slices.Equal(small.Acts, cause) || small.Nodes != 1 || small.Loss != 0 {
		t.Errorf("%d acts, of %d, are left after %d tries, on %d nodes", len(small.Acts), len(s.Acts), tries, small.Nodes)
	}
}

func TestShrinkingEndsWhenItMayTryNoMore(t *testing.T) {
	t.Parallel()
	tries := 0
	simulation.Shrink(simulation.NewSchedule(1), 10, func(simulation.Schedule) bool { tries++; return tries%2 == 0 })
	if tries > 10 {
		t.Errorf("%d tries, of 10", tries)
	}
}
