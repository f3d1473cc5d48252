// Package follow is the loop of who acts on a node's change log: it reads the log from a
// durable cursor, hands its changes on, and tends on the beat what cannot be learned from
// the log, as which partitions this node serves.
//
// Its guarantees:
//   - At least once, in order: every change from the cursor on is taken, and what failed
//     is taken again, as is what the cursor on disk had not passed when the node ended.
//   - The cursor follows the act: on disk it never passes a change before Take has
//     returned for it, nor, with Passed, before that says so.
//   - Bounds: at most Chunk changes are in hand.
//   - Failures: after one the loop rests for Beat, and logs it, once a Beat at the most
//     for each step.
//   - Idle it waits to be woken, and looks about it once a Beat.
package follow

import (
	"context"
	"log/slog"
	"time"

	"grapevine/store"
)

// Beat is the time between two calls of Tend, and between durable cursors; how long the
// loop rests after a failure; and the longest that it rests at all.
const Beat = time.Second

// Config says what is followed, and what is done with it. Up to Take all is required. The
// functions are called by Run alone, one after another.
type Config struct {
	Log store.ChangeLog
	// Consumer is the name of the cursor in Log.
	Consumer string
	// Name begins what is logged of failures, as in "NAME cannot follow the change log".
	Name string
	// Chunk is how many changes are read at once, at least 1.
	Chunk int
	// Take acts on the next changes, up to Chunk. After an error it gets them again.
	Take func(ctx context.Context, changes []store.Change) error

	// Ready makes ready for Take and Tend, which are not called while it fails. It is
	// called before each look at the log.
	Ready func(ctx context.Context) error
	// Tend is called every Beat, and also while Take fails: what it does cannot wait for
	// that to be mended.
	Tend func(ctx context.Context) error
	// Passed gives how far the cursor may go when all changes up to after were taken. Nil
	// means that far.
	Passed func(after uint64) uint64
	// Keep makes durable what must be before the cursor is.
	Keep func(ctx context.Context, cursor uint64) error
	// Due does what is due by the clock, after each look at the log, and gives how long
	// until there is more.
	Due func(ctx context.Context) time.Duration
	// Wake ends a rest, as an appended change does.
	Wake <-chan struct{}

	// Gather is how long changes may gather after the first.
	Gather time.Duration
	// Idle is how many times as long as it worked the loop rests after each look at the
	// log, for the sake of what clients wait for. 0 means that it does not.
	Idle   int
	Logger *slog.Logger // nil means none
}

// Follower follows a change log.
type Follower struct {
	cfg   Config
	begun bool
	after uint64 // the last change that was taken
	saved uint64 // the cursor on disk
}

// New makes a follower, which does nothing before Run.
func New(cfg Config) *Follower {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Follower{cfg: cfg}
}

// After is the last change that was taken, or the cursor that Run began with. Only the
// functions of Config may call it.
func (f *Follower) After() uint64 { return f.after }

// Run follows until ctx ends, and saves the cursor a last time. It is called once.
func (f *Follower) Run(ctx context.Context) {
	appended, stop := f.cfg.Log.Appended()
	defer stop()
	looked := time.Time{}
	for ctx.Err() == nil {
		began := time.Now()
		more, ok := false, f.try(ctx, "begin", f.begin) && f.try(ctx, "get ready", f.cfg.Ready)
		if ok {
			ok = f.try(ctx, "follow the change log", func(ctx context.Context) (err error) {
				more, err = f.next(ctx)
				return err
			})
			if time.Since(looked) >= Beat {
				ok = f.try(ctx, "read partitions", f.cfg.Tend) && f.try(ctx, "save its cursor", f.save) && ok
				looked = time.Now()
			}
		}
		sleep(ctx, min(time.Duration(f.cfg.Idle)*time.Since(began), Beat))
		f.rest(ctx, appended, more, ok)
	}
	// The request to end must not keep the cursor from being saved.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), Beat)
	defer cancel()
	f.try(last, "save its cursor", f.save)
}

// begin takes up the log where it is kept from.
func (f *Follower) begin(ctx context.Context) error {
	if f.begun {
		return nil
	}
	at, err := f.cfg.Log.Cursor(ctx, f.cfg.Consumer)
	if err != nil {
		return err
	}
	// A cursor, of whatever value, keeps the log from here on.
	if err := f.cfg.Log.SaveCursor(ctx, f.cfg.Consumer, at); err != nil {
		return err
	}
	f.after, f.saved, f.begun = at, at, true
	return nil
}

// next takes the next changes. More says that there may be others.
func (f *Follower) next(ctx context.Context) (more bool, err error) {
	changes, err := f.cfg.Log.Changes(ctx, f.after, f.cfg.Chunk)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	if err := f.cfg.Take(ctx, changes); err != nil {
		return true, err
	}
	f.after = changes[len(changes)-1].Seq
	return len(changes) == f.cfg.Chunk, nil
}

func (f *Follower) save(ctx context.Context) error {
	at := f.after
	if f.cfg.Passed != nil {
		at = f.cfg.Passed(at)
	}
	if at <= f.saved {
		return nil
	}
	if f.cfg.Keep != nil {
		if err := f.cfg.Keep(ctx, at); err != nil {
			return err
		}
	}
	if err := f.cfg.Log.SaveCursor(ctx, f.cfg.Consumer, at); err != nil {
		return err
	}
	f.saved = at
	return nil
}

// rest waits for something to do.
func (f *Follower) rest(ctx context.Context, appended <-chan struct{}, more, ok bool) {
	wait := Beat
	if f.cfg.Due != nil && ctx.Err() == nil {
		wait = min(f.cfg.Due(ctx), Beat)
	}
	if !ok {
		sleep(ctx, Beat)
		return
	}
	if more {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-appended:
		sleep(ctx, f.cfg.Gather)
	case <-f.cfg.Wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// try does a step, and says whether it succeeded. What failed is done again later.
func (f *Follower) try(ctx context.Context, what string, step func(context.Context) error) bool {
	if step == nil {
		return true
	}
	err := step(ctx)
	if err != nil && ctx.Err() == nil {
		f.cfg.Logger.Warn(f.cfg.Name+" cannot "+what, "error", err)
	}
	return err == nil
}

// sleep waits for a time, or for ctx to end.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
