package badgerdb_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"grapevine/store"
	"grapevine/store/badgerdb"
)

// smallDisk mounts a file system of some MiB, where that is allowed.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("only root may mount a small disk: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestADiskThatFillsUpIsReadAndIsWrittenAgainWhenThereIsSpace(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "160m")
	db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: filepath.Join(disk, "data"), MinFreeBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	written, random := 0, rand.NewChaCha8([32]byte{})
	write := func() error {
		b, value := new(store.Batch), make([]byte, 100<<10)
		_, _ = random.Read(value) // never fails; it does not compress
		b.Put(harmKey(written), value)
		err := db.Commit(t.Context(), b)
		if err == nil {
			written++
		}
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	// Somebody else takes the space, and the engine what is left above the watermark.
	if err := unix.Fallocate(int(ballast.Fd()), 0, 0, 80<<20); err != nil {
		t.Fatal(err)
	}
	for err = write(); err == nil && written < 2000; {
		err = write()
	}
	if !errors.Is(err, store.ErrNoSpace) || !db.Stats().ReadOnly {
		t.Fatalf("after %d rows: %v, %+v", written, err, db.Stats())
	}
	if n, err := scanned(db, false); n != written || err != nil {
		t.Errorf("%d rows of %d are read, %v", n, written, err)
	}
	if err := ballast.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if db.Stats().ReadOnly {
		t.Error("read-only with space")
	}
}
