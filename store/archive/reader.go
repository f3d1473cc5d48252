package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"

	"grapevine/store"
)

// Reader reads an archive from its beginning, verifying all it passes.
type Reader struct {
	in      *frames
	decoder *zstd.Decoder
	part    partitionReader
	within  bool // a partition
	read    Summary
	seen    map[store.Partition]bool
	digest  *xxh3.Hasher
}

// NewReader reads the header of an archive.
func NewReader(r io.Reader) (*Reader, error) {
	var magic [len(Magic)]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil || string(magic[:]) != Magic {
		return nil, ErrNoArchive
	}
	decoder, err := newDecoder()
	if err != nil {
		return nil, err
	}
	a := &Reader{
		in: &frames{r: r, at: int64(len(magic))}, decoder: decoder,
		part: partitionReader{decoder: decoder}, seen: map[store.Partition]bool{}, digest: xxh3.New(),
	}
	if err := a.header(); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Reader) header() error {
	f, err := a.next()
	if err != nil {
		return err
	}
	if f.kind != kindHeader {
		return damagedf("it does not begin with a header")
	}
	if err := decode(f.body, &a.read.Header); err != nil {
		return err
	}
	if a.read.Header.Format != version {
		return fmt.Errorf("%w: %d; this release reads %d", ErrVersion, a.read.Header.Format, version)
	}
	if a.read.Header.PartitionBits > 16 {
		return damagedf("a ring of 2^%d partitions", a.read.Header.PartitionBits)
	}
	return nil
}

// Header says of what the archive is.
func (a *Reader) Header() Header { return a.read.Header }

// Close gives memory back. It does not close what is read from.
func (a *Reader) Close() { a.decoder.Close() }

// next reads a frame that must be there.
func (a *Reader) next() (frame, error) {
	f, err := a.in.next()
	if err != nil {
		return frame{}, unexpectedEnd(err)
	}
	if f.kind != kindTrailer {
		_, _ = a.digest.Write(f.checksum()) // a hash takes every write
	}
	return f, nil
}

// Next gives the next block of rows. It is io.EOF when the whole archive has been
// read and its trailer agrees.
func (a *Reader) Next() (Block, error) {
	for {
		f, err := a.next()
		if err != nil {
			return Block{}, err
		}
		if !a.within {
			if f.kind == kindTrailer {
				return Block{}, a.end(f)
			}
			if err := a.enter(f); err != nil {
				return Block{}, err
			}
			continue
		}
		rows, ended, err := a.part.follow(f)
		if err != nil {
			return Block{}, err
		}
		if ended {
			a.within = false
			a.read.Partitions++
			a.read.Rows += a.part.rows
			continue
		}
		return Block{Partition: f.partition, Rows: rows, Frame: f.raw}, nil
	}
}

func (a *Reader) enter(f frame) error {
	if err := a.part.begin(f); err != nil {
		return err
	}
	if int(f.partition) >= a.read.Header.Partitions() || a.seen[f.partition] {
		return damagedf("partition %d is there twice, or is none of the cluster's", f.partition)
	}
	a.seen[f.partition], a.within = true, true
	return nil
}

// end checks the trailer against what was read. It returns io.EOF when they agree.
func (a *Reader) end(f frame) error {
	var t trailerRecord
	if err := decode(f.body, &t); err != nil {
		return err
	}
	sum := a.digest.Sum128().Bytes()
	if t.Partitions != a.read.Partitions || t.Rows != a.read.Rows || string(t.Frames) != string(sum[:]) {
		return damagedf("it holds %d partitions and %d rows, and should hold %d and %d", a.read.Partitions, a.read.Rows, t.Partitions, t.Rows)
	}
	if _, err := a.in.next(); !errors.Is(err, io.EOF) {
		return damagedf("something follows its end, at byte %d", a.in.at)
	}
	a.read.Bytes, a.read.Digest = a.in.at, fmt.Sprintf("%x", sum)
	return io.EOF
}

// Verify reads a whole archive and says what it holds.
func Verify(r io.Reader) (Summary, error) {
	a, err := NewReader(r)
	if err != nil {
		return Summary{}, err
	}
	defer a.Close()
	for {
		_, err := a.Next()
		if errors.Is(err, io.EOF) {
			return a.read, nil
		}
		if err != nil {
			return Summary{}, err
		}
	}
}
