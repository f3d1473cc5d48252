package trace

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"grapevine/p2p"
)

// protoTraced carries a call of any protocol in an envelope with its Context. It is
// used for what is traced alone, and towards peers that serve it: builds before it
// are asked plainly.
const protoTraced = "node/traced"

// transport is a p2p.Transport whose calls take the Context of their ctx along.
type transport struct {
	p2p.Transport
	tracer *Tracer

	mu       sync.RWMutex
	handlers map[string]p2p.Handler
	plain    map[p2p.NodeID]time.Time // peers that do not serve protoTraced, since when that is known
}

// plainFor is how long a peer is taken for one of an earlier build.
const plainFor = time.Minute

// Wrap makes a Transport that is traced.
func Wrap(t p2p.Transport, tracer *Tracer) p2p.Transport {
	out := &transport{
		Transport: t, tracer: tracer,
		handlers: map[string]p2p.Handler{}, plain: map[p2p.NodeID]time.Time{},
	}
	t.Handle(protoTraced, out.answer)
	return out
}

// Handle implements p2p.Transport.
func (t *transport) Handle(protocol string, h p2p.Handler) {
	t.mu.Lock()
	t.handlers[protocol] = h
	t.mu.Unlock()
	t.Transport.Handle(protocol, h)
}

// Call implements p2p.Transport.
func (t *transport) Call(ctx context.Context, to p2p.NodeID, protocol string, request []byte) ([]byte, error) {
	c, ok := Of(ctx)
	if !ok || to == t.Self() || t.isPlain(to) {
		return t.Transport.Call(ctx, to, protocol, request)
	}
	_, span := t.tracer.begin(ctx, c, protocol, Client, Attribute{"peer.service", to.Short()})
	envelope := seal(span.Context, protocol, request)
	if len(envelope) > p2p.MaxMessage {
		return t.Transport.Call(ctx, to, protocol, request)
	}
	reply, err := t.Transport.Call(ctx, to, protoTraced, envelope)
	var remote *p2p.RemoteError
	if errors.As(err, &remote) && remote.Code == p2p.CodeUnsupported {
		t.mu.Lock()
		t.plain[to] = time.Now()
		t.mu.Unlock()
		reply, err = t.Transport.Call(ctx, to, protocol, request)
	}
	span.End(protocol, failure(err))
	return reply, err
}

func (t *transport) isPlain(peer p2p.NodeID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	since, ok := t.plain[peer]
	return ok && time.Since(since) < plainFor
}

// answer is the handler of protoTraced.
func (t *transport) answer(ctx context.Context, from p2p.NodeID, envelope []byte) ([]byte, error) {
	c, protocol, request, ok := open(envelope)
	t.mu.RLock()
	h := t.handlers[protocol]
	t.mu.RUnlock()
	if !ok || h == nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeUnsupported, Message: "the traced protocol is not served"}
	}
	ctx, span := t.tracer.begin(ctx, c, protocol, Server)
	reply, err := h(ctx, from, request)
	t.tracer.log.LogAttrs(ctx, slog.LevelDebug, "answered a peer", slog.String("request", c.Request),
		slog.String("protocol", protocol), slog.String("from", from.Short()),
		slog.Duration("took", time.Since(span.start)), slog.Any("error", err))
	span.End(protocol, failure(err), Attribute{"peer.service", from.Short()})
	return reply, err
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// seal makes the envelope: trace (16 bytes), span (8), flags (1, the last bit is
// Sampled), request id and protocol, each with a length byte, and the request.
func seal(c Context, protocol string, request []byte) []byte {
	b := make([]byte, 0, 27+len(c.Request)+len(protocol)+len(request))
	b = append(append(b, c.Trace[:]...), c.Span[:]...)
	flags := byte(0)
	if c.Sampled {
		flags = 1
	}
	b = append(b, flags, byte(len(c.Request)))
	b = append(append(b, c.Request...), byte(len(protocol)))
	return append(append(b, protocol...), request...)
}

// open reads an envelope. A request id that is not fit for a log is left out.
func open(b []byte) (c Context, protocol string, request []byte, ok bool) {
	if len(b) < 27 {
		return c, "", nil, false
	}
	copy(c.Trace[:], b)
	copy(c.Span[:], b[16:])
	c.Sampled = b[24]&1 != 0
	id, rest, ok := cut(b[25:])
	if !ok || len(id) > MaxRequest {
		return c, "", nil, false
	}
	c.Request = printable(id)
	name, request, ok := cut(rest)
	return c, string(name), request, ok
}

// cut takes what a length byte tells off.
func cut(b []byte) (head, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

func printable(id []byte) string {
	for _, c := range id {
		if c <= ' ' || c > '~' || c == '"' {
			return ""
		}
	}
	return string(id)
}
