package trace_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/trace"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

// logged is a log at debug that can be read meanwhile.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) tracer() *trace.Tracer {
	return trace.New(slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
}

func quiet() *trace.Tracer { return trace.New(slog.New(slog.DiscardHandler), nil) }

func TestTheHeaderOfAClientIsFollowedWhenItIsOne(t *testing.T) {
	t.Parallel()
	var l logged
	for header, want := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":       true,
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later": true,
		"":  false,
		"x": false,
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01":   false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033zz-01": false,
	} {
		ctx, _ := l.tracer().Serve(t.Context(), header, "id")
		c, ok := trace.Of(ctx)
		if followed := c.Trace[0] == 0x0a && c.Trace[15] == 0x9c; !ok || followed != want || c.Request != "id" || !c.Sampled {
			t.Errorf("%q: %+v", header, c)
		}
	}
	ctx, _ := l.tracer().Serve(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "id")
	if c, _ := trace.Of(ctx); c.Sampled {
		t.Error("a client's wish not to be sampled is passed over")
	}
}

func TestNothingIsTracedThatNobodySees(t *testing.T) {
	t.Parallel()
	for _, tracer := range []*trace.Tracer{nil, quiet()} {
		ctx, span := tracer.Serve(t.Context(), "", "id")
		if _, ok := trace.Of(ctx); ok || span != nil {
			t.Error("a request is traced")
		}
		span.End("name", "")
	}
}

// between has node a ask node b, with the tracers given; nil leaves b as builds
// before this package were.
func between(t *testing.T, a, b *trace.Tracer, ask func(p2p.Transport)) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Options{})
		defer net.Close()
		from, to := net.Join("a", p2p.Addrs{}).Transport(), net.Join("b", p2p.Addrs{}).Transport()
		from = trace.Wrap(from, a)
		if b == nil {
			to.Handle("node/traced", func(context.Context, p2p.NodeID, []byte) ([]byte, error) {
				return nil, &p2p.RemoteError{Code: "unsupported"} // as libp2pnet says it
			})
		} else {
			to = trace.Wrap(to, b)
		}
		to.Handle("echo", func(ctx context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
			c, _ := trace.Of(ctx)
			if string(request) == "fail" {
				return nil, &p2p.RemoteError{Code: "teapot", Message: "short and stout"}
			}
			return append([]byte(c.Request+":"), request...), nil
		})
		ask(from)
	})
}

func TestTheRequestIdReachesTheLogOfThePeer(t *testing.T) {
	t.Parallel()
	var l logged
	tracer := l.tracer()
	between(t, tracer, tracer, func(from p2p.Transport) {
		ctx, _ := tracer.Serve(context.Background(), "", "request-7")
		if reply, err := from.Call(ctx, "b", "echo", []byte("x")); err != nil || string(reply) != "request-7:x" {
			t.Errorf("%q, %v", reply, err)
		}
		var remote *p2p.RemoteError
		if _, err := from.Call(ctx, "b", "echo", []byte("fail")); !errors.As(err, &remote) || remote.Code != "teapot" {
			t.Errorf("the peer's error came as %v", err)
		}
		if reply, err := from.Call(context.Background(), "b", "echo", []byte("x")); err != nil || string(reply) != ":x" {
			t.Errorf("untraced: %q, %v", reply, err)
		}
		large := make([]byte, p2p.MaxMessage-8)
		if _, err := from.Call(ctx, "b", "echo", large[:p2p.MaxMessage-32]); err != nil && !errors.Is(err, p2p.ErrTooLarge) {
			t.Errorf("a message of nearly the most: %v", err)
		}
	})
	if got := l.text.String(); strings.Count(got, "request=request-7 protocol=echo from=a") != 2 || !strings.Contains(got, "short and stout") {
		t.Errorf("logged %s", got)
	}
}

func TestAPeerOfAnEarlierBuildIsAskedPlainly(t *testing.T) {
	t.Parallel()
	var l logged
	tracer := l.tracer()
	between(t, tracer, nil, func(from p2p.Transport) {
		ctx, _ := tracer.Serve(context.Background(), "", "request-7")
		for range 2 {
			if reply, err := from.Call(ctx, "b", "echo", []byte("x")); err != nil || string(reply) != ":x" {
				t.Errorf("%q, %v", reply, err)
			}
		}
	})
}

func TestMalformedEnvelopesAreRefused(t *testing.T) {
	t.Parallel()
	between(t, quiet(), quiet(), func(from p2p.Transport) {
		whole := append(make([]byte, 25), 2, 'i', 'd', 4, 'e', 'c', 'h', 'o', 'x')
		if reply, err := from.Call(context.Background(), "b", "node/traced", whole); err != nil || string(reply) != "id:x" {
			t.Errorf("%q, %v", reply, err)
		}
		for n := range len(whole) - 1 {
			if _, err := from.Call(context.Background(), "b", "node/traced", whole[:n]); err == nil {
				t.Errorf("%d bytes are answered", n)
			}
		}
		whole[26] = '\n'
		if reply, err := from.Call(context.Background(), "b", "node/traced", whole); err != nil || string(reply) != ":x" {
			t.Errorf("an id with a line break: %q, %v", reply, err)
		}
	})
}

func TestSpansThatTheCollectorDoesNotTakeAreCountedAndGivenUp(t *testing.T) {
	t.Parallel()
	good := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil || !good {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	metrics := prometheus.NewRegistry()
	var l logged
	exporter := trace.NewExporter(server.URL+"/", "node", slog.New(slog.NewTextHandler(&l, nil)), metrics)
	tracer := trace.New(slog.New(slog.DiscardHandler), exporter)
	for _, good = range []bool{true, false, false} {
		for range 3 {
			_, span := tracer.Serve(t.Context(), "", "id")
			span.End("name", "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		exporter.Run(ctx) // sends what waits
	}
	for range 5000 {
		_, span := tracer.Serve(t.Context(), "", "id")
		span.End("name", "")
	}
	for outcome, want := range map[string]float64{"exported": 3, "refused": 6, "dropped": 5000 - 4096} {
		if got := count(t, metrics, outcome); got != want {
			t.Errorf("%v spans %s, want %v", got, outcome, want)
		}
	}
	if n := strings.Count(l.text.String(), "traces are lost"); n != 1 {
		t.Errorf("%d complaints", n)
	}
}

// count gives the spans with an outcome.
func count(t *testing.T, metrics *prometheus.Registry, outcome string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].Metric {
		if m.Label[0].GetValue() == outcome {
			return m.Counter.GetValue()
		}
	}
	return -1
}
