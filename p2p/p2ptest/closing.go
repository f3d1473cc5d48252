package p2ptest

import (
	"context"
	"errors"
	"testing"
	"time"

	"grapevine/p2p"
)

func breaksCalls(t *testing.T, a, b p2p.Transport) {
	entered := make(chan struct{})
	b.Handle(protocol, func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	failed := make(chan error, 1)
	go func() {
		_, err := a.Call(patient(t), b.Self(), protocol, nil)
		failed <- err
	}()
	receive(t, entered)
	closed(t, b)
	var remote *p2p.RemoteError
	// The handler may get its answer out before the stream ends.
	if err := receive(t, failed); !errors.Is(err, p2p.ErrUnreachable) && !errors.As(err, &remote) {
		t.Errorf("in flight: got %v, want ErrUnreachable", err)
	}
	if _, err := a.Call(patient(t), b.Self(), protocol, nil); !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("afterwards: got %v, want ErrUnreachable", err)
	}
}

func closesHandlers(t *testing.T, a, b p2p.Transport) {
	entered, told, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.Handle(protocol, func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		close(told)
		<-release
		return nil, nil
	})
	send(t, a, b.Self(), nil)
	receive(t, entered)
	returned := make(chan error, 1)
	go func() { returned <- b.Close() }()
	receive(t, told)
	select {
	case <-returned:
		t.Error("Close returned while a handler ran")
	default:
	}
	close(release)
	if err := receive(t, returned); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func refusesClosed(t *testing.T, a, b p2p.Transport) {
	b.Handle(protocol, echo)
	call(t, a, b.Self(), nil)
	closed(t, a)
	if _, err := a.Call(patient(t), b.Self(), protocol, nil); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("Call: got %v, want ErrClosed", err)
	}
	if err := a.Send(patient(t), b.Self(), protocol, nil); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("Send: got %v, want ErrClosed", err)
	}
}

func echo(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) { return request, nil }

// patient gives a context that ends before a test would hang.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func call(t *testing.T, from p2p.Transport, to p2p.NodeID, request []byte) []byte {
	t.Helper()
	reply, err := from.Call(patient(t), to, protocol, request)
	if err != nil {
		t.Errorf("Call: %v", err)
	}
	return reply
}

// send sends a message, waiting while the queue is full.
func send(t *testing.T, from p2p.Transport, to p2p.NodeID, message []byte) {
	t.Helper()
	for ctx := patient(t); ; {
		err := from.Send(ctx, to, protocol, message)
		if err == nil {
			return
		}
		if !errors.Is(err, p2p.ErrOverloaded) || ctx.Err() != nil {
			t.Fatalf("Send: %v", err)
		}
		time.Sleep(time.Millisecond) // let the queue drain
	}
}

func closed(t *testing.T, transport p2p.Transport) {
	t.Helper()
	if err := transport.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// receive waits for a value, or for the channel to be closed.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
