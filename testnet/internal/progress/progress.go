// Package progress shows how far a long act is: a bar with rate and remaining
// time on a terminal, plain lines elsewhere.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Meter counts towards a total.
type Meter interface {
	Add(n int)
	Done()
}

// New makes a meter that writes to out. The first word of what names what is
// counted. A total of 0 shows nothing.
func New(out *os.File, what string, total int) Meter {
	if total == 0 {
		return silent{}
	}
	if !term.IsTerminal(int(out.Fd())) {
		return newPlain(out, what, total, time.Now)
	}
	return bar{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription(fmt.Sprintf("%-18s", what)),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(strings.Fields(what)[0]),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
	), out}
}

type silent struct{}

func (silent) Add(int) {}
func (silent) Done()   {}

type bar struct {
	*progressbar.ProgressBar
	out io.Writer
}

func (b bar) Add(n int) {
	// What cannot be drawn is no reason to stop the work.
	_ = b.ProgressBar.Add(n)
}

func (b bar) Done() { fmt.Fprintln(b.out) }

// lineEvery is the pause between plain lines.
const lineEvery = 5 * time.Second

type plain struct {
	out   io.Writer
	what  string
	total int
	now   func() time.Time

	mu          sync.Mutex
	count       int
	start, last time.Time
}

func newPlain(out io.Writer, what string, total int, now func() time.Time) *plain {
	return &plain{out: out, what: what, total: total, now: now, start: now(), last: now()}
}

func (p *plain) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count += n
	if now := p.now(); now.Sub(p.last) >= lineEvery {
		p.last = now
		p.print(now)
	}
}

// print writes a line. The caller holds mu.
func (p *plain) print(now time.Time) {
	took := now.Sub(p.start)
	rate := float64(p.count) / max(took.Seconds(), 1e-3)
	left := "?"
	if p.count > 0 {
		left = (time.Duration(float64(p.total-p.count)/rate) * time.Second).String()
	}
	fmt.Fprintf(p.out, "%s: %d of %d (%d%%), %.0f/s, %s left\n",
		p.what, p.count, p.total, 100*p.count/p.total, rate, left)
}

func (p *plain) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count > 0 {
		p.print(p.now())
	}
}
