// Package torture does to a running cluster all that its promises are said to
// survive, under load, and says from an independent record of what was
// acknowledged whether they held.
//
// A seed gives the schedule of faults. Every act of the load goes into a journal:
// whether it was acknowledged, and on how many copies. From time to time all is
// healed; once the cluster has converged, every node is asked for everything the
// journal says.
package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Act is what an entry of the journal is about.
type Act string

// The acts of users, and the two marks between them.
const (
	SignUp   Act = "sign-up"
	Post     Act = "post"
	Edit     Act = "edit"
	Delete   Act = "delete"
	Follow   Act = "follow"
	Unfollow Act = "unfollow"

	// Settled marks that all nodes ran, all links were good and all owners held
	// the same: each act before it stands on Copies disks.
	Settled Act = "settled"
	// DiskLost marks that a node's disk was emptied, set back to an older state or
	// given up.
	DiskLost Act = "disk-lost"
)

// Entry is one line of the journal: an act that was acknowledged, or whose
// outcome nobody knows. An act that was refused has no entry.
type Entry struct {
	At    time.Duration `json:"at_ns"` // since the start of the run, when its outcome came
	Act   Act           `json:"act"`
	User  string        `json:"user,omitempty"`  // id of who acted
	Name  string        `json:"name,omitempty"`  // username, of a sign-up
	Post  string        `json:"post,omitempty"`  // id; of an unknown post there is none
	Other string        `json:"other,omitempty"` // id of who is followed
	Text  string        `json:"text,omitempty"`
	Node  int           `json:"node,omitempty"` // asked last

	// Copies is the number of durable copies when it was acknowledged, 0 when it was
	// not: it may stand or not.
	Copies int `json:"copies"`
	// Begun is the number of marks in the journal when the first request was made.
	Begun int `json:"begun"`
}

// Acknowledged says whether the act was.
func (e Entry) Acknowledged() bool { return e.Copies > 0 }

func (e Entry) mark() bool { return e.Act == Settled || e.Act == DiskLost }

// Journal is the record of a run, in memory and in a file. It is safe for
// concurrent use.
type Journal struct {
	mu      sync.Mutex
	start   time.Time
	entries []Entry
	marks   []Entry
	file    *os.File
	out     *bufio.Writer
	failed  error // to write the file
}

// OpenJournal begins a journal whose file is path, which is replaced.
func OpenJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &Journal{start: time.Now(), file: file, out: bufio.NewWriter(file)}, nil
}

// Begin sets the time that entries count from.
func (j *Journal) Begin(start time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.start = start
}

// Marks counts the marks so far, for Begun.
func (j *Journal) Marks() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.marks)
}

func (j *Journal) markEntries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.marks[:len(j.marks):len(j.marks)]
}

// Add appends an entry and sets its time.
func (j *Journal) Add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.At = time.Since(j.start)
	j.entries = append(j.entries, e)
	if e.mark() {
		j.marks = append(j.marks, e)
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	j.failed = errors.Join(j.failed, err)
}

// Entries gives all entries so far, in order.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)]
}

// Close ends the file and reports whether it is whole.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := errors.Join(j.failed, j.out.Flush(), j.file.Close()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
