package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// Requests and replies of rare messages are CBOR; rows within them are in their
// own encoding. Decoding is bounded because messages come from the network.
var decoding = must(cbor.DecOptions{
	MaxArrayElements: 1 << 17,
	MaxNestedLevels:  8,
	MaxMapPairs:      1 << 10,
}.DecMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // a constant of this package is wrong
	}
	return v
}

// call sends a CBOR request and decodes the reply into out.
func (s *Store) call(ctx context.Context, to p2p.NodeID, protocol string, in, out any) error {
	request, err := cbor.Marshal(in)
	if err != nil {
		return err
	}
	reply, err := s.cfg.Transport.Call(ctx, to, protocol, request)
	if err != nil {
		return localError(err)
	}
	if err := decoding.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("reply of %s to %s: %w", to.Short(), protocol, err)
	}
	return nil
}

// handle registers a handler of CBOR requests. It answers store.ErrUnavailable
// until this node knows the ring.
func handle[In, Out any](s *Store, protocol string, h func(context.Context, p2p.NodeID, In) (Out, error)) {
	s.cfg.Transport.Handle(protocol, s.guarded(func(ctx context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		if s.placement.Load() == nil {
			return nil, wireError(store.ErrUnavailable)
		}
		var in In
		if err := decoding.Unmarshal(request, &in); err != nil {
			return nil, s.malformed(from, err)
		}
		out, err := h(ctx, from, in)
		if errors.Is(err, errMalformed) || errors.Is(err, causal.ErrMalformed) {
			return nil, s.malformed(from, err)
		}
		if err != nil {
			return nil, wireError(err)
		}
		return cbor.Marshal(out)
	}))
}

// errNotServing is a node's answer to a read that it should not serve: it does
// not own the data, or has not caught up.
var errNotServing = errors.New("replica: the node does not serve this partition now")

// wireErrors are the errors that keep their identity across nodes.
var wireErrors = map[string]error{
	"not-found":   store.ErrNotFound,
	"exists":      store.ErrExists,
	"too-large":   store.ErrTooLarge,
	"unavailable": store.ErrUnavailable,
	"overloaded":  store.ErrOverloaded,
	"no-space":    store.ErrNoSpace,
	"behind":      store.ErrBehind,
	"not-serving": errNotServing,
	"closed":      store.ErrEngineClosed,
}

// wireError gives an error a code that localError knows.
func wireError(err error) error {
	if err == nil {
		return nil
	}
	for code, known := range wireErrors {
		if errors.Is(err, known) {
			return &p2p.RemoteError{Code: code, Message: err.Error()}
		}
	}
	return err
}

func localError(err error) error {
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		if remote.Code == p2p.CodeUnsupported { // it has begun to listen, but not to serve
			return errNotServing
		}
		if known := wireErrors[remote.Code]; known != nil {
			return known
		}
	}
	return err
}
