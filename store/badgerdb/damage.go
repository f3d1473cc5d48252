package badgerdb

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"
)

// ErrDamaged is wrapped by the errors of a directory whose files are not as they
// were written, found when it was opened or while it was read. Their text names
// the file and says what to do.
var ErrDamaged = errors.New("the data directory is damaged")

// remedy is what to do about damage. A node that began a cluster without --join
// would begin another with an empty directory.
const remedy = "move it away and start again with --join and the gossip address of another node: " +
	"the node comes back empty and copies its data from the others; one that has no others needs a backup (grapevine restore)"

// Damaged is closed when a file turned out not to be as it was written, while the
// engine runs. From then on it refuses everything; Err says why. The process
// should end: what is in order elsewhere then serves in its place.
func (db *DB) Damaged() <-chan struct{} { return db.damaged }

// Err is the damage that was found, nil for none.
func (db *DB) Err() error {
	select {
	case <-db.damaged:
		return *db.failed.Load()
	default:
		return nil
	}
}

// damage ends the engine's service, for a file that could not be read as it was
// written. It gives the error with the name of the file, as far as it is found.
func (db *DB) damage(cause error) error {
	db.harmed.Do(func() {
		if err := db.culprit(); err != nil {
			cause = err
		}
		err := fmt.Errorf("badgerdb: %s: %w; %s: %w", db.dir, ErrDamaged, remedy, cause)
		db.failed.Store(&err)
		close(db.damaged)
		db.log.Error("the data directory is damaged: the engine refuses everything", "dir", db.dir, "error", cause, "do", remedy)
	})
	return db.Err()
}

// culprit looks for the damaged file. It asks Badger for nothing, which would read
// it again. A table that is gone has been compacted meanwhile.
func (db *DB) culprit() error {
	tables, err := readManifest(Config{Dir: db.dir, Log: db.log})
	if err != nil {
		return nil // it may be growing
	}
	if err = verifyTables(db.dir, tables); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recovered turns a panic of Badger over bytes that it cannot make sense of, or
// of the memory map over a disk that cannot be read, into damage. A panic while
// the caller's function runs is the caller's.
func (db *DB) recovered(calling *bool, err *error) {
	if *calling {
		return
	}
	if p := recover(); p != nil {
		*err = db.damage(fmt.Errorf("reading panicked: %v", p))
	}
}

// discard ends a transaction. One in which Badger panicked may keep an iterator
// open, of which Badger complains by another panic.
func (db *DB) discard(txn *badger.Txn) {
	defer func() {
		if p := recover(); p != nil && db.Err() == nil {
			panic(p)
		}
	}()
	txn.Discard()
}

// faulting makes reads of memory maps that the disk cannot serve panic in this
// goroutine, rather than end the process. It gives what undoes it.
func faulting() (undo func()) {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}
