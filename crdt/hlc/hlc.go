// Package hlc is the hybrid logical clock of Kulkarni, Demirbas, Madappa, Avva
// and Leone, "Logical Physical Clocks" (2014): timestamps near wall time that
// never contradict causality.
package hlc

import (
	"sync"
	"time"
)

const (
	logicalBits = 16

	// MaxAhead bounds how far a remote timestamp may push a clock: one more than
	// this ahead of wall time is not adopted.
	MaxAhead = 60 * time.Second
)

// Timestamp is 48 bits of Unix milliseconds and 16 bits of logical counter, so
// that integer order is time order.
type Timestamp uint64

// At gives the first timestamp of the millisecond that t lies in.
func At(t time.Time) Timestamp { return Timestamp(t.UnixMilli()) << logicalBits }

// Time gives the physical part, to the millisecond, in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t >> logicalBits)).UTC() }

// Clock issues timestamps greater than all it issued or observed. It is safe
// for concurrent use.
type Clock struct {
	wall func() time.Time

	mu   sync.Mutex
	last Timestamp
}

// NewClock returns a clock that reads physical time from wall and begins
// beyond floor, the highest timestamp this replica may have issued before.
func NewClock(wall func() time.Time, floor Timestamp) *Clock {
	return &Clock{wall: wall, last: floor}
}

// Now issues the next timestamp.
func (c *Clock) Now() Timestamp {
	physical := At(c.wall())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, physical)
	return c.last
}

// Observe makes later timestamps exceed remote. It refuses, and reports false,
// when remote lies more than MaxAhead beyond wall time, so that one node with a
// runaway clock cannot drag the others along.
func (c *Clock) Observe(remote Timestamp) bool {
	if remote > At(c.wall().Add(MaxAhead)) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, remote)
	return true
}
