package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grapevine/services/social"
)

func TestAnExportIsAFileToKeep(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	rec := send(a, "GET", "/v1/users/@alice/export", "", asAlice...)
	if rec.Code != 200 || rec.Header().Get("Content-Type") != ndjson || rec.Body.String() != "{}\n" ||
		!strings.HasPrefix(rec.Header().Get("Content-Disposition"), "attachment; filename=") || w.who.User != aliceID {
		t.Errorf("status %d, headers %v, body %q", rec.Code, rec.Header(), rec.Body)
	}
}

func TestAnExportThatIsRefusedIsAProblemAndNoFile(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	w.act = func(context.Context) error { return social.Errorf(social.Forbidden, "another's") }
	rec := send(a, "GET", "/v1/users/@bob/export", "", asAlice...)
	if rec.Code != 403 || rec.Header().Get("Content-Disposition") != "" {
		t.Errorf("status %d, headers %v", rec.Code, rec.Header())
	}
	problemOf(t, rec)
}

// cutExport fails after its first line.
type cutExport struct{ fakeTakeout }

func (c cutExport) Export(ctx context.Context, w io.Writer, who social.Identity, ref string) error {
	if _, err := io.WriteString(w, "{}\n"); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func TestAnExportThatBreaksOffDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	a.Takeout = cutExport{fakeTakeout{w}}
	server := httptest.NewServer(a)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/users/@alice/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(asAlice[0], asAlice[1])
	resp, err := server.Client().Do(r)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the client sees an end")
	}
}

func TestAnImportMayBeLargerThanOtherBodiesButHasABound(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for size, want := range map[int]int{10 * MaxBody: 200, MaxImport + 1: 413} {
		r := httptest.NewRequest("POST", "/v1/users/@alice/import", bytes.NewReader(make([]byte, size)))
		r.Header.Set(asAlice[0], asAlice[1])
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%d bytes: status %d, want %d; %s", size, rec.Code, want, rec.Body)
		}
	}
}

func TestAnImportNeedsItsTokenBeforeItsBody(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	body := strings.NewReader("{}")
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/users/@alice/import", body))
	if rec.Code != 401 || body.Len() != 2 {
		t.Errorf("status %d, %d bytes unread", rec.Code, body.Len())
	}
}
