package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// Act is one step of a schedule: something that a client does, or that befalls
// the cluster. Nodes, sessions, rows and people count from 1; 0 stands for none.
// An act that makes no sense where it comes, such as a restart of a node that
// runs, does nothing: any part of a schedule is a schedule.
type Act struct {
	After   time.Duration `json:"after"` // since the act before
	Kind    string        `json:"kind"`
	Node    int           `json:"node,omitempty"`
	Peer    int           `json:"peer,omitempty"` // the other node
	Session int           `json:"session,omitempty"`
	Row     int           `json:"row,omitempty"`
	N       int           `json:"n,omitempty"` // in the kind's unit
}

func (a Act) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-13s", a.Kind)
	for _, part := range []struct {
		name string
		n    int
	}{{"node", a.Node}, {"peer", a.Peer}, {"session", a.Session}, {"row", a.Row}, {kinds[a.Kind].unit, a.N}} {
		if part.n != 0 {
			fmt.Fprintf(&b, " %s %d", part.name, part.n)
		}
	}
	return b.String()
}

// Schedule is one run: a cluster on a network, and what happens to it.
type Schedule struct {
	Seed      uint64        `json:"seed"` // of the network, the disks, and all that is drawn at random
	Nodes     int           `json:"nodes"`
	MaxDelay  time.Duration `json:"max_delay"` // of a message, one way
	Loss      float64       `json:"loss"`      // of gossip, as a probability
	Duplicate float64       `json:"duplicate"` // of gossip, as a probability
	Acts      []Act         `json:"acts,omitempty"`
}

// Write writes the schedule to a file, an act on each line.
func (s Schedule) Write(path string) error {
	head := s
	head.Acts = nil
	lines := []any{head}
	for _, a := range s.Acts {
		lines = append(lines, a)
	}
	var b []byte
	for _, line := range lines {
		encoded, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
		b = append(append(b, encoded...), '\n')
	}
	return os.WriteFile(path, b, 0o600)
}

// ReadSchedule reads what Write wrote.
func ReadSchedule(path string) (Schedule, error) {
	f, err := os.Open(path)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule: %w", err)
	}
	defer f.Close()
	var s Schedule
	lines := json.NewDecoder(f)
	lines.DisallowUnknownFields()
	err = lines.Decode(&s)
	for err == nil && lines.More() {
		var a Act
		if err = lines.Decode(&a); err == nil && kinds[a.Kind].do == nil {
			err = fmt.Errorf("there are no acts of kind %q", a.Kind)
		}
		s.Acts = append(s.Acts, a)
	}
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %s: %w", path, err)
	}
	return s, nil
}
