package badgerdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// memTable is the size of a memory table, in bytes. Badger bounds a transaction
// to 15 % of it, and to that many nodes of its skip list: maxBatch operations of
// the least size are within both.
const memTable = 8 << 20

// openBadger opens Badger in managed mode: versions are given by the committer.
func openBadger(cfg Config) (*badger.DB, error) {
	// Badger alone says who uses the directory, and then it is not to be looked at.
	if unlock, free := lock(cfg.Dir); free {
		err := preflight(cfg)
		unlock()
		if err != nil {
			return nil, explain(cfg.Dir, err)
		}
	}
	db, err := badger.OpenManaged(badgerOptions(cfg))
	if err != nil {
		return nil, explain(cfg.Dir, err)
	}
	return db, nil
}

// badgerOptions are chosen for a node that shares a small machine: see DESIGN.md
// for what was measured.
func badgerOptions(cfg Config) badger.Options {
	o := badger.DefaultOptions(cfg.Dir)
	o.Logger = logger{cfg.Log}
	o.SyncWrites = true
	o.DetectConflicts = false // one writer
	o.MetricsEnabled = false  // they are global to the process; see metrics.go
	o.MemTableSize = memTable
	o.NumMemtables = 2
	o.BlockCacheSize = 16 << 20
	o.IndexCacheSize = 8 << 20
	o.NumCompactors = 2
	o.CompactL0OnClose = true // what was overwritten or deleted goes with a restart at the latest
	o.Compression = options.Snappy
	o.ChecksumVerificationMode = options.OnBlockRead
	o.ValueLogFileSize = 4 << 20 // holds nothing: see maxBatch
	return o
}

// explain turns an error of opening into one that says what to do. Badger's
// errors wrap nothing, so their text must serve.
func explain(dir string, err error) error {
	var what string
	switch {
	case strings.Contains(err.Error(), "Cannot acquire directory lock"):
		what = "another process" + holder(dir) + " uses this data directory; " +
			"stop it, or give this node a directory of its own"
	case errors.Is(err, fs.ErrPermission), strings.Contains(err.Error(), "permission denied"):
		what = "this user may not write the data directory; change its owner or mode"
	default:
		return fmt.Errorf("badgerdb: open %s: %w; %s: %w", dir, ErrDamaged, remedy, err)
	}
	return fmt.Errorf("badgerdb: open %s: %s: %w", dir, what, err)
}

// holder names the process that holds the directory's lock, if it says so.
func holder(dir string) string {
	pid, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %s)", strings.TrimSpace(string(pid)))
}
