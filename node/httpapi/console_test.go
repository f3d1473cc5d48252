package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheConsoleIsServedAtTheRootAndWhatItLacksIsAProblem(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	if rec := send(a, "GET", "/", ""); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "/console/main.js") {
		t.Errorf("/: %d %s", rec.Code, rec.Body)
	}
	for target, status := range map[string]int{"/console/nothing.js": http.StatusNotFound, "/console/": http.StatusNotFound, "/nothing": http.StatusNotFound} {
		if rec := send(a, "GET", target, ""); rec.Code != status || rec.Header().Get("Content-Type") != problemJSON {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Header())
		}
	}
	if rec := send(a, "POST", "/", "{}", "Content-Type", "application/json"); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", rec.Code)
	}
}
