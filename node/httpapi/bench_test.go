package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkGetPost is what the API adds to the reading of a post.
func BenchmarkGetPost(b *testing.B) {
	benchmark(b, "/v1/posts/"+postID)
}

// BenchmarkHomePage is what it adds to a home page, logged in, in a session.
func BenchmarkHomePage(b *testing.B) {
	benchmark(b, "/v1/timelines/home?limit=40", asAlice...)
}

func benchmark(b *testing.B, target string, header ...string) {
	a, _ := newAPI(b, nil)
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		a.ServeHTTP(w, r)
	}
}
