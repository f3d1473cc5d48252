package main

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestBenchCountsFailuresByTheirReasonNotByTheirPath(t *testing.T) {
	t.Parallel()
	b := &bench{taken: map[string][]float64{}, failed: map[string]int{}, why: map[string]int{}}
	for _, path := range []string{"/v1/posts/1", "/v1/posts/2"} {
		refused := &url.Error{Op: "Get", URL: "http://127.0.0.1:7400" + path, Err: errors.New("dial tcp 127.0.0.1:7400: connection refused")}
		b.note("read a post", time.Millisecond, refused)
	}
	b.note("post", time.Millisecond, errors.New("429 Too many requests"))
	var out bytes.Buffer
	b.report(time.Second).print(&console{out: &out})
	want := "\n- 2 requests failed: dial tcp 127.0.0.1:7400: connection refused\n- 1 request failed: 429 Too many requests\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("it says\n%s\nwhich does not end with\n%s", out.String(), want)
	}
}
