package simulation

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"grapevine/p2p"
)

// Failure is an invariant that did not hold. Its names are those of
// store/replica/DESIGN.md.
type Failure struct {
	Invariant string        `json:"invariant"`
	Detail    string        `json:"detail"`
	At        time.Duration `json:"at"` // virtual time since the start
}

// The invariants.
const (
	AcknowledgedKept    = "acknowledged-kept"     // a write on k copies outlives k-1 disks
	Converged           = "converged"             // all owners hold equal bytes and vectors
	DeletedStaysDeleted = "deleted-stays-deleted" // what a write ended is not seen again
	DotsUnique          = "dots-unique"           // no dot names two writes
	CountersSum         = "counters-sum"          // a counter is the sum of its increments
	RowsEqualModel      = "rows-equal-model"      // rows are what the model makes of the writes
	SessionMonotonic    = "session-monotonic"     // a session's reads include its writes
	ReadsCaughtUp       = "reads-caught-up"       // no read is answered from a copy with holes
	CopiesRestored      = "copies-restored"       // every partition has all its copies
	LogsEmpty           = "logs-empty"            // logs, marks, hints and moved copies go
	NoGoroutineLeft     = "no-goroutine-left"     // nothing outlives its owner
	NoPanic             = "no-panic"              // nothing brings a node down but a fault
	ConsequencesFollow  = "consequences-follow"   // what follows from a fact comes about
	Starts              = "starts"                // a node with space on its disk starts
	Terminates          = "terminates"            // calls end
)

// trace is the account of a run, in virtual time. It is safe for concurrent use.
type trace struct {
	began   time.Time
	verbose bool // nodes log into it

	mu      sync.Mutex
	out     io.Writer // nil for nobody
	failure *Failure
}

func newTrace(out io.Writer, verbose bool) *trace {
	return &trace{began: time.Now(), out: out, verbose: verbose}
}

// event tells of something that happened.
func (t *trace) event(format string, args ...any) {
	if t.out == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "%10.4fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// fail tells of an invariant that does not hold. The first counts.
func (t *trace) fail(invariant, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	t.event("FAILED %s: %s", invariant, detail)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure == nil {
		t.failure = &Failure{Invariant: invariant, Detail: detail, At: time.Since(t.began)}
	}
}

func (t *trace) failed() *Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// logger gives the log of a node.
func (t *trace) logger(id p2p.NodeID) *slog.Logger {
	if t.out == nil || !t.verbose {
		return quietLog
	}
	handler := slog.NewTextHandler(logWriter{t, id}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	return slog.New(handler)
}

// logWriter makes events of a node's lines of log.
type logWriter struct {
	trace *trace
	id    p2p.NodeID
}

func (w logWriter) Write(line []byte) (int, error) {
	w.trace.event("  %s: %s", w.id, line[:max(0, len(line)-1)])
	return len(line), nil
}
