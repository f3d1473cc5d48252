package badgerdb

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"grapevine/store"
)

// minOpenBytes is what recovery may write: the memory tables, as new tables.
const minOpenBytes = 64 << 20

// watermark turns the engine read-only before the file system is full: Badger
// writes through memory maps of sparse files, where a full disk is a SIGBUS that
// ends the process.
type watermark struct {
	min     uint64                 // bytes that must be free for writes
	measure func() (uint64, error) // bytes that are free

	mu       sync.Mutex
	readOnly bool
}

// check measures the free bytes and says whether writes must be refused. Having
// fallen below the minimum, free space must exceed it by an eighth to allow
// writes again. What cannot be measured counts as none.
func (w *watermark) check() (free uint64, readOnly bool) {
	free, err := w.measure()
	if err != nil {
		free = 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readOnly {
		w.readOnly = free < w.min || free-w.min < w.min/8
	} else {
		w.readOnly = free < w.min
	}
	return free, w.readOnly
}

// enoughToOpen fails when recovery could fill the disk.
func (w *watermark) enoughToOpen() error {
	free, err := w.measure()
	if err != nil {
		return fmt.Errorf("measure free space: %w", err)
	}
	if need := min(w.min, minOpenBytes); free < need {
		return fmt.Errorf("%d MiB are free and recovery may need %d: make room on the file system: %w",
			free>>20, need>>20, store.ErrNoSpace)
	}
	return nil
}

// freeBytesIn measures the space that this user may still fill in dir's file
// system.
func freeBytesIn(dir string) func() (uint64, error) {
	return func() (uint64, error) {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			return 0, err
		}
		return s.Bavail * uint64(s.Bsize), nil
	}
}

// diskBytes sums what the files of dir take of the file system, which for sparse
// ones is less than their length. Files that vanish meanwhile do not count.
func diskBytes(dir string) uint64 {
	var sum uint64
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var s unix.Stat_t
		if err == nil && d.Type().IsRegular() && unix.Lstat(path, &s) == nil {
			sum += uint64(s.Blocks) * 512
		}
		return nil
	})
	return sum
}
