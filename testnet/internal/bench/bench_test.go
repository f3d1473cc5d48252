package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"grapevine/testnet/internal/stats"
)

func TestTheLeanConnectionReadsPlainAndChunkedAnswersAndDialsAnew(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grapevine-Copies", "3")
		switch r.URL.Path {
		case "/long":
			io.WriteString(w, long)
		case "/echo":
			b, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, "%s %s", r.Header.Get("Authorization"), b)
		case "/gone":
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	c := &conn{addr: server.Listener.Addr().String()}
	defer c.close()
	for range 2 {
		if r, err := c.call(render("GET", "/long", "", nil)); err != nil || string(r.body) != long || r.copies != 3 {
			t.Fatalf("%v: %d bytes, %d copies", err, len(r.body), r.copies)
		}
		r, err := c.call(render("POST", "/echo", "tok", []byte("hello")))
		if err != nil || r.status != http.StatusCreated || string(r.body) != "Bearer tok hello" {
			t.Fatalf("%v: %d %s", err, r.status, r.body)
		}
		if _, err := c.call(render("GET", "/gone", "", nil)); err == nil {
			t.Fatal("no error from a connection that was cut")
		}
	}
}

func TestAWrongAnswerEndsAMeasurement(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := drive(t.Context(), time.Minute, load{
		clients: 3, addrs: []string{server.Listener.Addr().String()}, check: wantStatus(200),
		request: func(int, int) []byte { return render("GET", "/", "", nil) },
	})
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("got %v", err)
	}
}

func TestFewerThanTwoCopiesAreSeen(t *testing.T) {
	t.Parallel()
	b := newBench(Config{})
	for _, copies := range []int{3, 1, 2} {
		if err := b.copied(reply{status: http.StatusCreated, copies: copies}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.fewest.Load(); got != 1 {
		t.Errorf("fewest copies %d, want 1", got)
	}
	b = newBench(Config{})
	for _, copies := range []int{2, 0, 3} {
		if err := b.copied(reply{status: http.StatusCreated, copies: copies}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.fewest.Load(); got != 0 {
		t.Errorf("fewest copies %d, want 0", got)
	}
}

func TestEnginesOfTheFloorCommit(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, string, time.Duration, int) (outcome, error){"grouped": grouped, "bare": bare} {
		o, err := run(t.Context(), t.TempDir(), 50*time.Millisecond, 4)
		if err != nil || o.latency.Count < 4 || o.perSecond <= 0 {
			t.Errorf("%s: %v %+v", name, err, o)
		}
	}
}

func TestTheFloorServesWhatItWasGiven(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(floorHandler())
	defer server.Close()
	f := &floorProcess{addr: server.Listener.Addr().String()}
	page := `{"items":[{"id":"1","author":"a","text":"t","visibility":"public","created_at":"2026-01-02T03:04:05Z"}]}`
	for path, body := range map[string]string{"/stored": "whatever", "/page": page} {
		if err := f.put(path, []byte(body)); err != nil {
			t.Fatal(err)
		}
		c := &conn{addr: f.addr}
		defer c.close()
		r, err := c.call(render("GET", path, "", nil))
		if err != nil || strings.TrimSpace(string(r.body)) != body {
			t.Errorf("%s: %v %s", path, err, r.body)
		}
	}
}

func TestSeriesAlternateAndTheirMediansAreCompared(t *testing.T) {
	t.Parallel()
	var order []string
	fake := func(name string, rates ...float64) *series {
		return &series{name: name, run: func(context.Context, time.Duration) (outcome, error) {
			order = append(order, name)
			o := outcome{perSecond: rates[0], latency: stats.Summary{P50: time.Millisecond}}
			rates = rates[1:]
			return o, nil
		}}
	}
	a, b := fake("a", 100, 900, 200), fake("b", 400, 100, 500)
	if err := interleave(t.Context(), 3, time.Second, []*series{a, b}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "ababab" {
		t.Errorf("order %s", got)
	}
	var r Report
	r.rates("1/s", 300, 0, a, b)
	if r.Lines[0].Value != 200 || r.Lines[1].Ratio != 0.5 || r.Met() {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "MISSED") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestUsageOfThisProcessIsPlausible(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no /proc")
	}
	_, rss, err := usage(os.Getpid())
	if err != nil || rss < 1<<20 || rss > 16<<30 {
		t.Errorf("%v: %d bytes", err, rss)
	}
}
