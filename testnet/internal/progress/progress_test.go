package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestPlainLinesComeAtIntervalsWithRateAndRemainingTime(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := newPlain(&out, "posts", 100, func() time.Time { return now })
	p.Add(10)
	if out.Len() > 0 {
		t.Fatalf("a line at once: %s", out.String())
	}
	now = now.Add(5 * time.Second)
	p.Add(10)
	if want := "posts: 20 of 100 (20%), 4/s, 20s left\n"; out.String() != want {
		t.Fatalf("got %q, want %q", out.String(), want)
	}
	p.Add(80)
	p.Done()
	if !strings.HasSuffix(out.String(), "100 of 100 (100%), 20/s, 0s left\n") {
		t.Fatalf("got %q", out.String())
	}
}
