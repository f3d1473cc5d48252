package badgerdb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"grapevine/store"
	"grapevine/store/badgerdb"
)

// imageOf copies an engine's directory as a killed process would leave it.
func imageOf(t *testing.T, dir string) string {
	t.Helper()
	image := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return copySparse(path, filepath.Join(image, d.Name()))
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// copySparse copies the part of a file that has data; what follows is zeros.
func copySparse(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if hole, err := unix.Seek(int(in.Fd()), 0, unix.SEEK_HOLE); err == nil {
		data = data[:min(int(hole), len(data))]
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return err
	}
	return os.Truncate(to, info.Size())
}

func TestWhatWasAcknowledgedSurvivesAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	const writers, each = 8, 25
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				b := new(store.Batch)
				b.Put(fmt.Appendf(nil, "%d/%d", w, i), make([]byte, 100))
				if err := db.Commit(t.Context(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()

	recovered := open(t, imageOf(t, dir))
	defer recovered.Close()
	if got := countRows(t, recovered, ""); got != writers*each {
		t.Errorf("%d rows recovered, want %d", got, writers*each)
	}
}

// The write-ahead log is cut at many places, as by a crash while a group was
// being written.
func TestAWriteTornByACrashIsThereWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	const batches, rows = 20, 5
	for i := range batches {
		b := new(store.Batch)
		for r := range rows {
			b.Put(fmt.Appendf(nil, "%02d/%d", i, r), make([]byte, 100))
		}
		if err := db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[int]bool)
	for cut := int64(30); cut < 20_000; cut += 2_237 {
		image := imageOf(t, dir)
		tear(t, image, cut)
		recovered := open(t, image)
		whole := 0
		for i := range batches {
			switch n := countRows(t, recovered, fmt.Sprintf("%02d/", i)); {
			case n == rows && whole == i:
				whole++
			case n != 0:
				t.Errorf("cut at %d: batch %d has %d of %d rows after %d whole batches", cut, i, n, rows, whole)
			}
		}
		seen[whole] = true
		if err := recovered.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 4 {
		t.Errorf("the cuts left only %d different states: they miss the log", len(seen))
	}
}

// tear ends the write-ahead log's data at an offset.
func tear(t *testing.T, dir string, at int64) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("want one write-ahead log, found %q, %v", logs, err)
	}
	info, err := os.Stat(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Truncate(logs[0], at), os.Truncate(logs[0], info.Size())); err != nil {
		t.Fatal(err)
	}
}

func countRows(t *testing.T, db *badgerdb.DB, prefix string) (n int) {
	t.Helper()
	err := db.View(func(s store.Snapshot) error {
		return s.Scan([]byte(prefix), nil, false, func(_, _ []byte) bool { n++; return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
