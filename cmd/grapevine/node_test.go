package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestANodeThatDoesNotBecomeReadySaysWhatMayBeWrong(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"ready in time": true, "not ready": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				quiet := warnWhileUnready(slog.New(slog.NewTextHandler(&out, nil)), []string{"first:7402"})
				time.Sleep(readySoon - time.Second)
				if stop {
					quiet()
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := out.String(); strings.Contains(got, "first:7402") == stop || strings.Count(got, "\n") > 1 {
					t.Errorf("said %q", got)
				}
			})
		})
	}
}
