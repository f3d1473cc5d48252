//go:build linux

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program be what runs in namespaces of its own, and the
// nodes there.
func TestMain(m *testing.M) {
	run := map[string]func([]string) error{"inside": inside, "echo": echo, "call": call}[os.Args[1]]
	if run == nil {
		os.Exit(m.Run())
	}
	if err := run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestNodesOfALabReachOneAnotherAsTheirLinksSay(t *testing.T) {
	t.Parallel()
	cmd, err := Command(t.Context(), "inside", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if errors.Is(err, syscall.EPERM) || strings.Contains(out.String(), fs.ErrPermission.Error()) || strings.Contains(out.String(), syscall.EPERM.Error()) {
		t.Skipf("this machine forbids namespaces: %v %s", err, out.String())
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
}

// inside makes a lab with a node that echoes, and has another call it.
func inside(args []string) error {
	if err := MountProc(); err != nil {
		return err
	}
	small := filepath.Join(args[0], "small")
	if err := errors.Join(os.Mkdir(small, 0o700), MountSmall(small, 1<<20)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(small, "large"), make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("a file larger than the disk: %w", err)
	}
	l, err := Open()
	if err != nil {
		return err
	}
	defer l.Close()
	addr := l.Host(1) + ":7000"
	server := self("echo", addr)
	if err := l.Enter(1, server.Start); err != nil {
		return err
	}
	defer server.Process.Kill()
	if err := call([]string{addr, "10s"}); err != nil {
		return fmt.Errorf("from the driver: %w", err)
	}
	for _, c := range []struct {
		links map[[2]int]Link
		reach bool
	}{
		{nil, true},
		{map[[2]int]Link{{1, 2}: {Cut: true}}, false},
		{map[[2]int]Link{{2, 1}: {Cut: true}}, false},
		{map[[2]int]Link{{1, 3}: {Cut: true}}, true},
	} {
		l.Set(c.links)
		caller := self("call", addr, map[bool]string{true: "10s", false: "300ms"}[c.reach])
		if err := l.Enter(2, caller.Start); err != nil {
			return err
		}
		if err := caller.Wait(); (err == nil) != c.reach {
			return fmt.Errorf("with links %v: %w", c.links, err)
		}
	}
	return nil
}

func self(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// echo answers at an address what it is told there.
func echo(args []string) error {
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go io.Copy(conn, conn)
	}
}

// call says something at an address until it is answered or the time is over.
func call(args []string) error {
	within, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	deadline := time.Now().Add(within)
	for {
		if err = hear(args[0], deadline); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func hear(addr string, deadline time.Time) error {
	conn, err := net.DialTimeout("tcp", addr, time.Until(deadline))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte("anybody?")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, len("anybody?")))
	return err
}
