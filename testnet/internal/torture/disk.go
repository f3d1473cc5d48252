package torture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// smallDiskBytes is a little more than the free space below which a node takes no
// writes, and what a run writes.
const smallDiskBytes = 1 << 30

// leftFree is what fill leaves: less than the node's own limit, more than none.
const leftFree = 64 << 20

// fill takes the free space of the disk that dir is on.
func fill(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	free := int64(st.Bavail * uint64(st.Bsize))
	f, err := os.OpenFile(filepath.Join(dir, ballast), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(allocate(f, max(0, free-leftFree)), f.Close())
}

// allocate makes a file take up so many bytes.
func allocate(f *os.File, bytes int64) error {
	zeros := make([]byte, 1<<20)
	for ; bytes > 0; bytes -= int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return err
		}
	}
	return nil
}
