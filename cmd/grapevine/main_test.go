package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grapevine/node/config"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"grapevine": main})
}

// TestTheCommandDoesAsItsManualSays runs testdata/script/*.txt, which are the
// manual by example.
func TestTheCommandDoesAsItsManualSays(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Values[processes{}] = map[string]*process{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"start": start,
			"halt":  halt,
			"until": until,
			"exits": exits,
		},
	})
}

// patience bounds what a script waits for.
const patience = 30 * time.Second

// process is a node that a script has started.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

type processes struct{}

// running gives the nodes of a script.
func running(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processes{}).(map[string]*process)
}

// start runs a node on ports of the system's choice: start NAME [FLAG…]. The
// script then has its addresses in $NAME_HTTP and $NAME_GOSSIP.
func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	cmd := exec.Command("grapevine", append([]string{
		"node", "--data", ts.MkAbs(name), "--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0", "--gossip", "127.0.0.1:0",
	}, args[1:]...)...)
	cmd.Path = path(ts)
	cmd.Dir = ts.MkAbs(".")
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd, make(chan error, 1)}
	lines := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		s.Scan()
		lines <- s.Text()
		p.done <- cmd.Wait()
	}()
	ts.Defer(func() { p.stop() })
	var ready config.Ready
	select {
	case line := <-lines:
		if json.Unmarshal([]byte(line), &ready) != nil {
			ts.Fatalf("node %s says %q instead of that it is ready:\n%s", name, line, ts.ReadFile(name+".log"))
		}
	case <-time.After(patience):
		ts.Fatalf("node %s does not become ready", name)
	}
	ts.Setenv(name+"_HTTP", ready.HTTP)
	ts.Setenv(name+"_GOSSIP", ready.Gossip)
	running(ts)[name] = p
}

// path finds the test's own grapevine.
func path(ts *testscript.TestScript) string {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if f := dir + "/grapevine"; exists(f) {
			return f
		}
	}
	ts.Fatalf("no grapevine in PATH")
	return ""
}

func exists(f string) bool {
	_, err := os.Stat(f)
	return err == nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("the node does not end"), p.cmd.Process.Kill())
	}
}

// halt ends a node in order: halt NAME.
func halt(ts *testscript.TestScript, _ bool, args []string) {
	p := running(ts)[args[0]]
	if p == nil {
		ts.Fatalf("no node %s runs", args[0])
	}
	ts.Check(p.stop())
}

// exits runs a command that must end with a code: exits CODE COMMAND….
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v ended with %d", args[1:], code)
	}
}

// until runs a command until it succeeds, or fails: [!] until COMMAND….
func until(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(patience)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v never came to be", args)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at the condition
	}
}
