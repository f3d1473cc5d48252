package follow

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/store"
)

var errDisk = errors.New("the disk is full")

// fakeLog is a change log in memory that counts how often it is read.
type fakeLog struct {
	turn     sync.Mutex
	last     uint64 // its changes are 1 to last
	reads    int
	most     int // changes asked for at once
	cursor   uint64
	saves    int
	failing  error
	appended chan struct{}
}

func newLog(last uint64) *fakeLog { return &fakeLog{last: last, appended: make(chan struct{}, 1)} }

// sync orders what the test does before what the follower does next: virtual time alone
// does not in the eyes of the race detector.
func (l *fakeLog) sync() { l.turn.Lock(); defer l.turn.Unlock() }

// during lets virtual time pass.
func (l *fakeLog) during(d time.Duration) {
	l.sync()
	time.Sleep(d)
	synctest.Wait()
}

func (l *fakeLog) append(n uint64) {
	l.last += n
	select {
	case l.appended <- struct{}{}:
	default:
	}
}

func (l *fakeLog) Changes(_ context.Context, after uint64, limit int) (cs []store.Change, err error) {
	l.sync()
	l.reads++
	l.most = max(l.most, limit)
	for seq := after + 1; seq <= l.last && len(cs) < limit; seq++ {
		cs = append(cs, store.Change{Seq: seq})
	}
	return cs, l.failing
}

func (l *fakeLog) Appended() (<-chan struct{}, func()) { return l.appended, func() {} }
func (l *fakeLog) Cursor(context.Context, string) (uint64, error) {
	l.sync()
	return l.cursor, l.failing
}
func (l *fakeLog) SaveCursor(_ context.Context, _ string, at uint64) error {
	l.sync()
	l.saves++
	if l.failing == nil {
		l.cursor = at
	}
	return l.failing
}

// taker notes the changes that it takes, and fails while told to.
type taker struct {
	took    []uint64
	tried   int
	failing error
}

func (t *taker) take(_ context.Context, cs []store.Change) error {
	t.tried++
	if t.failing != nil {
		return t.failing
	}
	for _, c := range cs {
		t.took = append(t.took, c.Seq)
	}
	return nil
}

// run starts a follower, in a bubble of synctest, that ends with the test or earlier by
// the function it gives.
func run(t *testing.T, cfg Config) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(cfg).Run(ctx)
	}()
	end = func() { cancel(); <-done }
	t.Cleanup(end)
	return end
}

func upTo(n uint64) (seqs []uint64) {
	for seq := uint64(1); seq <= n; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { t.Parallel(); synctest.Test(t, test) })
}

func TestFollowerTakesEveryChangeInOrderOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, "from the cursor to the end, in bounded chunks", func(t *testing.T) {
		log, to := newLog(25), &taker{}
		log.cursor = 3
		run(t, Config{Log: log, Chunk: 10, Take: to.take})
		synctest.Wait()
		if !slices.Equal(to.took, upTo(25)[3:]) || log.most != 10 || to.tried != 3 {
			t.Errorf("took %v in %d chunks of up to %d", to.took, to.tried, log.most)
		}
	})
	inBubble(t, "as soon as they are appended, after they could gather", func(t *testing.T) {
		log, to := newLog(0), &taker{}
		run(t, Config{Log: log, Chunk: 10, Take: to.take, Gather: 20 * time.Millisecond})
		log.during(Beat / 2)
		log.append(1)
		log.during(10 * time.Millisecond)
		log.append(1)
		if len(to.took) != 0 {
			t.Errorf("took %v before they could gather", to.took)
		}
		log.during(10 * time.Millisecond)
		if !slices.Equal(to.took, upTo(2)) || to.tried != 1 {
			t.Errorf("took %v in %d chunks, want both at once", to.took, to.tried)
		}
	})
	inBubble(t, "again, when taking them failed, but no more often than once a beat", func(t *testing.T) {
		log, to := newLog(5), &taker{failing: errDisk}
		run(t, Config{Log: log, Chunk: 10, Take: to.take})
		log.during(10*Beat - 1)
		if to.tried != 10 {
			t.Errorf("tried %d times in 10 beats", to.tried)
		}
		to.failing = nil
		log.during(Beat)
		if !slices.Equal(to.took, upTo(5)) {
			t.Errorf("took %v", to.took)
		}
	})
	inBubble(t, "once the log can be read", func(t *testing.T) {
		log, to := newLog(5), &taker{}
		log.failing = errDisk
		run(t, Config{Log: log, Chunk: 10, Take: to.take})
		log.during(3 * Beat)
		log.failing = nil
		log.during(Beat)
		if !slices.Equal(to.took, upTo(5)) {
			t.Errorf("took %v", to.took)
		}
	})
}

func TestCursorFollowsTheAct(t *testing.T) {
	t.Parallel()
	inBubble(t, "it stays where taking fails", func(t *testing.T) {
		log, to := newLog(5), &taker{failing: errDisk}
		end := run(t, Config{Log: log, Chunk: 10, Take: to.take})
		log.during(3 * Beat)
		if end(); log.cursor != 0 {
			t.Errorf("cursor %d, of changes that were not taken", log.cursor)
		}
	})
	inBubble(t, "it is saved once a beat while it moves, and not while it does not", func(t *testing.T) {
		log, to := newLog(0), &taker{}
		run(t, Config{Log: log, Chunk: 10, Take: to.take})
		synctest.Wait()
		before := log.saves
		for range 100 {
			log.append(1)
			log.during(3 * Beat / 100)
		}
		log.during(10 * Beat)
		if saves := log.saves - before; log.cursor != 100 || saves < 3 || saves > 4 {
			t.Errorf("cursor %d after %d saves in 3 beats of changes", log.cursor, saves)
		}
	})
	inBubble(t, "it is saved at the end", func(t *testing.T) {
		log, to := newLog(0), &taker{}
		end := run(t, Config{Log: log, Chunk: 10, Take: to.take})
		synctest.Wait()
		log.append(7)
		synctest.Wait()
		if end(); log.cursor != 7 {
			t.Errorf("cursor %d, want 7", log.cursor)
		}
	})
	inBubble(t, "it goes no further than Passed allows, and Keep comes first", func(t *testing.T) {
		log, to := newLog(9), &taker{}
		var kept []uint64
		run(t, Config{
			Log: log, Chunk: 10, Take: to.take,
			Passed: func(after uint64) uint64 { return min(after, 4) },
			Keep: func(_ context.Context, at uint64) error {
				if kept = append(kept, at); len(kept) == 1 {
					return errDisk
				}
				return nil
			},
		})
		synctest.Wait()
		if log.cursor != 0 {
			t.Errorf("cursor %d though it could not be kept", log.cursor)
		}
		log.during(5 * Beat)
		if log.cursor != 4 || !slices.Equal(kept, []uint64{4, 4}) {
			t.Errorf("cursor %d, kept %v", log.cursor, kept)
		}
	})
}

func TestIdleFollowerLooksOnceABeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, to := newLog(0), &taker{}
		tended := 0
		run(t, Config{Log: log, Chunk: 10, Take: to.take, Tend: func(context.Context) error { tended++; return nil }})
		log.during(100 * Beat)
		if log.reads != 101 || tended != 101 {
			t.Errorf("in 100 beats the log was read %d times, and tended %d times", log.reads, tended)
		}
	})
}

func TestFollowerWithOtherWork(t *testing.T) {
	t.Parallel()
	inBubble(t, "is woken, and returns to what is due", func(t *testing.T) {
		log, to, wake := newLog(0), &taker{}, make(chan struct{}, 1)
		var due []time.Duration
		began := time.Now()
		run(t, Config{Log: log, Chunk: 10, Take: to.take, Wake: wake, Due: func(context.Context) time.Duration {
			due = append(due, time.Since(began))
			return Beat / 4
		}})
		log.during(Beat / 8)
		wake <- struct{}{}
		log.during(Beat / 2)
		if want := []time.Duration{0, Beat / 8, 3 * Beat / 8, 5 * Beat / 8}; !slices.Equal(due, want) {
			t.Errorf("due at %v, want %v", due, want)
		}
	})
	inBubble(t, "tends while taking fails, and neither before it is ready", func(t *testing.T) {
		log, to, ready, tended := newLog(5), &taker{failing: errDisk}, errDisk, 0
		run(t, Config{
			Log: log, Chunk: 10, Take: to.take,
			Ready: func(context.Context) error { log.sync(); return ready },
			Tend:  func(context.Context) error { tended++; return nil },
		})
		log.during(3 * Beat)
		if to.tried+tended != 0 {
			t.Errorf("took %d times and tended %d times before it was ready", to.tried, tended)
		}
		ready = nil
		log.during(3 * Beat)
		if to.tried == 0 || tended == 0 {
			t.Errorf("took %d times and tended %d times", to.tried, tended)
		}
	})
	inBubble(t, "rests as much longer than it worked as it is told to, a beat at most", func(t *testing.T) {
		log := newLog(3)
		var at []time.Duration
		began := time.Now()
		run(t, Config{Log: log, Chunk: 1, Idle: 5, Take: func(_ context.Context, cs []store.Change) error {
			at = append(at, time.Since(began))
			time.Sleep(time.Duration(cs[0].Seq) * Beat / 5)
			return nil
		}})
		log.during(6 * Beat)
		// 1/5 of a beat of work and 5/5 of rest; then 2/5, and not 10/5 but 5/5.
		if want := []time.Duration{0, 6 * Beat / 5, 13 * Beat / 5}; !slices.Equal(at, want) {
			t.Errorf("worked at %v, want %v", at, want)
		}
	})
}
