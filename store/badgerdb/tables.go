package badgerdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/snappy"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

var errFile = errors.New("it is not as it was written")

// maxBlock bounds a block of a table, in bytes: one holds a value at least, and
// values are at most maxBatch.
const maxBlock = 4 << 20

// verifyTables reads the named tables of dir whole: index and blocks, each with
// its checksum. Badger reads what it opens in goroutines of its own, where damage
// ends the process, and keeps to itself what it finds later.
func verifyTables(dir string, ids map[uint64]options.CompressionType) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for id, compression := range ids {
		group.Go(func() error {
			name := table.IDToFilename(id)
			if err := verifyTable(filepath.Join(dir, name), compression); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// verifyTable checks the end of a table, which is index, its length, its
// checksum, the checksum's length, with lengths of four bytes, big-endian; and
// then the blocks that the index names.
func verifyTable(name string, compression options.CompressionType) error {
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
	index, end, err := sectionBefore(f, end)
	if err != nil {
		return err
	}
	if err := verifySum(index, checksum); err != nil {
		return fmt.Errorf("its index: %w", err)
	}
	return verifyBlocks(f, end, fb.GetRootAsTableIndex(index, 0), compression)
}

func verifyBlocks(f io.ReaderAt, end int64, index *fb.TableIndex, compression options.CompressionType) error {
	var block fb.BlockOffset
	var stored, plain []byte
	for i := range index.OffsetsLength() {
		if !index.Offsets(&block, i) || int64(block.Offset())+int64(block.Len()) > end {
			return fmt.Errorf("block %d: %w", i, errFile)
		}
		stored = slices.Grow(stored[:0], int(block.Len()))[:block.Len()]
		if _, err := f.ReadAt(stored, int64(block.Offset())); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		var err error
		if plain, err = unpack(plain, stored, compression); err == nil {
			err = verifyBlock(plain)
		}
		if err != nil {
			return fmt.Errorf("block %d, at byte %d: %w", i, block.Offset(), err)
		}
	}
	return nil
}

// unpack decompresses a block, if it can into the given buffer.
func unpack(into, stored []byte, compression options.CompressionType) ([]byte, error) {
	switch compression {
	case options.None:
		return stored, nil
	case options.Snappy:
		size, err := snappy.DecodedLen(stored)
		if err != nil || size > maxBlock {
			return nil, errFile
		}
		plain, err := snappy.Decode(into[:cap(into)], stored)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFile, err)
		}
		return plain, nil
	default:
		return nil, fmt.Errorf("compression %d, which this engine never uses", compression)
	}
}

// verifyBlock checks a block: its entries, their number, the checksum, the
// checksum's length.
func verifyBlock(b []byte) error {
	if len(b) < 8 {
		return errFile
	}
	size := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	end := int64(len(b)-4) - size
	if end < 4 {
		return errFile
	}
	return verifySum(b[:end], b[end:len(b)-4])
}

func verifySum(data, checksum []byte) error {
	var want pb.Checksum
	if err := proto.Unmarshal(checksum, &want); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	if want.Algo != pb.Checksum_CRC32C && want.Algo != pb.Checksum_XXHash64 {
		return errFile
	}
	if err := y.VerifyChecksum(data, &want); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	return nil
}

// sectionBefore reads the section that ends, with its length, at end, and says
// where it starts.
func sectionBefore(f *os.File, end int64) (section []byte, start int64, err error) {
	var length [4]byte
	if end -= int64(len(length)); end < 0 {
		return nil, 0, errFile
	}
	if _, err := f.ReadAt(length[:], end); err != nil {
		return nil, 0, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > end {
		return nil, 0, errFile
	}
	section = make([]byte, n)
	_, err = f.ReadAt(section, end-n)
	return section, end - n, err
}
