package crdt_test

import (
	"math"
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

// counting gives a site whose row's counter 1 reads n.
func counting(n int64) *site {
	s := newSite()
	s.apply(dot(1, 1), s.row.Put(dot(1, 1), late, nil))
	s.apply(dot(1, 2), s.row.Add(dot(1, 2), 1, n))
	return s
}

func TestConcurrentIncrementsAllCount(t *testing.T) {
	t.Parallel()
	s := counting(5)
	two, three := s.row.Add(dot(2, 1), 1, 2), s.row.Add(dot(3, 1), 1, -3)
	s.apply(dot(2, 1), two)
	s.apply(dot(3, 1), three)
	if got := s.row.Counter(1); got != 4 || s.row.Counter(2) != 0 {
		t.Errorf("counter 1 reads %d: %s", got, show(s.row))
	}
	if s.row.Time() != late {
		t.Errorf("got time %d", s.row.Time())
	}
}

func TestARepeatedIncrementCountsOnce(t *testing.T) {
	t.Parallel()
	s := counting(0)
	add := s.row.Add(dot(2, 1), 1, 7)
	for range 3 {
		s.row = crdt.Merge(s.row, s.ctx, add, causal.Nothing{})
	}
	if got := s.row.Counter(1); got != 7 {
		t.Errorf("counter reads %d: %s", got, show(s.row))
	}
}

func TestALaterIncrementTellsOfTheEarlierOnesOfItsReplica(t *testing.T) {
	t.Parallel()
	writer, reader := counting(5), newSite()
	reader.apply(dot(1, 1), crdt.Row{}.Put(dot(1, 1), late, nil))
	second := writer.row.Add(dot(1, 3), 1, 2)
	reader.apply(dot(1, 3), second)
	if got := reader.row.Counter(1); got != 7 {
		t.Errorf("counter reads %d: %s", got, show(reader.row))
	}
}

func TestRemoveWinsOverConcurrentAdd(t *testing.T) {
	t.Parallel()
	for _, removeFirst := range []bool{true, false} {
		s := counting(5)
		remove, add := s.row.Remove(), s.row.Add(dot(2, 1), 1, 1)
		if removeFirst {
			s.apply(dot(1, 3), remove)
			s.apply(dot(2, 1), add)
		} else {
			s.apply(dot(2, 1), add)
			s.apply(dot(1, 3), remove)
		}
		if !s.row.IsZero() {
			t.Errorf("remove first %v: left %s", removeFirst, show(s.row))
		}
	}
}

func TestAPutStartsCountersAnew(t *testing.T) {
	t.Parallel()
	s := counting(5)
	s.apply(dot(1, 3), s.row.Put(dot(1, 3), early, nil))
	s.apply(dot(1, 4), s.row.Add(dot(1, 4), 1, 2))
	if got := s.row.Counter(1); got != 2 {
		t.Errorf("counter reads %d: %s", got, show(s.row))
	}
}

func TestAnIncrementThatOvertakesItsBirthWaits(t *testing.T) {
	t.Parallel()
	writer, reader := counting(5), newSite()
	reader.apply(dot(2, 1), writer.row.Add(dot(2, 1), 1, 1))
	if reader.row.Counter(1) != 0 || reader.row.IsZero() {
		t.Errorf("before its birth: %s", show(reader.row))
	}
	reader.apply(dot(1, 1), crdt.Row{}.Put(dot(1, 1), late, nil))
	if got := reader.row.Counter(1); got != 1 {
		t.Errorf("counter reads %d: %s", got, show(reader.row))
	}
}

func TestACounterStopsAtTheBoundsOfItsInteger(t *testing.T) {
	t.Parallel()
	for _, bound := range []int64{math.MaxInt64, math.MinInt64} {
		step := int64(1)
		if bound < 0 {
			step = -1
		}
		s := counting(bound)
		s.apply(dot(1, 3), s.row.Add(dot(1, 3), 1, step))
		if got := s.row.Counter(1); got != bound {
			t.Errorf("one replica: %d", got)
		}
		s.apply(dot(2, 1), s.row.Add(dot(2, 1), 1, bound))
		if got := s.row.Counter(1); got != bound {
			t.Errorf("two replicas: %d", got)
		}
	}
}

func TestAddingNothingOrToNothingChangesNothing(t *testing.T) {
	t.Parallel()
	if !(crdt.Row{}).Add(dot(1, 1), 1, 1).IsZero() || !counting(5).row.Add(dot(1, 3), 1, 0).IsZero() {
		t.Error("there is a change")
	}
}
