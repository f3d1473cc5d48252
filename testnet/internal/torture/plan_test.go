package torture

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func plan(seed uint64, lab bool, without ...string) []Step {
	return Plan(PlanConfig{Seed: seed, Nodes: 5, For: 20 * time.Minute, Lab: lab, Without: without})
}

func TestASeedGivesTheSameScheduleEachTime(t *testing.T) {
	t.Parallel()
	if !reflect.DeepEqual(plan(7, true), plan(7, true)) {
		t.Error("two schedules of one seed differ")
	}
	if reflect.DeepEqual(plan(7, true), plan(8, true)) {
		t.Error("two seeds give one schedule")
	}
}

func TestAScheduleHoldsEveryKindThatIsNotLeftOut(t *testing.T) {
	t.Parallel()
	count := func(steps []Step) map[string]int {
		n := map[string]int{}
		for _, s := range steps {
			n[s.Do]++
		}
		return n
	}
	n := count(plan(1, true))
	for _, kind := range Kinds {
		if n[kind] == 0 {
			t.Errorf("no %s in 20 minutes: %v", kind, n)
		}
	}
	if n := count(plan(1, true, Leave)); n[Leave] > 0 || n[Kill] == 0 {
		t.Errorf("without %s: %v", Leave, n)
	}
	n = count(plan(1, false))
	for _, kind := range labOnly {
		if n[kind] > 0 {
			t.Errorf("%s on loopback", kind)
		}
	}
}

// The planner must not ask for what cannot be done, nor lose a second disk before
// what stood on the first stands on others.
func TestNoStepOfAScheduleContradictsTheStepsBefore(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		w := &world{t: t, seed: seed, wrong: map[int]string{}}
		for i := range 5 {
			w.nodes = append(w.nodes, i+1)
		}
		for _, s := range plan(seed, true) {
			w.take(s)
		}
		if w.last.Do != settle {
			t.Errorf("seed %d does not end settled", seed)
		}
	}
}

// world is a cluster as a schedule leaves it.
type world struct {
	t     *testing.T
	seed  uint64
	nodes []int
	wrong map[int]string
	net   bool
	lost  int
	saved int
	last  Step
}

func (w *world) want(ok bool, s Step, what string) {
	if !ok {
		w.t.Errorf("seed %d, %v: %s", w.seed, s, what)
	}
}

func (w *world) take(s Step) {
	w.want(s.At >= w.last.At, s, "before the step before")
	w.last = s
	for _, n := range s.Nodes {
		w.want(slices.Contains(w.nodes, n) != (s.Do == Join), s, "of a node that there is not, or is")
	}
	switch s.Do {
	case start, resume, space:
		for _, n := range s.Nodes {
			w.want(w.wrong[n] != "" && w.wrong[n] != Leave, s, "ends what has not begun")
			delete(w.wrong, n)
		}
	case Cut, OneWay, Lossy:
		w.want(!w.net && len(s.Links) > 0, s, "a second fault of the network, or none")
		w.net = true
	case heal:
		w.want(w.net, s, "heals what is whole")
		w.net = false
	case settle:
		w.nodes = slices.DeleteFunc(w.nodes, func(n int) bool { return w.wrong[n] == Leave })
		w.net, w.lost = false, 0
		clear(w.wrong)
	case Join:
		w.nodes = append(w.nodes, s.Nodes...)
	case save:
		w.want(w.wrong[s.Nodes[0]] == "", s, "copies the disk of a node in trouble")
		w.saved = s.Nodes[0]
	default:
		w.down(s)
	}
}

func (w *world) down(s Step) {
	for _, n := range s.Nodes {
		w.want(w.wrong[n] == "", s, "of a node in trouble")
		w.wrong[n] = s.Do
	}
	switch s.Do {
	case Rollback, Replace, Forget:
		w.lost++
		w.want(w.lost == 1, s, "a second disk is lost")
		w.want(!w.net, s, "while the network fails")
		w.want(s.Do != Rollback || w.saved == s.Nodes[0], s, "without a copy of its disk")
	case Leave:
		w.want(len(w.nodes) > fewest, s, "too few stay")
	}
}
