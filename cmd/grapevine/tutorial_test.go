package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTheTutorialWorksAsWritten runs the shell blocks of TUTORIAL.md, in their order
// and in one shell, against a node of its own.
func TestTheTutorialWorksAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash on this machine")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "TUTORIAL.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 8 {
		t.Fatalf("only %d blocks", len(blocks))
	}
	for _, b := range blocks {
		script.WriteString(b[1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-e", "-u", "-o", "pipefail", "-x", "-c", "TOKEN= KEY=\n"+script.String())
	cmd.Env = append(os.Environ(), "NODE="+startNode(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}

// startNode starts the program as a node, and gives its URL.
func startNode(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "grapevine")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	node := exec.Command(program, "node", "--data", filepath.Join(dir, "data"),
		"--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0", "--gossip", "127.0.0.1:0")
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Signal(os.Interrupt) // it may have ended by itself
		_ = node.Wait()
	})
	var ready struct{ HTTP string }
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("the node said nothing: %v", lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &ready); err != nil || ready.HTTP == "" {
		t.Fatalf("the node said %s: %v", lines.Text(), err)
	}
	return "http://" + ready.HTTP
}
