package badgerdb

import (
	"errors"
	"math"
	"strings"
	"testing"

	"grapevine/store"
)

func TestWritesEndBelowTheWatermarkAndBeginAgainWellAboveIt(t *testing.T) {
	t.Parallel()
	var free uint64
	var failure error
	w := &watermark{min: 800, measure: func() (uint64, error) { return free, failure }}
	for _, step := range []struct {
		free     uint64
		readOnly bool
	}{
		{10_000, false}, {800, false}, {799, true}, {0, true}, {800, true}, {899, true}, {900, false}, {800, false},
	} {
		free = step.free
		if got, readOnly := w.check(); got != step.free || readOnly != step.readOnly {
			t.Errorf("with %d free: got %d, read-only %v; want %v", step.free, got, readOnly, step.readOnly)
		}
	}
	free, failure = 10_000, errors.New("no such device")
	if _, readOnly := w.check(); !readOnly {
		t.Error("writes go on where free space cannot be measured")
	}
}

func TestAWatermarkThatNoDiskReachesNeverAllowsWrites(t *testing.T) {
	t.Parallel()
	w := &watermark{min: math.MaxUint64, measure: func() (uint64, error) { return 1 << 40, nil }}
	for range 2 {
		if _, readOnly := w.check(); !readOnly {
			t.Error("writable")
		}
	}
}

func TestOpeningIsRefusedWhereRecoveryCouldFillTheDisk(t *testing.T) {
	t.Parallel()
	w := &watermark{min: DefaultMinFreeBytes, measure: func() (uint64, error) { return minOpenBytes - 1, nil }}
	if err := w.enoughToOpen(); !errors.Is(err, store.ErrNoSpace) || !strings.Contains(err.Error(), "make room") {
		t.Errorf("got %v, want ErrNoSpace and what to do", err)
	}
	w.measure = func() (uint64, error) { return minOpenBytes, nil }
	if err := w.enoughToOpen(); err != nil {
		t.Error(err)
	}
}

// A disk that fills and is cleared, as the engine sees it.
func TestANodeShortOfSpaceReadsAndDoesNotWrite(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	free := uint64(math.MaxUint64)
	db.space = &watermark{min: 1 << 20, measure: func() (uint64, error) { return free, nil }}

	commit := func(key string) error {
		b := new(store.Batch)
		b.Put([]byte(key), []byte("1"))
		return db.Commit(t.Context(), b)
	}
	if err := commit("before"); err != nil {
		t.Fatal(err)
	}
	free = 1 << 19
	if err := commit("full"); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	if s := db.Stats(); !s.ReadOnly || s.FreeBytes != free {
		t.Errorf("got %+v, want read-only with %d bytes free", s, free)
	}
	err = db.View(func(s store.Snapshot) error {
		for key, want := range map[string]bool{"before": true, "full": false} {
			if _, ok, err := s.Get([]byte(key)); err != nil || ok != want {
				t.Errorf("key %q: present %v, %v; want %v", key, ok, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	free = math.MaxUint64
	if err := commit("after"); err != nil {
		t.Error(err)
	}
}
