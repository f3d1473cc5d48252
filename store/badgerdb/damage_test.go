package badgerdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grapevine/store"
	"grapevine/store/badgerdb"
)

// filled makes a directory with n rows: in a table, as a process leaves it that
// has ended properly, or in a log, as one leaves it that was killed.
func filled(t *testing.T, n int, closed bool) string {
	t.Helper()
	dir := t.TempDir()
	db := open(t, dir)
	for i := range n {
		b := new(store.Batch)
		b.Put(harmKey(i), harmValue(i))
		if err := db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	image := imageOf(t, dir) // the log is still there
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return image
}

func harmKey(i int) []byte { return fmt.Appendf(nil, "row %05d", i) }

func harmValue(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d ", i), 40) }

// scanned counts the rows that a scan shows, in either direction.
func scanned(db *badgerdb.DB, reverse bool) (n int, err error) {
	err = db.View(func(s store.Snapshot) error {
		return s.Scan([]byte("row "), nil, reverse, func(key, _ []byte) bool {
			n++
			return true
		})
	})
	return n, err
}

// flip changes one byte of a file.
func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// Whatever byte of whatever file is altered, the engine opens with all rows, or
// says which file is damaged and what to do.
func TestDamageIsFoundWhenOpeningOrDoesNoHarm(t *testing.T) {
	t.Parallel()
	const n = 300
	for name, closed := range map[string]bool{"after a proper end": true, "after a crash": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filled(t, n, closed)
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, file := range files {
				info, err := file.Info()
				if err != nil || info.Size() == 0 {
					continue
				}
				for i := range int64(5) {
					at := i * min(info.Size(), 60_000) / 5
					if openDamaged(t, dir, file.Name(), at, n) {
						refused++
					}
				}
			}
			if refused == 0 {
				t.Error("no damage was refused")
			}
		})
	}
}

// openDamaged opens a copy of a directory with a byte altered, and says whether
// it was refused.
func openDamaged(t *testing.T, dir, file string, at int64, want int) (refused bool) {
	t.Helper()
	damaged := imageOf(t, dir)
	flip(t, filepath.Join(damaged, file), at)
	db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: damaged, MinFreeBytes: 1})
	if err != nil {
		if !errors.Is(err, badgerdb.ErrDamaged) || !strings.Contains(err.Error(), "move it away") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s, byte %d: %v", file, at, err)
		}
		return true
	}
	n, err := scanned(db, false)
	if err := db.Close(); err != nil {
		t.Errorf("%s, byte %d: close: %v", file, at, err)
	}
	// The last transaction may pass for one that a crash cut short.
	if err != nil || n < want-1 {
		t.Errorf("%s, byte %d: opened with %d rows of %d, %v", file, at, n, want, err)
	}
	return false
}

func TestADamagedTableIsNamed(t *testing.T) {
	t.Parallel()
	dir := filled(t, 300, true)
	table := tablesOf(t, dir)[0]
	info, err := os.Stat(table)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, table, info.Size()/3)
	_, err = badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, MinFreeBytes: 1})
	if !errors.Is(err, badgerdb.ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(table)) {
		t.Errorf("got %v", err)
	}
}

func tablesOf(t *testing.T, dir string) []string {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	return tables
}

func TestAMissingManifestIsNotTakenForAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	dir := filled(t, 10, true)
	if err := os.Remove(filepath.Join(dir, "MANIFEST")); err != nil {
		t.Fatal(err)
	}
	_, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, MinFreeBytes: 1})
	if !errors.Is(err, badgerdb.ErrDamaged) || len(tablesOf(t, dir)) == 0 {
		t.Errorf("got %v", err)
	}
}

func TestTheRemainsOfAnInterruptedCompactionDoNoHarm(t *testing.T) {
	t.Parallel()
	dir := filled(t, 10, true)
	if err := os.WriteFile(filepath.Join(dir, "000099.sst"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir)
	defer db.Close()
	if n, err := scanned(db, false); n != 10 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Bytes that change under a running engine: no scan is short and no row absent
// without an error, and nothing is served any more.
func TestDamageOfARunningEngineEndsItsService(t *testing.T) {
	t.Parallel()
	const n = 2000
	dir := filled(t, n, true)
	for _, test := range []struct {
		name string
		read func(*badgerdb.DB) (int, error)
	}{
		{"scan", func(db *badgerdb.DB) (int, error) { return scanned(db, false) }},
		{"reverse scan", func(db *badgerdb.DB) (int, error) { return scanned(db, true) }},
		{"get", gets},
	} {
		for i := range 12 {
			t.Run(fmt.Sprintf("%s %d", test.name, i), func(t *testing.T) {
				t.Parallel()
				damaged := imageOf(t, dir)
				db := open(t, damaged)
				defer db.Close()
				flip(t, tablesOf(t, damaged)[0], int64(i)*331)
				got, err := test.read(db)
				if err == nil && got == n {
					t.Skip("the byte is of no block that is read")
				}
				checkRefusal(t, db, got, err)
			})
		}
	}
}

func TestDamageThatNobodyReadsIsFoundByTheScrub(t *testing.T) {
	t.Parallel()
	dir := filled(t, 2000, true)
	db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, MinFreeBytes: 1, ScrubEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	flip(t, tablesOf(t, dir)[0], 3000)
	select {
	case <-db.Damaged():
	case <-time.After(30 * time.Second):
		t.Fatal("not found")
	}
	if err := db.Err(); !errors.Is(err, badgerdb.ErrDamaged) || !strings.Contains(err.Error(), ".sst") {
		t.Errorf("got %v", err)
	}
}

// A file that is cut short is a disk that does not give the pages of a memory map.
func TestADiskThatCannotBeReadEndsTheServiceAndNotTheProcess(t *testing.T) {
	t.Parallel()
	dir := filled(t, 2000, true)
	for name, read := range map[string]func(*badgerdb.DB) (int, error){
		"scan": func(db *badgerdb.DB) (int, error) { return scanned(db, false) }, "get": gets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := imageOf(t, dir)
			db := open(t, image)
			if err := os.Truncate(tablesOf(t, image)[0], 0); err != nil {
				t.Fatal(err)
			}
			got, err := read(db)
			checkRefusal(t, db, got, err)
			if err := db.Close(); err != nil {
				t.Log("close: ", err) // the disk is broken; that it returns is enough
			}
		})
	}
}

// gets counts the rows of filled that are there, one by one.
func gets(db *badgerdb.DB) (n int, err error) {
	err = db.View(func(s store.Snapshot) error {
		for i := range 2000 {
			value, ok, err := s.Get(harmKey(i))
			if err != nil {
				return err
			}
			if ok && bytes.Equal(value, harmValue(i)) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func checkRefusal(t *testing.T, db *badgerdb.DB, got int, err error) {
	t.Helper()
	if !errors.Is(err, badgerdb.ErrDamaged) || !strings.Contains(err.Error(), ".sst") {
		t.Errorf("%d rows and %v, want damage of a table", got, err)
	}
	select {
	case <-db.Damaged():
	default:
		t.Error("nobody is told")
	}
	if err := db.View(func(store.Snapshot) error { return nil }); !errors.Is(err, badgerdb.ErrDamaged) {
		t.Errorf("a view after it: %v", err)
	}
	b := new(store.Batch)
	b.Put([]byte("k"), nil)
	if err := db.Commit(t.Context(), b); !errors.Is(err, badgerdb.ErrDamaged) {
		t.Errorf("a commit after it: %v", err)
	}
}
