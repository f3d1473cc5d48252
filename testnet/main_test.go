package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFlagsTakeOneDashOrTwoAndStandAnywhere(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"-n 5 -data D -load A -load B",
		"--n 5 --data D --load A --load B",
		"up --n=5 -data=D --load A -load=B",
	} {
		v, o, err := parse(strings.Fields(line), io.Discard)
		if err != nil || v.name != "up" {
			t.Fatalf("%s: %s, %v", line, v.name, err)
		}
		if o.nodes != 5 || o.data != "D" || o.dir() != "D" || !slices.Equal(o.loads, []string{"A", "B"}) {
			t.Errorf("%s: %+v", line, o)
		}
	}
	v, o, err := parse([]string{"kill", "2", "-data", "D", "3"}, io.Discard)
	if err != nil || v.name != "kill" || o.data != "D" || !slices.Equal(o.args, []string{"2", "3"}) {
		t.Errorf("%s %+v, %v", v.name, o, err)
	}
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	_, o, err := parse(nil, io.Discard)
	if err != nil || o.nodes != 3 || o.workers != 64 || !strings.HasPrefix(o.dir(), os.TempDir()) {
		t.Errorf("up: %+v, %v", o, err)
	}
	_, o, err = parse([]string{"check"}, io.Discard)
	if err != nil || o.timeout != time.Minute {
		t.Errorf("check: %+v, %v", o, err)
	}
	_, o, err = parse([]string{"bench"}, io.Discard)
	if err != nil || o.duration != 5*time.Second || o.clients != 64 {
		t.Errorf("bench: %+v, %v", o, err)
	}
}

func TestMistakesAreUsageErrors(t *testing.T) {
	t.Parallel()
	devNull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer devNull.Close()
	for _, line := range []string{
		"harvest", "-n 0", "-n 33", "-n many", "-vintage 1982", "kill", "partition", "partition 1|2 3",
		"heal 1", "check -o xml", "bench -duration 1ms", "load", "load D -workers 0", "kill 1 -n 3",
	} {
		if code := run(t.Context(), strings.Fields(line), devNull, devNull); code != exitUsage {
			t.Errorf("%s: exit %d, want %d", line, code, exitUsage)
		}
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, _, err := parse([]string{"-n", "0", "-limit", "-1"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-n must") || !strings.Contains(err.Error(), "-limit must") {
		t.Errorf("got %v", err)
	}
}

func TestHelpNamesEveryVerbAndFlag(t *testing.T) {
	t.Parallel()
	var help bytes.Buffer
	_, _, err := parse([]string{"-help"}, &help)
	if err == nil {
		t.Fatal("help must end the command")
	}
	for _, word := range []string{"up", "load", "kill", "restart", "partition", "heal", "status", "check", "bench", "stop", "-n", "-keep", "-limit"} {
		if !strings.Contains(help.String(), word) {
			t.Errorf("help does not name %s:\n%s", word, help.String())
		}
	}
	if strings.Contains(help.String(), "\n  floor") {
		t.Error("help names the verb that is for the program itself")
	}
}

func TestVerbsWithoutATestnetSayHowToStartOne(t *testing.T) {
	t.Parallel()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	dir := t.TempDir()
	for _, verb := range []string{"kill 1", "restart 1", "partition 1|2", "heal", "status", "check", "stop", "load X"} {
		if code := run(t.Context(), append(strings.Fields(verb), "-data", dir), out, out); code != exitFailed {
			t.Errorf("%s: exit %d, want %d", verb, code, exitFailed)
		}
	}
	said, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(said), "start one with: go run ./testnet"); n != 8 {
		t.Errorf("%d of 8 verbs said so:\n%s", n, said)
	}
}
