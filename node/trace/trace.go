// Package trace follows a request through the nodes that work on it: under one
// request id in their logs, and as spans for an OpenTelemetry collector. What is
// sent to the collector is OTLP over HTTP in its JSON encoding, which needs none of
// OpenTelemetry's libraries.
package trace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// Context is what travels with a request from node to node.
type Context struct {
	Trace   [16]byte
	Span    [8]byte // that of who asks
	Sampled bool    // spans are exported
	Request string  // the id in the logs, at most MaxRequest bytes
}

// MaxRequest bounds the bytes of a request's id.
const MaxRequest = 64

type key struct{}

// Of gives the Context that a request is worked on under, if any.
func Of(ctx context.Context) (Context, bool) {
	c, ok := ctx.Value(key{}).(Context)
	return c, ok
}

// Tracer makes spans. A nil Tracer makes none.
type Tracer struct {
	log      *slog.Logger
	exporter *Exporter
}

// New makes a Tracer that logs what peers ask at debug, and exports spans when
// exporter is not nil.
func New(log *slog.Logger, exporter *Exporter) *Tracer { return &Tracer{log, exporter} }

// wanted says whether anybody will see what is traced.
func (t *Tracer) wanted() bool {
	return t != nil && (t.exporter != nil || t.log.Enabled(context.Background(), slog.LevelDebug))
}

// Kinds of spans, by their numbers in OTLP.
const (
	Server = 2
	Client = 3
)

// Span is a piece of work. A nil Span is of work that is not traced.
type Span struct {
	tracer *Tracer
	Context
	parent     [8]byte // zero for none
	name       string
	kind       int
	start      time.Time
	attributes []Attribute
}

// Attribute is a fact about a span, in the names of OpenTelemetry's conventions.
type Attribute struct{ Key, Value string }

// Serve begins the span of a request of a client. parent is its traceparent header
// (W3C Trace Context), which is followed when it is one.
func (t *Tracer) Serve(ctx context.Context, parent, request string) (context.Context, *Span) {
	if !t.wanted() {
		return ctx, nil
	}
	c, ok := parseParent(parent)
	if !ok {
		c.Sampled = true
		rand.Read(c.Trace[:])
	}
	c.Request = request[:min(len(request), MaxRequest)]
	return t.begin(ctx, c, "request", Server)
}

// begin begins a span below c.
func (t *Tracer) begin(ctx context.Context, c Context, name string, kind int, attributes ...Attribute) (context.Context, *Span) {
	s := &Span{tracer: t, parent: c.Span, Context: c, name: name, kind: kind, start: time.Now(), attributes: attributes}
	rand.Read(s.Span[:])
	return context.WithValue(ctx, key{}, s.Context), s
}

// End ends the span under its final name. A failure is "" or says what failed.
func (s *Span) End(name, failure string, attributes ...Attribute) {
	if s == nil || s.tracer.exporter == nil || !s.Sampled {
		return
	}
	s.tracer.exporter.add(record{
		span: s, name: name, end: time.Now(), failure: failure,
		attributes: append(append(s.attributes, Attribute{"grapevine.request", s.Request}), attributes...),
	})
}

// parseParent reads a traceparent header of any version: the first four fields are
// the same in all.
func parseParent(header string) (Context, bool) {
	var c Context
	parts := strings.Split(header, "-")
	if len(header) > 256 || len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || len(parts[3]) != 2 {
		return c, false
	}
	flags, err := hex.DecodeString(parts[3])
	err = errors.Join(err, decodeHex(c.Trace[:], parts[1]), decodeHex(c.Span[:], parts[2]))
	if err != nil || c.Trace == [16]byte{} || c.Span == [8]byte{} {
		return Context{}, false
	}
	c.Sampled = flags[0]&1 != 0
	return c, true
}

var errLength = errors.New("trace: wrong length")

func decodeHex(to []byte, text string) error {
	if len(text) != 2*len(to) {
		return errLength
	}
	_, err := hex.Decode(to, []byte(text))
	return err
}
