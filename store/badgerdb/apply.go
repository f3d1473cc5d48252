package badgerdb

import (
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"grapevine/store"
)

// dataPrefix begins every stored key, so that none is empty or looks like
// Badger's own, which begin with "!badger!".
const dataPrefix = 'd'

// apply makes a group of batches durable in one transaction with one sync. It is
// the only writer.
func (db *DB) apply(group []*store.Batch) error {
	if failure := db.failed.Load(); failure != nil {
		return *failure
	}
	if _, readOnly := db.space.check(); readOnly {
		return store.ErrNoSpace
	}
	start := time.Now()
	version := db.views.latest() + 1
	if err := db.write(group, version); err != nil {
		// Part of the group may be on disk, and a failed sync may have dropped
		// pages that a second one would not report: only recovery can tell.
		err = fmt.Errorf("badgerdb: a write failed midway, restart the node to recover: %w", err)
		db.failed.Store(&err)
		return err
	}
	db.badger.SetDiscardTs(db.views.publish(version))
	db.metrics.synced(group, time.Since(start))
	return nil
}

// write commits a group as one version.
func (db *DB) write(group []*store.Batch, version uint64) error {
	txn := db.badger.NewTransactionAt(version-1, true)
	defer txn.Discard()
	for _, batch := range group {
		for _, op := range batch.Ops {
			if err := set(txn, op); err != nil {
				return err
			}
		}
	}
	return txn.CommitAt(version, nil)
}

func set(txn *badger.Txn, op store.BatchOp) error {
	if op.Delete {
		return txn.Delete(stored(op.Key))
	}
	return txn.Set(stored(op.Key), op.Value)
}

// stored gives the form in which a key lies in Badger.
func stored(key []byte) []byte {
	k := make([]byte, 0, 1+len(key))
	return append(append(k, dataPrefix), key...)
}
