package console_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"grapevine/node/console"
)

func serve(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	files, err := console.New()
	if err != nil || files[path] == nil {
		t.Fatalf("%s: there is none: %v", path, err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	files[path].ServeHTTP(w, r)
	return w
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	first := serve(t, "/", "Accept-Encoding", "br, gzip")
	again := serve(t, "/", "Accept-Encoding", "br, gzip", "If-None-Match", "W/"+first.Header().Get("ETag"))
	if first.Code != http.StatusOK || again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("%d, then %d with %d bytes", first.Code, again.Code, again.Body.Len())
	}
	if plain := serve(t, "/", "If-None-Match", first.Header().Get("ETag")); plain.Code != http.StatusOK {
		t.Errorf("the packed form passes for the plain one: %d", plain.Code)
	}
}

func TestFilesArePackedForThoseWhoTakeThem(t *testing.T) {
	t.Parallel()
	packed, plain := serve(t, "/console/main.js", "Accept-Encoding", "gzip"), serve(t, "/console/main.js", "Accept-Encoding", "gzip;q=0")
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(r)
	if err != nil || string(unpacked) != plain.Body.String() || plain.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v: %d bytes packed, %d plain", err, len(unpacked), plain.Body.Len())
	}
}

// The page, and each module that it loads, names only what is there.
func TestAllThatIsLoadedIsEmbeddedAndNothingRunsInline(t *testing.T) {
	t.Parallel()
	page := serve(t, "/")
	if policy := page.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'") {
		t.Errorf("policy %q", policy)
	}
	if found := regexp.MustCompile(`(?i)https?://|\son\w+=|style=|<script>`).FindString(page.Body.String()); found != "" {
		t.Errorf("the page has %q", found)
	}
	wanted := regexp.MustCompile(`"(/console/[^"]+)"|from '\./([^']+)'|import\('\./([^']+)'\)`)
	seen, queue := map[string]bool{}, []string{"/"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		w := serve(t, path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		for _, m := range wanted.FindAllStringSubmatch(w.Body.String(), -1) {
			if m[1] != "" {
				queue = append(queue, m[1])
			} else {
				queue = append(queue, console.Prefix+m[2]+m[3])
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d files were found", len(seen))
	}
}
