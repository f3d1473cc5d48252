package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
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
			e.Values[writing{}] = new(writer)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"start":   start,
			"halt":    halt,
			"crash":   crash,
			"ends":    ends,
			"until":   until,
			"shows":   shows,
			"exits":   exits,
			"write":   write,
			"written": written,
		},
	})
}

// patience bounds what a script waits for.
const patience = time.Minute

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

// of gives a node by its name.
func of(ts *testscript.TestScript, name string) *process {
	p := running(ts)[name]
	if p == nil {
		ts.Fatalf("no node %s runs", name)
	}
	return p
}

// start runs a node on ports of the system's choice: start NAME [FLAG…]. The
// script then has its addresses in $NAME_HTTP and $NAME_GOSSIP, its short id in
// $NAME_ID, and what it prints in NAME.out and NAME.log.
func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	cmd := exec.Command("grapevine", append([]string{
		"node", "--data", ts.MkAbs(name), "--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0", "--gossip", "127.0.0.1:0",
	}, args[1:]...)...)
	cmd.Path = path(ts)
	cmd.Dir = ts.MkAbs(".")
	if secret := ts.Getenv("GRAPEVINE_SECRET_FILE"); secret != "" {
		cmd.Env = append(cmd.Environ(), "GRAPEVINE_SECRET_FILE="+secret)
	}
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd, make(chan error, 1)}
	first := make(chan string, 1)
	go func() { p.done <- errors.Join(record(out, ts.MkAbs(name+".out"), first), cmd.Wait()) }()
	ts.Defer(func() { p.stop() })
	var ready config.Ready
	select {
	case line := <-first:
		if json.Unmarshal([]byte(line), &ready) != nil {
			ts.Fatalf("node %s says %q instead of that it is ready:\n%s", name, line, ts.ReadFile(name+".log"))
		}
	case <-time.After(patience):
		ts.Fatalf("node %s does not become ready", name)
	}
	ts.Setenv(name+"_HTTP", ready.HTTP)
	ts.Setenv(name+"_GOSSIP", ready.Gossip)
	ts.Setenv(name+"_ID", short(ready.ID))
	running(ts)[name] = p
}

// record writes lines to a file and gives the first, which is empty when there is
// none.
func record(out io.Reader, file string, first chan<- string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	s := bufio.NewScanner(out)
	s.Scan()
	first <- s.Text()
	for more := true; more && err == nil; more = s.Scan() {
		_, err = fmt.Fprintln(f, s.Text())
	}
	return errors.Join(err, s.Err(), f.Close())
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
	return p.wait()
}

// wait waits for the end of the process.
func (p *process) wait() error {
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("the node does not end"), p.cmd.Process.Kill())
	}
}

// halt ends a node in order: halt NAME.
func halt(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(of(ts, args[0]).stop())
}

// crash ends a node at once: crash NAME.
func crash(ts *testscript.TestScript, _ bool, args []string) {
	p := of(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	_ = p.wait() // it was killed, and says so
}

// ends waits for a node to end by itself with success: ends NAME.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(of(ts, args[0]).wait())
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

// shows runs a command, whether it succeeds or not, until what it prints matches a
// pattern: shows PATTERN COMMAND….
func shows(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	deadline := time.Now().Add(patience)
	for {
		_ = ts.Exec(args[1], args[2:]...) // what it prints is looked at, not how it ends
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v never showed %s", args[1:], args[0])
		}
		time.Sleep(50 * time.Millisecond) // between two looks at the condition
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
