package node_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"grapevine/node/config"
)

// collector is an OpenTelemetry collector that remembers.
type collector struct {
	mu    sync.Mutex
	spans []span
}

type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Attributes                          []struct {
		Key   string
		Value struct{ StringValue string }
	}
}

// request gives the request id that a span tells.
func (s span) request() string {
	for _, a := range s.Attributes {
		if a.Key == "grapevine.request" {
			return a.Value.StringValue
		}
	}
	return ""
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range body.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// below gives the spans of a trace that were begun by another.
func (c *collector) below(trace, parent string, kind int) (out []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.TraceID == trace && s.ParentSpanID == parent && s.Kind == kind {
			out = append(out, s)
		}
	}
	return out
}

func TestATraceFollowsARequestFromTheClientThroughTheNodes(t *testing.T) {
	t.Parallel()
	var spans collector
	server := httptest.NewServer(&spans)
	t.Cleanup(server.Close)
	first := config.Default(t.TempDir())
	first.OTLPEndpoint = server.URL
	a := machine(t, first)
	second := config.Default(t.TempDir())
	// It owns nothing, so that it has to ask.
	second.SecretFile, second.Join, second.OTLPEndpoint, second.Weight = first.Data+"/secret", []string{a.Gossip}, server.URL, 0
	b := machine(t, second)

	const trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r, err := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/v1/users", strings.NewReader(`{"username":"ada","password":"a long password"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", "00-"+trace+"-"+caller+"-01")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "follow-me")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusCreated {
		t.Fatalf("status %d", reply.StatusCode)
	}
	await(t, "the collector has the request, what it asked, and the answer", func() bool {
		for _, request := range spans.below(trace, caller, 2) {
			for _, call := range spans.below(trace, request.SpanID, 3) {
				for _, answer := range spans.below(trace, call.SpanID, 2) {
					return request.Name == "POST /v1/users" && call.Name == answer.Name &&
						request.request() == "follow-me" && call.request() == "follow-me" && answer.request() == "follow-me"
				}
			}
		}
		return false
	})
}
