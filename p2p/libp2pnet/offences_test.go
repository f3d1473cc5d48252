package libp2pnet

import (
	"fmt"
	"testing"
	"time"

	"grapevine/p2p"
)

// clock is a time of the test's choice.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestAPeerIsBarredForABurstOfOffencesAndWelcomeAgainLater(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	o := newOffences(c.now)
	for i := range barredAt {
		if o.barred("peer") {
			t.Fatalf("barred after %d offences", i)
		}
		if got, want := o.note("peer", weightMalformed), i == barredAt-1; got != want {
			t.Errorf("offence %d: barred now: %v", i, got)
		}
	}
	c.at = c.at.Add(offenceHalfLife - time.Second)
	if !o.barred("peer") {
		t.Error("welcome too early")
	}
	c.at = c.at.Add(2 * time.Second)
	if o.barred("peer") {
		t.Error("still barred")
	}
}

func TestRareOffencesNeverBarAPeer(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	o := newOffences(c.now)
	for range 1000 {
		o.note("peer", weightMalformed)
		c.at = c.at.Add(offenceHalfLife)
	}
	if o.barred("peer") {
		t.Error("barred")
	}
}

func TestAPeerThatDoesNotStopStaysBarredButNotForEver(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	o := newOffences(c.now)
	for range 1_000_000 {
		o.note("peer", weightMalformed)
	}
	c.at = c.at.Add(3 * offenceHalfLife)
	if !o.barred("peer") {
		t.Error("forgiven like a single burst")
	}
	c.at = c.at.Add(offenceHalfLife)
	if o.barred("peer") {
		t.Error("still barred")
	}
}

func TestManyNamesCannotWashAwayAnOffenderNorFillMemory(t *testing.T) {
	o := newOffences((&clock{time.Unix(1e9, 0)}).now)
	for range barredAt {
		o.note("peer", weightMalformed)
	}
	for i := range 3 * maxOffenders {
		o.note(p2p.NodeID(fmt.Sprint("name ", i)), weightMalformed)
	}
	if len(o.peers) > maxOffenders {
		t.Errorf("%d offenders remembered", len(o.peers))
	}
	if !o.barred("peer") {
		t.Error("the offender was forgotten")
	}
}
