package httpapi

import (
	"context"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browse gives the page that a headless Chromium makes of a URL, with no network but
// the loopback, and what it logged.
func browse(t *testing.T, url string) (page, log string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium on this machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr",
		"--user-data-dir="+t.TempDir(), "--dump-dom", url)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v: %s", err, errs.String())
	}
	return out.String(), errs.String()
}

func TestABrowserWithoutInternetShowsEveryOperationAndFindsAsOneTypes(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	server := httptest.NewServer(a)
	defer server.Close()
	shown := func(page string) (ids []string) {
		for _, article := range regexp.MustCompile(`<article id="([^"]*)"[^>]*>`).FindAllStringSubmatch(page, -1) {
			if !strings.Contains(article[0], "hidden") && !strings.HasPrefix(article[1], "schema-") {
				ids = append(ids, article[1])
			}
		}
		return ids
	}
	page, log := browse(t, server.URL+"/docs")
	if got, want := len(shown(page)), len(operationsOf(a)); got != want {
		t.Errorf("%d operations are shown, want %d", got, want)
	}
	if strings.Contains(log, "Refused") || strings.Contains(log, "violates") || strings.Contains(log, "Uncaught") {
		t.Errorf("the browser complains: %s", log)
	}
	page, _ = browse(t, server.URL+"/docs?find=trend+HASHTAGS")
	if ids := shown(page); len(ids) != 1 || ids[0] != "list-trending-tags" {
		t.Errorf("found %q", ids)
	}
}
