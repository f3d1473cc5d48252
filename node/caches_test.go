package node_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
)

// cacheMetric reads a figure of a cache from a node's metrics, -1 when it is not
// there.
func (s *simulation) cacheMetric(i int, figure, cache string) float64 {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.nodes[i].Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	found := regexp.MustCompile(`(?m)^grapevine_cache_` + figure + `\{cache="` + cache + `"\} (\S+)$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		return -1
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func TestTheMetricsTellWhatEachCacheFoundAndHolds(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		for _, cache := range []string{
			"tokens", "posts", "post_counts", "post_marks", "blocks", "relation_counts", "home_pages", "merged_authors", "author_pages",
		} {
			for _, figure := range []string{"hits_total", "misses_total", "evictions_total", "entries", "bytes"} {
				if s.cacheMetric(0, figure, cache) != 0 {
					s.t.Errorf("%s of %s is %v on a fresh node", figure, cache, s.cacheMetric(0, figure, cache))
				}
			}
		}
		ada := s.signUp(0, "ada")
		post := s.post(0, ada, "a grape")
		for range 3 {
			s.expect(http.StatusOK, 0, nil, "GET", "/v1/posts/"+post, nil, nil)
		}
		hits, misses := s.cacheMetric(0, "hits_total", "posts"), s.cacheMetric(0, "misses_total", "posts")
		if hits < 2 || misses < 1 || s.cacheMetric(0, "entries", "posts") != 1 || s.cacheMetric(0, "bytes", "posts") < 100 {
			s.t.Errorf("%v hits, %v misses, %v entries", hits, misses, s.cacheMetric(0, "entries", "posts"))
		}
		s.expect(http.StatusNoContent, 0, ada, "DELETE", "/v1/posts/"+post, nil, nil)
		if s.cacheMetric(0, "hits_total", "tokens") < 1 || s.cacheMetric(0, "entries", "tokens") != 1 {
			s.t.Errorf("of one token that was used again, %v hits and %v entries",
				s.cacheMetric(0, "hits_total", "tokens"), s.cacheMetric(0, "entries", "tokens"))
		}
		if n := s.cacheMetric(0, "entries", "posts"); n != 0 {
			s.t.Errorf("the deleted post is still among %v", n)
		}
	})
}
