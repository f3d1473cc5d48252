package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// DataFormat is the number of the format of data directories. It grows with a change
// that an earlier build would misread: of the keys of the engine, or of what lies
// under a key. A directory without a number is of format 1.
const DataFormat = 1

// formatFile is the file of the number in a data directory.
const formatFile = "format"

// ErrLaterFormat is returned by New for a data directory that a later build has
// written: the error says what to do.
var ErrLaterFormat = errors.New("node: the data directory was written by a later build")

// claimFormat refuses a data directory of a later format, and notes in one of an
// earlier or of none that it is of this build's from now on. It is called before
// anything in the directory is opened.
func claimFormat(dir string) error {
	path := filepath.Join(dir, formatFile)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeFormat(dir, path)
	case err != nil:
		return fmt.Errorf("format of the data directory: %w", err)
	}
	format, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	switch {
	case err != nil || format < 1:
		return fmt.Errorf("format of the data directory: %s says %.40q, which is no number: put it back from a backup, or write %d into it if only builds like this one have run here", path, b, DataFormat)
	case format > DataFormat:
		return fmt.Errorf("%w: %s is of format %d, and this build reads formats up to %d: start the later build again or, to go on with this one, start it with an empty --data and --join, so that it copies what the other nodes have", ErrLaterFormat, dir, format, DataFormat)
	case format < DataFormat:
		return writeFormat(dir, path)
	}
	return nil
}

// writeFormat writes the number so that a crash leaves the old one or the new one.
func writeFormat(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("format of the data directory: %w", err)
	}
	next, err := os.CreateTemp(dir, formatFile+".*")
	if err != nil {
		return fmt.Errorf("format of the data directory: %w", err)
	}
	_, err = fmt.Fprintf(next, "%d\n", DataFormat)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("format of the data directory: %w", errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}
