package badgerdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

var errDamagedTable = errors.New("its index is unreadable")

// verifyTables checks the index of every table in dir. Badger reads them in
// goroutines of its own, where a damaged one panics, out of reach of recover.
func verifyTables(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := verifyTable(name); err != nil {
			return fmt.Errorf("table %s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// verifyTable checks the end of a table: index, its length, its checksum, the
// checksum's length; lengths are four bytes, big-endian.
func verifyTable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	checksum, end, err := sectionBefore(f, end)
	if err != nil {
		return err
	}
	index, _, err := sectionBefore(f, end)
	if err != nil {
		return err
	}
	var want pb.Checksum
	if err := proto.Unmarshal(checksum, &want); err != nil {
		return fmt.Errorf("%w: %w", errDamagedTable, err)
	}
	if err := y.VerifyChecksum(index, &want); err != nil {
		return fmt.Errorf("%w: %w", errDamagedTable, err)
	}
	return nil
}

// sectionBefore reads the section that ends, with its length, at end, and says
// where it starts.
func sectionBefore(f *os.File, end int64) (section []byte, start int64, err error) {
	var length [4]byte
	if end -= int64(len(length)); end < 0 {
		return nil, 0, errDamagedTable
	}
	if _, err := f.ReadAt(length[:], end); err != nil {
		return nil, 0, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > end {
		return nil, 0, errDamagedTable
	}
	section = make([]byte, n)
	_, err = f.ReadAt(section, end-n)
	return section, end - n, err
}
