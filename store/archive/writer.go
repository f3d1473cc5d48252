package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"

	"grapevine/store"
)

// File is where an archive is written; an *os.File is one.
type File interface {
	io.Writer
	io.Seeker
	Truncate(size int64) error
}

// Writer writes an archive.
type Writer struct {
	file    File
	out     *bufio.Writer
	size    int64
	written Summary
	digest  *xxh3.Hasher // over the checksums of all frames
}

// NewWriter begins an archive in an empty file.
func NewWriter(f File, h Header) (*Writer, error) {
	w := &Writer{file: f, out: bufio.NewWriterSize(f, blockSize), digest: xxh3.New()}
	h.Format, h.Taken = version, h.Taken.UTC()
	w.written.Header = h
	if _, err := w.out.WriteString(Magic); err != nil {
		return nil, writing(err)
	}
	w.size = int64(len(Magic))
	return w, w.record(kindHeader, h)
}

// Add reads a partition from a node's stream, verifies it, and writes it as it
// is. It is in the file whole, or not at all when it fails. The stream must be
// of the partition wanted and of no other.
func (w *Writer) Add(stream io.Reader, want store.Partition) (rows int64, err error) {
	if err := w.out.Flush(); err != nil { // what comes now may have to be cut off
		return 0, writing(err)
	}
	size, digest := w.size, *w.digest
	rows, err = w.copy(&frames{r: stream}, want)
	if err == nil {
		w.written.Partitions++
		w.written.Rows += rows
		return rows, nil
	}
	*w.digest = digest
	return 0, errors.Join(err, w.cut(size))
}

func (w *Writer) copy(in *frames, want store.Partition) (int64, error) {
	decoder, err := newDecoder()
	if err != nil {
		return 0, err
	}
	defer decoder.Close()
	p := partitionReader{decoder: decoder}
	f, err := in.next()
	if err != nil {
		return 0, unexpectedEnd(err)
	}
	if err := p.begin(f); err != nil {
		return 0, err
	}
	if f.partition != want {
		return 0, damagedf("the stream is of partition %d instead of %d", f.partition, want)
	}
	for ended := false; ; {
		if err := w.keep(f); err != nil || ended {
			return p.rows, err
		}
		if f, err = in.next(); err != nil {
			return 0, unexpectedEnd(err)
		}
		if _, ended, err = p.follow(f); err != nil {
			return 0, err
		}
	}
}

// cut takes the file back to what it was.
func (w *Writer) cut(size int64) error {
	w.out.Reset(w.file)
	if err := w.file.Truncate(size); err != nil {
		return writing(err)
	}
	w.size = size
	if _, err := w.file.Seek(size, io.SeekStart); err != nil {
		return writing(err)
	}
	return nil
}

// Close ends the archive with its trailer, and says what it holds. It does not
// close the file, nor sync it.
func (w *Writer) Close() (Summary, error) {
	sum := w.digest.Sum128().Bytes()
	err := w.record(kindTrailer, trailerRecord{Partitions: w.written.Partitions, Rows: w.written.Rows, Frames: sum[:]})
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil {
		return Summary{}, writing(err)
	}
	w.written.Bytes, w.written.Digest = w.size, fmt.Sprintf("%x", sum)
	return w.written, nil
}

func (w *Writer) record(k kind, record any) error {
	body, err := encode(record)
	if err != nil {
		return err
	}
	b, err := appendFrame(nil, k, 0, 0, body)
	if err != nil {
		return err
	}
	return w.keep(frame{raw: b})
}

// keep writes a frame as it is.
func (w *Writer) keep(f frame) error {
	if _, err := w.out.Write(f.raw); err != nil {
		return writing(err)
	}
	w.size += int64(len(f.raw))
	_, _ = w.digest.Write(f.checksum()) // a hash takes every write
	return nil
}

func writing(err error) error { return fmt.Errorf("%w: %w", ErrWriting, err) }
