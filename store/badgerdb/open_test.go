package badgerdb_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"grapevine/store"
	"grapevine/store/badgerdb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Badger leaves these two behind when it fails to open.
		goleak.IgnoreAnyFunction("github.com/dgraph-io/ristretto/v2/z.(*AllocatorPool).freeupAllocators"),
		goleak.IgnoreAnyFunction("github.com/dgraph-io/badger/v4.(*DB).monitorCache"))
}

func TestASecondOpeningOfADirectorySaysWhoHasIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	defer db.Close()
	_, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir})
	if err == nil {
		t.Fatal("two engines opened one directory")
	}
	for _, want := range []string{dir, "another process", strconv.Itoa(os.Getpid()), "stop it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
}

func TestADamagedDirectorySaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"MANIFEST", "*.sst", "KEYREGISTRY"} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := open(t, dir)
			b := new(store.Batch)
			b.Put([]byte("a"), []byte("1"))
			if err := errors.Join(db.Commit(t.Context(), b), db.Close()); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			if err := os.WriteFile(files[0], []byte("what is this, in a data directory?"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("got %v, want advice", err)
			}
		})
	}
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: filepath.Join(file, "below")}); err == nil {
		t.Error("opened a directory below a file")
	}
}

func TestAnEndedContextOpensNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := badgerdb.Open(ctx, badgerdb.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory was made: %v", err)
	}
}

func TestADiskBelowTheWatermarkIsOpenedForReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, MinFreeBytes: math.MaxUint64})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := new(store.Batch)
	b.Put([]byte("a"), []byte("1"))
	if err := db.Commit(t.Context(), b); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
}

func TestAKeyTooLongIsRefusedAndHarmsNoOtherCommit(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	defer db.Close()
	for size, want := range map[int]error{badgerdb.MaxKey: nil, badgerdb.MaxKey + 1: store.ErrBatchTooLarge} {
		b := new(store.Batch)
		b.Put(make([]byte, size), nil)
		if err := db.Commit(t.Context(), b); !errors.Is(err, want) {
			t.Errorf("key of %d bytes: got %v, want %v", size, err, want)
		}
	}
}

func TestTheValueLogStaysEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	for range 8 {
		b := new(store.Batch)
		b.Put([]byte("k"), nil)
		b.Put([]byte("k"), make([]byte, db.MaxBatch()-2*b.Size()))
		if err := db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, log := range logs {
		if info, err := os.Stat(log); err != nil || info.Size() > 4096 {
			t.Errorf("%s has %d bytes, %v: it would need garbage collection", log, info.Size(), err)
		}
	}
}

func TestCloseWaitsForViews(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	b := new(store.Batch)
	b.Put([]byte("a"), []byte("1"))
	if err := db.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var ended atomic.Bool
	inView, closed := make(chan struct{}), make(chan struct{})
	go func() {
		<-inView
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if !ended.Load() {
			t.Error("closed under a view")
		}
		close(closed)
	}()
	err := db.View(func(s store.Snapshot) error {
		close(inView)
		for refused := false; !refused; { // until Close has begun
			err := db.View(func(store.Snapshot) error { return nil })
			refused = errors.Is(err, store.ErrEngineClosed)
		}
		if _, ok, err := s.Get([]byte("a")); !ok || err != nil {
			t.Errorf("got %v, %v in a view that is under way", ok, err)
		}
		ended.Store(true)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	<-closed
}

func TestMetricsAreRegisteredUntilClose(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	dir := t.TempDir()
	for range 2 { // the second time, the names are free again
		db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, Metrics: registry, MinFreeBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		b := new(store.Batch)
		b.Put([]byte("a"), []byte("1"))
		if err := db.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		figures := gather(t, registry)
		for name, want := range map[string]float64{
			"grapevine_engine_commits_total": 1,
			"grapevine_engine_syncs_total":   1,
			"grapevine_engine_read_only":     0,
			"grapevine_engine_sync_seconds":  1, // observations
		} {
			if got, ok := figures[name]; !ok || got != want {
				t.Errorf("%s: got %v, %v; want %v", name, got, ok, want)
			}
		}
		if figures["grapevine_engine_free_bytes"] == 0 || figures["grapevine_engine_disk_bytes"] == 0 {
			t.Errorf("no sizes in %v", figures)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left := gather(t, registry); len(left) > 0 {
		t.Errorf("left after Close: %v", left)
	}
}

// gather reads the first figure of each metric.
func gather(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	figures := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		figures[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() +
			float64(m.GetHistogram().GetSampleCount())
	}
	return figures
}
