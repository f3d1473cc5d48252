package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// watching is embedded by verbs that can go on answering.
type watching struct {
	Watch bool          `help:"Answer again and again, until Ctrl-C."`
	Every time.Duration `default:"2s" help:"How often. (${default})"`
}

// leastEvery bounds how often a cluster is asked.
const leastEvery = 100 * time.Millisecond

// run answers once, or until the user has seen enough. On a terminal each answer
// takes the place of the one before. What fails while watching is shown and tried
// again.
func (w watching) run(c *console, answer func(*console) error) error {
	if !w.Watch {
		return answer(c)
	}
	ctx, stop := signal.NotifyContext(c.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(max(w.Every, leastEvery))
	defer tick.Stop()
	for {
		var page bytes.Buffer
		turn := *c
		turn.ctx, turn.out = ctx, &page
		if err := answer(&turn); ctx.Err() == nil {
			report(&page, err)
			if err := c.turnPage(page.Bytes()); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// turnPage shows a page at once, so that the terminal does not flicker.
func (c *console) turnPage(page []byte) error {
	if isTerminal(c.out) && !c.json {
		page = append([]byte("\x1b[H\x1b[2J"), page...)
	}
	_, err := c.out.Write(page)
	return err
}

// coloured says whether what goes to w may have colours: on a terminal, unless the
// user asks for none (https://no-color.org).
func coloured(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours of what is well and of what is not, as SGR parameters (ECMA-48).
const (
	green = "32"
	red   = "31;1"
	bold  = "1"
)

// paint colours a text where that is wanted.
func (c *console) paint(colour, s string) string {
	if !c.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// pause waits, and says whether the time has passed in full.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
