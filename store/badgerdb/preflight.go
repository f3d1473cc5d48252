package badgerdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/y"
	"golang.org/x/sys/unix"
)

// lock takes the lock that Badger takes on a directory in use, unless somebody
// has it.
func lock(dir string) (unlock func(), ok bool) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close() // it was only looked at
		return nil, false
	}
	return func() { _ = d.Close() }, true // which unlocks
}

// preflight looks for damage that Badger would not survive, or would take for the
// traces of a crash and delete: what a directory has lost must be copied from
// other nodes, not forgotten. The directory belongs to no running engine.
func preflight(cfg Config) error {
	tables, err := readManifest(cfg)
	if err != nil {
		return err
	}
	for _, check := range []struct {
		pattern string
		verify  func([]byte) error
	}{{badger.KeyRegistryFileName, verifyRegistry}, {"*.vlog", verifyHeader}, {"*.mem", verifyLog}} {
		names, err := filepath.Glob(filepath.Join(cfg.Dir, check.pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := os.ReadFile(name) // logs, of twice a memory table at most
			if err == nil {
				err = check.verify(b)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", filepath.Base(name), err)
			}
		}
	}
	return verifyTables(cfg.Dir, tables)
}

// verifyRegistry checks the registry of encryption keys, of which there are none:
// 16 random bytes, and a text that would be encrypted.
func verifyRegistry(b []byte) error {
	if !bytes.HasPrefix(b[min(16, len(b)):], []byte("Hello Badger")) {
		return errFile
	}
	return nil
}

// verifyHeader checks that a log names no encryption key, in its first 8 bytes.
func verifyHeader(b []byte) error {
	if !bytes.HasPrefix(b, make([]byte, 8)) && len(b) > 0 {
		return errFile
	}
	return nil
}

// readManifest gives the tables of a directory. Those that its manifest does not
// name are remains of a crash, which Badger deletes.
func readManifest(cfg Config) (map[uint64]options.CompressionType, error) {
	f, err := os.Open(filepath.Join(cfg.Dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		tables, err := filepath.Glob(filepath.Join(cfg.Dir, "*.sst"))
		if err == nil && len(tables) > 0 {
			err = fmt.Errorf("%s is missing and there are %d tables", badger.ManifestFilename, len(tables))
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	manifest, end, err := badger.ReplayManifestFile(f, 0, badgerOptions(cfg))
	if err == nil {
		err = verifyTail(f, end)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", badger.ManifestFilename, err)
	}
	tables := map[uint64]options.CompressionType{}
	for id, t := range manifest.Tables {
		tables[id] = t.Compression
	}
	return tables, nil
}

// verifyTail looks at what follows the last record of a manifest: the beginning
// of one whose writing a crash interrupted. With a whole record in it, it is a
// damaged one, with which Badger would drop all that follow. A record is a length
// and a checksum, four bytes each, and as many bytes.
func verifyTail(f *os.File, end int64) error {
	if _, err := f.Seek(end, io.SeekStart); err != nil {
		return err
	}
	tail, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	for i := 0; i+8 < len(tail); i++ {
		size := int64(binary.BigEndian.Uint32(tail[i:]))
		if size == 0 || size > int64(len(tail)-i-8) {
			continue
		}
		sum := crc32.Checksum(tail[i+8:int64(i)+8+size], y.CastagnoliCrcTable)
		if sum == binary.BigEndian.Uint32(tail[i+4:]) {
			return fmt.Errorf("a record before byte %d is not as it was written", end+int64(i))
		}
	}
	return nil
}

// The log of a memory table is a header and then entries: flags (1 byte), the
// user's flags (1), the lengths of key and value and the expiry (varints), key,
// value, and a checksum (4, CRC-32C). A transaction ends with an entry of a key of
// Badger's own. Keys end with the complement of their version.
const (
	logHeader     = 20
	finishedFlag  = 1 << 7
	finishedKey   = "!badger!txn"
	versionSuffix = 8
)

// verifyLog looks for damage in the log of a memory table. Badger reads it up to
// the first entry that is not whole, as a crash may have left it, and drops the
// rest. Transactions are written one at a time, each synced before the next, so a
// crash leaves at most one unfinished: where more lie beyond that entry,
// acknowledged ones would be dropped.
func verifyLog(b []byte) error {
	if err := verifyHeader(b); err != nil || len(b) <= logHeader {
		return err
	}
	var last uint64 // the last transaction that is whole
	at := logHeader
	for e, ok := parseEntry(b[at:]); ok; e, ok = parseEntry(b[at:]) {
		if e.finished {
			last = e.version
		}
		at += e.size
	}
	beyond := finished(b[at:])
	if len(beyond) > 1 || len(beyond) == 1 && last > 0 && beyond[0] > last+1 {
		return fmt.Errorf("the entry at byte %d is not as it was written, and transactions follow it", at)
	}
	return nil
}

// finished gives the transactions that end in b, wherever their entries begin.
func finished(b []byte) []uint64 {
	var versions []uint64
	for {
		i := bytes.Index(b, []byte(finishedKey))
		if i < 0 {
			return versions
		}
		const before = 5 // flags, and lengths that fit a byte each
		if i >= before {
			if e, ok := parseEntry(b[i-before:]); ok && e.finished && !slices.Contains(versions, e.version) {
				versions = append(versions, e.version)
			}
		}
		if len(versions) > 1 {
			return versions
		}
		b = b[i+len(finishedKey):]
	}
}

type logEntry struct {
	size     int
	version  uint64
	finished bool // it ends a transaction
}

// parseEntry reads the entry at the front of b, if it is whole.
func parseEntry(b []byte) (logEntry, bool) {
	if len(b) < 2 {
		return logEntry{}, false
	}
	at := 2
	var sizes [3]uint64 // of key and value, and the expiry
	for i := range sizes {
		v, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return logEntry{}, false
		}
		sizes[i], at = v, at+n
	}
	key, value := sizes[0], sizes[1]
	if key < versionSuffix || key > math.MaxUint16 || value > uint64(len(b)) || uint64(at)+key+value+4 > uint64(len(b)) {
		return logEntry{}, false
	}
	end := at + int(key) + int(value)
	if crc32.Checksum(b[:end], y.CastagnoliCrcTable) != binary.BigEndian.Uint32(b[end:]) {
		return logEntry{}, false
	}
	version := math.MaxUint64 - binary.BigEndian.Uint64(b[at+int(key)-versionSuffix:])
	return logEntry{size: end + 4, version: version, finished: b[0]&finishedFlag != 0}, true
}
