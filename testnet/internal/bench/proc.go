package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of CPU time in /proc, fixed by Linux's interface.
const tick = 10 * time.Millisecond

// usage gives the CPU time that a process has used and the bytes it has in
// memory.
func usage(pid int) (cpu time.Duration, rss int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	// The second field is a name in parentheses that may itself hold blanks.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 22 {
		return 0, 0, fmt.Errorf("bench: /proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(i int) int64 {
		n, parseErr := strconv.ParseInt(string(fields[i]), 10, 64)
		if parseErr != nil {
			err = fmt.Errorf("bench: /proc/%d/stat: %w", pid, parseErr)
		}
		return n
	}
	cpu = time.Duration(number(11)+number(12)) * tick
	rss = number(21) * int64(os.Getpagesize())
	return cpu, rss, err
}
