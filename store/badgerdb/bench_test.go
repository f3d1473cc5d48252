package badgerdb_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"grapevine/store"
	"grapevine/store/badgerdb"
)

// BenchmarkCommit measures 200-byte commits of concurrent writers, through the
// engine and, beside it, as one synced Badger transaction each.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("engine/writers=%d", writers), func(b *testing.B) {
			db := open(b, b.TempDir())
			defer db.Close()
			commitAll(b, writers, func(key, value []byte) error {
				batch := new(store.Batch)
				batch.Put(key, value)
				return db.Commit(b.Context(), batch)
			})
			stats := db.Stats()
			b.ReportMetric(float64(stats.Commits)/float64(stats.Syncs), "commits/sync")
		})
		b.Run(fmt.Sprintf("bare/writers=%d", writers), func(b *testing.B) {
			db := openBare(b)
			defer db.Close()
			commitAll(b, writers, func(key, value []byte) error {
				return db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
			})
		})
	}
}

func openBare(b *testing.B) *badger.DB {
	b.Helper()
	o := badger.DefaultOptions(b.TempDir())
	o.SyncWrites = true
	o.DetectConflicts = false
	o.Logger = nil
	db, err := badger.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// commitAll has writers share b.N commits of random keys.
func commitAll(b *testing.B, writers int, commit func(key, value []byte) error) {
	b.Helper()
	var next atomic.Int64
	var running sync.WaitGroup
	b.ResetTimer()
	for range writers {
		running.Go(func() {
			for next.Add(1) <= int64(b.N) {
				key := binary.BigEndian.AppendUint64(nil, rand.Uint64())
				if err := commit(key, make([]byte, 192)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// rows is how many rows the read benchmarks choose from: 5,000 ranges of 40.
const rows = 200_000

func rowKey(i int) []byte { return fmt.Appendf(nil, "range-%06d/row-%02d", i/40, i%40) }

func openFilled(b *testing.B) *badgerdb.DB {
	b.Helper()
	db := open(b, b.TempDir())
	for i := 0; i < rows; {
		batch := new(store.Batch)
		for ; i < rows && batch.Size() < db.MaxBatch()/2; i++ {
			batch.Put(rowKey(i), make([]byte, 200))
		}
		if err := db.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	return db
}

// BenchmarkRead measures reads of random places, alone and while 16 writers
// commit.
func BenchmarkRead(b *testing.B) {
	reads := map[string]func(store.Snapshot) error{
		"get": func(s store.Snapshot) error {
			_, _, err := s.Get(rowKey(rand.IntN(rows)))
			return err
		},
		"scan40":        func(s store.Snapshot) error { return scanRange(s, false) },
		"scan40reverse": func(s store.Snapshot) error { return scanRange(s, true) },
	}
	for name, read := range reads {
		b.Run(name, func(b *testing.B) {
			db := openFilled(b)
			defer db.Close()
			for b.Loop() {
				if err := db.View(read); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/writing", func(b *testing.B) {
			db := openFilled(b)
			defer db.Close()
			defer writeMeanwhile(b, db)()
			for b.Loop() {
				if err := db.View(read); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func scanRange(s store.Snapshot, reverse bool) error {
	prefix := fmt.Appendf(nil, "range-%06d/", rand.IntN(rows/40))
	n := 0
	err := s.Scan(prefix, nil, reverse, func(_, _ []byte) bool { n++; return true })
	if err == nil && n != 40 {
		err = fmt.Errorf("%d rows", n)
	}
	return err
}

// writeMeanwhile starts writers and returns the function that ends them.
func writeMeanwhile(b *testing.B, db *badgerdb.DB) (stop func()) {
	b.Helper()
	var stopped atomic.Bool
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for !stopped.Load() {
				batch := new(store.Batch)
				batch.Put(binary.BigEndian.AppendUint64(nil, rand.Uint64()), make([]byte, 192))
				if err := db.Commit(b.Context(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	return func() {
		stopped.Store(true)
		running.Wait()
	}
}
