package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADataDirectoryOfALaterFormatIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, formatFile)
	if err := os.WriteFile(path, []byte("999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := claimFormat(dir)
	if !errors.Is(err, ErrLaterFormat) || !strings.Contains(err.Error(), "start the later build again") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "999\n" {
		t.Errorf("the file says %q, %v", b, err)
	}
}

func TestADataDirectoryThatSaysNoFormatIsTakenUp(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data") // a new one, or one of a build that wrote no number
	for range 2 {
		if err := claimFormat(dir); err != nil {
			t.Fatal(err)
		}
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) != 1 || there[0].Name() != formatFile {
		t.Errorf("it holds %v, %v", there, err)
	}
}

func TestANumberThatIsNoneIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "one", "-1", "1 2"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := claimFormat(dir); err == nil || !strings.Contains(err.Error(), "into it if only") {
			t.Errorf("%q: got %v", content, err)
		}
	}
}
