package routing_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"grapevine/node/routing"
	"grapevine/p2p"
	"grapevine/store/replica"
)

// world is a router among nodes that take as long as they are told to.
type world struct {
	now    time.Time
	router *routing.Router
	dead   map[p2p.NodeID]bool
}

const self p2p.NodeID = "self"

func newWorld() *world {
	w := &world{now: time.Unix(1e9, 0), dead: map[p2p.NodeID]bool{}}
	w.router = routing.New(routing.Config{
		Self: self, Now: func() time.Time { return w.now },
		Alive: func(id p2p.NodeID) bool { return !w.dead[id] },
	})
	return w
}

func candidates(nodes ...p2p.NodeID) (out []replica.Candidate) {
	for _, node := range nodes {
		out = append(out, replica.Candidate{Node: node})
	}
	return out
}

// call is a call to a node that takes a time and ends in some way.
func (w *world) call(op replica.Op, node p2p.NodeID, takes time.Duration, outcome replica.Outcome) {
	done := w.router.Begin(op, node)
	w.now = w.now.Add(takes)
	done(outcome)
}

func (w *world) answer(node p2p.NodeID, takes time.Duration) {
	w.call(replica.OpRead, node, takes, replica.Answered)
}

// expect checks the order of reads.
func (w *world) expect(t *testing.T, what string, of []replica.Candidate, want ...p2p.NodeID) {
	t.Helper()
	if got := w.router.Order(replica.OpRead, of); !slices.Equal(got, want) {
		t.Errorf("%s: order %v, want %v", what, got, want)
	}
}

func TestTheHealthierOfTwoIsAskedFirst(t *testing.T) {
	t.Parallel()
	w, two := newWorld(), candidates("a", "b")
	w.answer("a", 9*time.Millisecond)
	w.answer("b", 3*time.Millisecond)
	w.expect(t, "by latency", two, "b", "a")
	w.answer("b", 20*time.Millisecond)
	w.expect(t, "one slow answer counts at once", two, "a", "b")
	w.call(replica.OpRead, "a", 0, replica.Unreachable)
	w.expect(t, "one that could not be reached comes last", two, "b", "a")
	w.now = w.now.Add(2 * time.Second)
	w.answer("b", 20*time.Millisecond)
	w.expect(t, "that is forgiven", two, "a", "b")
	w.dead["a"] = true
	w.expect(t, "the dead come last", two, "b", "a")
}

func TestAPeerThatWasSlowOnceIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.answer("a", 80*time.Millisecond)
	for range 10 {
		w.answer("b", 3*time.Millisecond)
		w.now = w.now.Add(time.Second)
	}
	w.answer("b", 3*time.Millisecond)
	w.expect(t, "after ten seconds", candidates("a", "b"), "a", "b")
}

func TestCallsThatAreNotAnsweredCountBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.answer("a", time.Millisecond)
	w.answer("b", 2*time.Millisecond)
	w.expect(t, "before", candidates("a", "b"), "a", "b")
	done := w.router.Begin(replica.OpRead, "a")
	w.now = w.now.Add(50 * time.Millisecond)
	w.expect(t, "a call waits for its answer", candidates("a", "b"), "b", "a")
	done(replica.NoVerdict)
	w.expect(t, "it has ended without a verdict", candidates("a", "b"), "a", "b")
}

func TestThisNodeIsAskedFirstUnlessItIsTheSickOne(t *testing.T) {
	t.Parallel()
	w := newWorld()
	zoned := []replica.Candidate{{Node: "far"}, {Node: "near", Near: true}, {Node: self}}
	w.answer(self, 50*time.Millisecond)
	w.expect(t, "nothing is known of the others", zoned, self, "near", "far")
	for range 3 {
		w.answer("near", 2*time.Millisecond)
		w.answer("far", time.Millisecond)
	}
	w.now = w.now.Add(10 * time.Second)
	w.answer(self, 3*time.Millisecond)
	w.expect(t, "all are well", zoned, self, "near", "far")
	w.answer(self, 60*time.Millisecond)
	w.expect(t, "this node is slow", zoned, "near", "far", self)
	w.answer("near", 50*time.Millisecond)
	w.expect(t, "so is the one in its zone", zoned, "far", "near", self)
	w.now = w.now.Add(10 * time.Second)
	w.expect(t, "what was is forgotten", zoned, self, "near", "far")
}

func TestOneThatIsSlowToWriteIsStillReadFrom(t *testing.T) {
	t.Parallel()
	w, two := newWorld(), candidates("a", "b")
	w.call(replica.OpWrite, "b", 2*time.Millisecond, replica.Answered)
	w.call(replica.OpWrite, "a", 300*time.Millisecond, replica.Answered)
	w.answer("a", time.Millisecond)
	w.answer("b", 2*time.Millisecond)
	w.expect(t, "reads", two, "a", "b")
	if got := w.router.Order(replica.OpWrite, two); got[0] != "b" {
		t.Errorf("writes: order %v", got)
	}
}

func TestWritesKeepAwayFromOneThatLeavesReadsUnanswered(t *testing.T) {
	t.Parallel()
	w, two := newWorld(), candidates("a", "b")
	w.call(replica.OpWrite, "a", time.Millisecond, replica.Answered)
	w.call(replica.OpWrite, "b", 9*time.Millisecond, replica.Answered)
	expect := func(what string, first p2p.NodeID) {
		t.Helper()
		if got := w.router.Order(replica.OpWrite, two); got[0] != first {
			t.Errorf("%s: order %v", what, got)
		}
	}
	expect("both answer", "a")
	w.call(replica.OpRead, "a", 6*time.Millisecond, replica.Abandoned)
	expect("a read of one was given up", "b")
	w.answer("a", time.Millisecond)
	expect("it has answered another", "a")
}

func TestANodeIsHeardOfWhileItsLastAnswerIsFresh(t *testing.T) {
	t.Parallel()
	w := newWorld()
	if w.router.Heard("a") {
		t.Error("heard of a node that has never answered")
	}
	w.call(replica.OpScan, "a", time.Millisecond, replica.NoVerdict)
	if !w.router.Heard("a") {
		t.Error("not heard of a node that has just answered")
	}
	w.call(replica.OpRead, "a", time.Second, replica.Abandoned)
	if w.router.Heard("a") {
		t.Error("a call that was given up counts as an answer")
	}
}

func TestOneThatRefusesIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	w, two := newWorld(), candidates("a", "b")
	w.call(replica.OpRead, "a", 0, replica.Refused)
	w.answer("b", time.Millisecond)
	w.expect(t, "refused", two, "b", "a")
	w.now = w.now.Add(time.Second)
	w.answer("b", 2*time.Millisecond)
	w.expect(t, "a second later", two, "a", "b")
}

func TestAnOutlierIsEjectedAndReturnsOneCallAtATime(t *testing.T) {
	t.Parallel()
	w, two := newWorld(), candidates("a", "b")
	w.answer("b", 2*time.Millisecond)
	for range 3 {
		w.answer("a", 200*time.Millisecond)
	}
	if !w.ejected("a") {
		t.Fatal("not ejected after three slow answers in a row")
	}
	w.answer("b", 40*time.Millisecond)
	w.expect(t, "ejected", two, "b", "a")
	w.now = w.now.Add(5 * time.Second)
	w.answer("b", 40*time.Millisecond)
	w.expect(t, "its time is over", two, "a", "b")
	done := w.router.Begin(replica.OpRead, "a")
	w.expect(t, "it is being tried", two, "b", "a")
	done(replica.Answered)
	w.expect(t, "it is tried again", two, "a", "b")
	w.answer("a", 200*time.Millisecond)
	w.answer("b", time.Millisecond)
	w.answer("a", 200*time.Millisecond)
	w.now = w.now.Add(5 * time.Second)
	if !w.ejected("a") {
		t.Error("one that is slow on its return is not ejected for longer")
	}
}

func (w *world) ejected(node p2p.NodeID) bool {
	for _, p := range w.router.Snapshot() {
		if p.Node == node && !p.EjectedUntil.IsZero() {
			return true
		}
	}
	return false
}

func TestNoMoreThanAThirdAreEverEjected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		nodes := []p2p.NodeID{"a", "b", "c", "d", "e", "f", "g"}[:rapid.IntRange(1, 7).Draw(t, "nodes")]
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			node := rapid.SampledFrom(nodes).Draw(t, "node")
			takes := time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond
			w.call(replica.OpRead, node, takes, replica.Outcome(rapid.IntRange(0, 4).Draw(t, "outcome")))
			out := 0
			for _, p := range w.router.Snapshot() {
				if !p.EjectedUntil.IsZero() {
					out++
				}
			}
			if len(nodes) == 1 && out > 0 || out > max(1, len(nodes)/3) {
				t.Fatalf("%d of %d are ejected", out, len(nodes))
			}
			if got := w.router.Order(replica.OpRead, candidates(nodes...)); !samePeers(got, nodes) {
				t.Fatalf("order %v of %v leaves some out", got, nodes)
			}
		}
	})
}

func samePeers(a, b []p2p.NodeID) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestWhoRecoversIsAskedAsMuchAsTheOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, all := newWorld(), candidates("a", "b", "c")
		sick := time.Duration(rapid.IntRange(50, 3000).Draw(t, "sick ms")) * time.Millisecond
		for range rapid.IntRange(1, 20).Draw(t, "slow answers") {
			w.answer("a", sick)
			w.answer("b", 2*time.Millisecond)
		}
		w.share(all, 2*time.Minute) // a minute is the longest ejection
		for node, n := range w.share(all, 10*time.Second) {
			if n < 200 {
				t.Errorf("%s is asked %d times of 1000", node, n)
			}
		}
	})
}

// share has the first in order answer every 10 ms, in 2 ms, and counts who was asked.
func (w *world) share(of []replica.Candidate, during time.Duration) map[p2p.NodeID]int {
	asked := map[p2p.NodeID]int{}
	for _, c := range of {
		asked[c.Node] = 0
	}
	for end := w.now.Add(during); w.now.Before(end); w.now = w.now.Add(8 * time.Millisecond) {
		first := w.router.Order(replica.OpRead, of)[0]
		asked[first]++
		w.answer(first, 2*time.Millisecond)
	}
	return asked
}

func TestRepetitionsAreATenthOfTheRequestsAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld()
	granted := 0
	for range 10_000 {
		w.call(replica.OpRead, "a", 0, replica.Answered)
		if w.router.Again() {
			granted++
		}
	}
	if granted < 1000 || granted > 1100 { // a hundred are saved up
		t.Errorf("%d of 10000 requests may be repeated", granted)
	}
	w.now = w.now.Add(time.Second)
	for granted = 0; w.router.Again(); granted++ {
		if granted > 100 {
			t.Fatal("no bound")
		}
	}
	if granted < 9 || granted > 11 {
		t.Errorf("an idle node may repeat %d in a second, want 10", granted)
	}
}

func TestASecondIsAskedAfterWhatMostCallsTake(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 100 {
		w.answer("a", time.Duration(i+1)*time.Millisecond)
	}
	if got := w.router.HedgeAfter(replica.OpRead); got < 85*time.Millisecond || got > 97*time.Millisecond {
		t.Errorf("of 1 to 100 ms the 95th percentile is %s", got)
	}
	if got := w.router.HedgeAfter(replica.OpWrite); got != w.router.HedgeAfter(replica.OpScan) {
		t.Errorf("what is not known is not the same: %s", got)
	}
}
