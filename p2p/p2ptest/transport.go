// Package p2ptest holds the specification of the ports of package p2p as tests,
// which every implementation passes.
package p2ptest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"grapevine/p2p"
)

// patience bounds the wait for anything that must happen.
const patience = 10 * time.Second

// protocol is what the tests speak.
const protocol = "/grapevine/p2ptest/1"

// TestTransport tests transports against the contract of p2p.Transport. connect
// returns n of them that can reach one another, closes them when the test ends,
// and must bear that a test closed some before.
func TestTransport(t *testing.T, connect func(t *testing.T, n int) []p2p.Transport) {
	specs := map[string]func(*testing.T, p2p.Transport, p2p.Transport){
		"a call carries request, caller and reply":                     carriesCall,
		"a call to self runs the handler":                              callsSelf,
		"every one of many calls at once gets its own reply":           pipelines,
		"a slow handler does not hold up another call":                 runsConcurrently,
		"a remote error keeps its code, any other is internal":         carriesErrors,
		"a protocol that the peer does not serve is unsupported":       refusesUnknown,
		"the caller's deadline ends the call and the handler":          carriesDeadline,
		"a caller who gives up does not wait for the handler":          honoursCancel,
		"one-way messages of a protocol arrive in order":               sendsInOrder,
		"a message of MaxMessage passes, a larger one does not":        boundsMessages,
		"neither side sees what the other does to a message":           copiesMessages,
		"closing the peer breaks calls in flight and later ones":       breaksCalls,
		"Close ends the handlers' contexts and waits for them":         closesHandlers,
		"a closed transport refuses calls and messages with ErrClosed": refusesClosed,
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			ts := connect(t, 2)
			spec(t, ts[0], ts[1])
		})
	}
}

func refusesUnknown(t *testing.T, a, b p2p.Transport) {
	for _, to := range []p2p.NodeID{a.Self(), b.Self()} {
		var remote *p2p.RemoteError
		if _, err := a.Call(t.Context(), to, "/grapevine/p2ptest/unknown", nil); !errors.As(err, &remote) || remote.Code != p2p.CodeUnsupported {
			t.Errorf("got %v, want code %s", err, p2p.CodeUnsupported)
		}
	}
}

func carriesCall(t *testing.T, a, b p2p.Transport) {
	b.Handle(protocol, func(_ context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%s said %s", from, request), nil
	})
	want := fmt.Sprintf("%s said hello", a.Self())
	if got := string(call(t, a, b.Self(), []byte("hello"))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func callsSelf(t *testing.T, a, _ p2p.Transport) {
	a.Handle(protocol, func(_ context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		if from != a.Self() {
			return nil, fmt.Errorf("called by %s", from)
		}
		return append([]byte("me: "), request...), nil
	})
	if got := string(call(t, a, a.Self(), []byte("hello"))); got != "me: hello" {
		t.Errorf("got %q", got)
	}
}

func pipelines(t *testing.T, a, b p2p.Transport) {
	b.Handle(protocol, echo)
	ctx := patient(t)
	var wg sync.WaitGroup
	for i := range uint32(2000) {
		wg.Go(func() {
			request := binary.BigEndian.AppendUint32(nil, i)
			reply, err := a.Call(ctx, b.Self(), protocol, request)
			if err != nil || !bytes.Equal(reply, request) {
				t.Errorf("call %d: got %x, %v", i, reply, err)
			}
		})
	}
	wg.Wait()
}

func runsConcurrently(t *testing.T, a, b p2p.Transport) {
	release := make(chan struct{})
	b.Handle(protocol, func(ctx context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
		if string(request) == "fast" {
			close(release)
			return nil, nil
		}
		select {
		case <-release:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { call(t, a, b.Self(), []byte("slow")) })
	call(t, a, b.Self(), []byte("fast"))
	wg.Wait()
}

func carriesErrors(t *testing.T, a, b p2p.Transport) {
	b.Handle(protocol, func(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
		if string(request) == "coded" {
			return nil, fmt.Errorf("wrapped: %w", &p2p.RemoteError{Code: "teapot", Message: "short and stout"})
		}
		return nil, errors.New("plain")
	})
	for request, want := range map[string]string{"coded": "teapot", "plain": "internal"} {
		_, err := a.Call(patient(t), b.Self(), protocol, []byte(request))
		var remote *p2p.RemoteError
		if !errors.As(err, &remote) || remote.Code != want {
			t.Errorf("%s: got %v, want a RemoteError of code %s", request, err, want)
		}
		if errors.As(err, &remote) && want == "teapot" && remote.Message != "short and stout" {
			t.Errorf("got message %q", remote.Message)
		}
	}
}

func carriesDeadline(t *testing.T, a, b p2p.Transport) {
	ended, release := make(chan error, 1), make(chan struct{})
	defer close(release)
	b.Handle(protocol, func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		<-release // lest the answer race the caller's own deadline
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := a.Call(ctx, b.Self(), protocol, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if err := receive(t, ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the handler's context ended with %v, want DeadlineExceeded", err)
	}
}

func honoursCancel(t *testing.T, a, b p2p.Transport) {
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	b.Handle(protocol, func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		close(entered)
		<-release
		return nil, nil
	})
	ctx, cancel := context.WithCancel(patient(t))
	failed := make(chan error, 1)
	go func() {
		_, err := a.Call(ctx, b.Self(), protocol, nil)
		failed <- err
	}()
	receive(t, entered)
	cancel()
	if err := receive(t, failed); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

func sendsInOrder(t *testing.T, a, b p2p.Transport) {
	const messages = 1000
	arrived := make(chan uint32, messages)
	b.Handle(protocol, func(_ context.Context, _ p2p.NodeID, message []byte) ([]byte, error) {
		arrived <- binary.BigEndian.Uint32(message)
		return nil, nil
	})
	for i := range uint32(messages) {
		send(t, a, b.Self(), binary.BigEndian.AppendUint32(nil, i))
	}
	for want := range uint32(messages) {
		if got := receive(t, arrived); got != want {
			t.Fatalf("message %d came at place %d", got, want)
		}
	}
}

func boundsMessages(t *testing.T, a, b p2p.Transport) {
	b.Handle(protocol, echo)
	largest := bytes.Repeat([]byte{7}, p2p.MaxMessage)
	if reply := call(t, a, b.Self(), largest); !bytes.Equal(reply, largest) {
		t.Errorf("a message of MaxMessage came back as another of %d bytes", len(reply))
	}
	tooLarge := append(largest, 7)
	if _, err := a.Call(patient(t), b.Self(), protocol, tooLarge); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("Call: got %v, want ErrTooLarge", err)
	}
	if err := a.Send(patient(t), b.Self(), protocol, tooLarge); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("Send: got %v, want ErrTooLarge", err)
	}
}

func copiesMessages(t *testing.T, a, b p2p.Transport) {
	reply := []byte("reply")
	b.Handle(protocol, func(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
		clear(request)
		return reply, nil
	})
	request := []byte("request")
	got := call(t, a, b.Self(), request)
	if string(request) != "request" {
		t.Errorf("the handler changed the caller's request to %q", request)
	}
	clear(got)
	if string(reply) != "reply" {
		t.Errorf("the caller changed the handler's reply to %q", reply)
	}
}
