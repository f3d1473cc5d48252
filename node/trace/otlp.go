package trace

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// The parts of an ExportTraceServiceRequest that are used, in the names of OTLP's
// JSON encoding: ids in hex, 64-bit numbers as strings.
type (
	otlpRequest struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes"`
		Status     otlpStatus      `json:"status"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String string `json:"stringValue"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
)

const statusError = 2

// encode makes the body of a request with the spans of a node.
func encode(node string, batch []record) []byte {
	spans := make([]otlpSpan, len(batch))
	for i, r := range batch {
		spans[i] = r.encode()
	}
	body, err := json.Marshal(otlpRequest{[]otlpResourceSpans{{
		Resource: otlpResource{attributes([]Attribute{
			{"service.name", "grapevine"}, {"service.instance.id", node},
		})},
		ScopeSpans: []otlpScopeSpans{{Scope: otlpScope{"grapevine/node/trace"}, Spans: spans}},
	}}})
	if err != nil {
		panic(err) // structs of strings
	}
	return body
}

func (r record) encode() otlpSpan {
	s := otlpSpan{
		TraceID: hex.EncodeToString(r.span.Trace[:]), SpanID: hex.EncodeToString(r.span.Span[:]),
		Name: r.name, Kind: r.span.kind, Start: nanos(r.span.start), End: nanos(r.end),
		Attributes: attributes(r.attributes),
	}
	if r.span.parent != [8]byte{} {
		s.ParentID = hex.EncodeToString(r.span.parent[:])
	}
	if r.failure != "" {
		s.Status = otlpStatus{statusError, r.failure}
	}
	return s
}

func attributes(list []Attribute) []otlpAttribute {
	out := make([]otlpAttribute, len(list))
	for i, a := range list {
		out[i] = otlpAttribute{a.Key, otlpValue{a.Value}}
	}
	return out
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
