package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// command is the testnet command as its users run it, built once, with the
// program of the nodes beside it.
type command struct {
	t       *testing.T
	self    string
	program string
	data    string
}

func build(t *testing.T) command {
	t.Helper()
	dir := t.TempDir()
	c := command{t: t, self: filepath.Join(dir, "testnet"), program: filepath.Join(dir, "grapevine"), data: filepath.Join(dir, "run")}
	for out, pkg := range map[string]string{c.self: "grapevine/testnet", c.program: "grapevine/cmd/grapevine"} {
		if b, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, b)
		}
	}
	return c
}

// lines collects output and says when it holds a text.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	new chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.new <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// up starts a testnet, waits until it says how to end it, and has the test end
// it.
func (c command) up() {
	c.t.Helper()
	out := &lines{new: make(chan struct{}, 1)}
	cmd := exec.Command(c.self, "-data", c.data, "-bin", c.program)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	c.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			c.t.Error(err)
		}
		if err := <-exited; err != nil {
			c.t.Errorf("testnet ended with %v:\n%s", err, out)
		}
	})
	deadline := time.After(time.Minute)
	for !strings.Contains(out.String(), "Ctrl-C ends it.") {
		select {
		case <-out.new:
		case err := <-exited:
			exited <- err
			c.t.Fatalf("testnet ended early: %v\n%s", err, out)
		case <-deadline:
			c.t.Fatalf("testnet did not come up:\n%s", out)
		}
	}
}

// does runs a verb, which must succeed, and gives what it printed.
func (c command) does(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	b, err := exec.CommandContext(ctx, c.self, append(args, "-data", c.data)...).CombinedOutput()
	c.t.Logf("testnet %s (%s)\n%s", strings.Join(args, " "), time.Since(begun).Round(time.Millisecond), b)
	if err != nil {
		c.t.Fatalf("testnet %s: %v", strings.Join(args, " "), err)
	}
	return string(b)
}

// dataFile writes a file to load.
func dataFile(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// strangers know nobody: each side of a cut can make them and take what they
// say.
const strangers = `{"id":"1","author":"ann","text":"Is anybody there?"}
{"id":"2","author":"ben","text":"Is anybody there?"}
{"id":"3","author":"cleo","text":"Is anybody there?"}
{"id":"4","author":"ann","text":"It has gone quiet."}
{"id":"5","author":"ben","text":"It has gone quiet."}
{"id":"6","author":"cleo","text":"It has gone quiet."}
`

func TestTheTestnetConvergesThroughACrashAndAPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	c := build(t)
	c.up()
	if got := c.does("check"); !strings.Contains(got, "verdict: OK") {
		t.Fatal("the verdict is missing")
	}
	c.does("kill", "2")
	c.does("load", dataFile(t, "edges.txt", "1 2\n2 3\n3 1\n")) // written while node 2 is down
	c.does("restart", "2")
	c.does("check")
	c.does("partition", "1|2,3")
	c.does("load", dataFile(t, "posts.ndjson", strangers)) // written on both sides
	if got := c.does("status"); !strings.Contains(got, "[2 3]") {
		t.Error("status does not show the cut")
	}
	c.does("heal")
	c.does("check")
}
