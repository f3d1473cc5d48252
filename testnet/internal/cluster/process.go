package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Process names a process so that a later one of the same number is not taken
// for it.
type Process struct {
	PID   int    `json:"pid"`
	Begun uint64 `json:"begun"` // the kernel's start time; 0 where there is no /proc
}

// identify names a living process.
func identify(pid int) Process {
	_, begun := procStat(pid)
	return Process{PID: pid, Begun: begun}
}

// procStat gives the state letter and start time of a process from /proc, 0 and
// 0 where it has none.
func procStat(pid int) (state byte, begun uint64) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	// The second field is a name in parentheses that may itself hold blanks.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return 0, 0
	}
	begun, err = strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0, 0
	}
	return fields[0][0], begun
}

// Alive says whether the process runs. One that has ended but has not been
// waited for does not.
func (p Process) Alive() bool {
	if p.PID <= 0 || syscall.Kill(p.PID, 0) != nil {
		return false
	}
	state, begun := procStat(p.PID)
	return state != 'Z' && begun == p.Begun
}

func (p Process) terminate() error  { return p.signal(syscall.SIGTERM) }
func (p Process) signalKill() error { return p.signal(syscall.SIGKILL) }

func (p Process) signal(s syscall.Signal) error {
	if !p.Alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.PID, s)
}

// poll is how often a process that is no child is looked at.
const poll = 10 * time.Millisecond

// await returns when the process has ended.
func (p Process) await(timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); p.Alive(); time.Sleep(poll) {
		if time.Now().After(deadline) {
			return fmt.Errorf("cluster: process %d still runs", p.PID)
		}
	}
	return nil
}

// child is a process that this one started.
type child struct {
	pid    int
	cmd    *exec.Cmd
	out    string
	exited chan struct{} // closed when it has ended; err is set before
	err    error
}

// spawn starts a node in its own process group, so that a Ctrl-C at the terminal
// reaches it only through the testnet. What it prints goes to files, which
// outlive this process as the node may.
func spawn(binary string, args []string, log, out string) (*child, error) {
	logFile, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	defer logFile.Close()
	outFile, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	defer outFile.Close()
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = outFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cluster: start node: %w", err)
	}
	c := &child{pid: cmd.Process.Pid, cmd: cmd, out: out, exited: make(chan struct{})}
	go func() { // ends with the process
		c.err = cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

func (c *child) kill() {
	// It fails only on a process that has ended, which is what is wanted.
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// ready is the line that a node prints when it serves.
type ready struct {
	Event, HTTP, P2P, Gossip, ID string
}

// awaitReady returns what the node printed when it began to serve.
func (c *child) awaitReady(ctx context.Context) (ready, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errors.New("not ready after "+readyTimeout.String()))
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if r, ok, err := readReady(c.out); ok || err != nil {
			return r, err
		}
		select {
		case <-ticker.C:
		case <-c.exited:
			return ready{}, fmt.Errorf("ended before it was ready: %w", ended(c.err))
		case <-ctx.Done():
			return ready{}, context.Cause(ctx)
		}
	}
}

func readReady(path string) (ready, bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return ready{}, false, err
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	if !whole {
		return ready{}, false, nil
	}
	var r ready
	if err := json.Unmarshal(line, &r); err != nil || r.Event != "ready" || r.HTTP == "" {
		return ready{}, false, fmt.Errorf("printed %q instead of its ready line", line)
	}
	return r, true, nil
}

// errExitZero stands for the silence of exec about a process that ended well.
var errExitZero = errors.New("exit status 0")

func ended(err error) error {
	if err == nil {
		return errExitZero
	}
	return err
}

// tailBytes is how much of a log is shown when a node fails.
const tailBytes = 2000

// tail gives the end of a log for an error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(b) > tailBytes {
		b = b[len(b)-tailBytes:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return fmt.Sprintf("end of %s:\n%s", path, b)
}
