// Package archive is the file of a backup: the rows of a cluster, or of one
// node, partition by partition, each as of one moment.
//
//	file      = magic header partition… trailer
//	partition = begin rows… end
//
// Everything after the magic is a frame (frame.go), which says whose it is and
// where in its partition it belongs, and carries a checksum over all of that.
// A node makes the frames of a partition; they are verified and kept as they
// are by whoever writes the file, and again by the node that restores from it,
// so that a checksum covers the whole way.
//
// Checksums are xxh3-128. They are to find what disks and networks do to bytes,
// at the speed of memory. They do not prove who wrote a file: whoever can alter
// it can compute any checksum without a key, and whoever has the operator token
// needs no file to alter the cluster.
package archive

import (
	"errors"
	"fmt"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// Magic begins every archive.
const Magic = "GRAPEBAK"

// version is that of the format. A reader refuses any other.
const version = 1

// MediaType is that of archives and of parts of them, over HTTP.
const MediaType = "application/octet-stream"

// Bounds, in bytes.
const (
	// MaxFrame bounds a frame.
	MaxFrame = frameHead + maxBody + checksumSize
	// blockSize is what a block of rows aims at before it is compressed: a loss
	// costs one block, and a block fits a request.
	blockSize = 256 << 10
	// maxBlock bounds a block before it is compressed. A row larger than blockSize
	// has a block of its own; no engine takes one of this size.
	maxBlock = 1 << 20
)

// Header says of what an archive is.
type Header struct {
	Format        uint8     `cbor:"1,keyasint"`
	Cluster       string    `cbor:"2,keyasint"` // its identity
	PartitionBits uint8     `cbor:"3,keyasint"` // the ring has 2^PartitionBits partitions
	Copies        int       `cbor:"4,keyasint"` // how many nodes kept each row
	Taken         time.Time `cbor:"5,keyasint"` // when the backup began
	// Node is the one node whose copies these are, empty for the whole cluster.
	Node string `cbor:"6,keyasint,omitempty"`
}

// Partitions is the number of partitions of the cluster.
func (h Header) Partitions() int { return 1 << h.PartitionBits }

// Partition heads the rows of one partition.
type Partition struct {
	ID     store.Partition
	First  store.Slot
	Last   store.Slot // inclusive
	Vector *causal.Vector
}

// Summary is what a whole archive holds.
type Summary struct {
	Header     Header
	Partitions int   // of them, those that the archive holds
	Rows       int64 // visible ones; an archive holds no others
	Bytes      int64 // of the file
	// Digest names the content: equal for copies of one file and for no others.
	Digest string
}

// Whole says whether the archive holds every partition of the cluster. One of a
// single node need not.
func (s Summary) Whole() bool { return s.Partitions == s.Header.Partitions() }

// Errors of reading.
var (
	// ErrNoArchive is returned for a file that does not begin as an archive does.
	ErrNoArchive = errors.New("archive: this is no backup of a Grapevine cluster")
	// ErrVersion is returned for a format that this release does not read.
	ErrVersion = errors.New("archive: the backup is of another version of the format")
	// ErrDamaged is wrapped by the error for bytes that are not as they were written.
	ErrDamaged = errors.New("archive: the backup is damaged")
	// ErrTruncated is wrapped, beside ErrDamaged, when the end is missing.
	ErrTruncated = errors.New("its end is missing")
	// ErrWriting is wrapped by the error of a file that cannot be written.
	ErrWriting = errors.New("archive: the backup cannot be written")
	// ErrTooLarge is returned for a row that no engine could have held.
	ErrTooLarge = errors.New("archive: a row is too large")
)

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
