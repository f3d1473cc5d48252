package client

import (
	"net/http"
	"testing"
)

// Whatever stands between a client and a node answers, the error is short, and of
// the status that came.
func FuzzParseProblem(f *testing.F) {
	f.Add([]byte(`{"type":"urn:grapevine:problem:invalid","title":"Invalid input","status":422,"field":"username"}`), "1", 422)
	f.Add([]byte("<html>\nBad Gateway"), "soon", 502)
	f.Fuzz(func(t *testing.T, body []byte, retryAfter string, status int) {
		reply := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}}
		p := parseProblem(reply, body)
		if p.Status != status || StatusOf(p) != status {
			t.Errorf("status %d reads as %d", status, p.Status)
		}
		if p.RetryAfter < 0 {
			t.Errorf("Retry-After %q reads as %s", retryAfter, p.RetryAfter)
		}
		if len(p.Error()) > len(body)+len(retryAfter)+300 {
			t.Errorf("%d bytes make an error of %d", len(body), len(p.Error()))
		}
	})
}
