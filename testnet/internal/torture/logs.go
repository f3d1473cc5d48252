package torture

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// complaints gives the lines of a node's log that it wrote as errors.
func complaints(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("torture: %w", err)
	}
	defer f.Close()
	var found []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := lines.Text(); strings.Contains(line, " level=ERROR ") || strings.HasPrefix(line, "panic:") {
			found = append(found, line)
		}
	}
	return found, lines.Err()
}
