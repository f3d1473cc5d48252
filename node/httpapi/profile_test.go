package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestProfilesAreForTheOperatorAlone(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"} {
		if rec := send(a, "GET", path, ""); rec.Code != http.StatusUnauthorized {
			t.Errorf("%s without a token: status %d", path, rec.Code)
		}
		if rec := send(a, "GET", path, "", asAlice...); rec.Code != http.StatusUnauthorized {
			t.Errorf("%s with an account's token: status %d", path, rec.Code)
		}
	}
	if rec := send(a, "GET", "/debug/pprof/goroutine?debug=1", "", "Authorization", "Bearer "+opToken); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "goroutine profile") {
		t.Errorf("status %d: %.100s", rec.Code, rec.Body)
	}
	if rec := send(a, "GET", "/debug/pprof/profile?seconds=1", "", "Authorization", "Bearer "+opToken); rec.Code != http.StatusOK {
		t.Errorf("status %d: %.100s", rec.Code, rec.Body)
	}
	for _, seconds := range []string{"0", "-1", "61", "0.5", "x"} {
		rec := send(a, "GET", "/debug/pprof/trace?seconds="+seconds, "", "Authorization", "Bearer "+opToken)
		if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), `"seconds"`) {
			t.Errorf("%s seconds: status %d %s", seconds, rec.Code, rec.Body)
		}
	}
}

func TestEveryRequestIsALineOfTheLogWithItsIdAndWithoutItsQuery(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a, _ := newAPI(t, func(c *Config) {
		c.Log = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	send(a, "GET", "/v1/users/@alice?limit=1&secret=hidden", "", "X-Request-Id", "request-7")
	var line struct {
		Level, Request, Method, Path, Route, Client string
		Status                                      int
	}
	if err := json.Unmarshal(bytes.TrimSpace(out.Bytes()), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line.Level != "DEBUG" || line.Request != "request-7" || line.Method != "GET" || line.Path != "/v1/users/@alice" ||
		line.Route != "/v1/users/{user}" || line.Status != http.StatusOK || line.Client == "" || strings.Contains(out.String(), "hidden") {
		t.Errorf("logged %s", out.String())
	}
}
