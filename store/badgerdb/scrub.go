package badgerdb

import (
	"errors"
	"io/fs"
	"time"

	"github.com/dgraph-io/badger/v4/options"
)

const (
	// DefaultScrubEvery is the time between two scrubs of a Config that sets none.
	DefaultScrubEvery = 6 * time.Hour
	// scrubPause is the time between two tables, of some MiB each, so that a scrub
	// takes a small part of the disk's time.
	scrubPause = 250 * time.Millisecond
)

// runScrub reads all tables again from time to time, until stop is closed. Of a
// damaged block that no reader meets, compaction would make a table that lacks
// its rows and is in order otherwise.
func (db *DB) runScrub(every time.Duration, stop <-chan struct{}) {
	next := time.NewTimer(every)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-db.damaged:
			return
		case <-stop:
			return
		}
		if !db.scrub(stop) {
			return
		}
		next.Reset(every)
	}
}

// scrub verifies every table once. It says whether to go on.
func (db *DB) scrub(stop <-chan struct{}) bool {
	tables, err := readManifest(Config{Dir: db.dir, Log: db.log})
	if err != nil {
		return true // it is being written; the next scrub reads it
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for id, compression := range tables {
		select {
		case <-pause.C:
		case <-stop:
			return false
		}
		err := verifyTables(db.dir, map[uint64]options.CompressionType{id: compression})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // compacted meanwhile
			_ = db.damage(err) // kept, and told to all who ask
			return false
		}
		pause.Reset(scrubPause)
	}
	return true
}
