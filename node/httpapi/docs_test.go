package httpapi

import (
	"encoding/xml"
	"errors"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// docsPage gives the page of the documentation.
func docsPage(t *testing.T, a *api) string {
	t.Helper()
	rec := send(a, "GET", "/docs", "")
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, %v", rec.Code, rec.Header())
	}
	return rec.Body.String()
}

func TestTheDocumentationShowsEveryOperationParameterAndSchema(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	page := docsPage(t, a)
	for _, op := range operationsOf(a) {
		_, article, found := strings.Cut(page, `<article id="`+op.OperationID+`"`)
		article, _, _ = strings.Cut(article, "</article>")
		if !found {
			t.Errorf("%s is not there", op)
			continue
		}
		text := html.UnescapeString(article)
		want := []string{op.Method, op.path, op.Summary, `curl`}
		for _, p := range op.Parameters {
			if p.Name != "" {
				want = append(want, "<code>"+p.Name+"</code>")
			}
		}
		for status := range op.Responses {
			want = append(want, "<td>"+status+"</td>")
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not show %q", op, w)
			}
		}
	}
	for name := range a.huma.OpenAPI().Components.Schemas.Map() {
		if !strings.Contains(page, `<article id="schema-`+name+`"`) {
			t.Errorf("the schema %s is not there", name)
		}
	}
}

func TestTheDocumentationTellsTheValuesOfAnEnumApart(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	if page := docsPage(t, a); !strings.Contains(page, "one or quorum, default one") {
		t.Error("the values of consistency are not shown as alternatives")
	}
}

func TestTheDocumentationLoadsNothingFromElsewhereAndHasNoInlineCode(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	page := docsPage(t, a)
	loaded := regexp.MustCompile(`(?:src|<link[^>]*href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(loaded) != 2 {
		t.Fatalf("it loads %q", loaded)
	}
	for _, l := range loaded {
		rec := send(a, "GET", l[1], "")
		if rec.Code != http.StatusOK || rec.Header().Get("Content-Security-Policy") != docsPolicy {
			t.Errorf("%s: status %d, %v", l[1], rec.Code, rec.Header())
		}
		if strings.Contains(rec.Body.String(), "://") || strings.Contains(rec.Body.String(), "@import") {
			t.Errorf("%s loads from elsewhere", l[1])
		}
	}
	for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "<script>"} {
		if strings.Contains(page, inline) {
			t.Errorf("%s is inline", inline)
		}
	}
	rec := send(a, "GET", "/docs", "")
	if policy := rec.Header().Get("Content-Security-Policy"); policy != docsPolicy || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestTheLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	page := docsPage(t, a)
	links := regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 100 {
		t.Fatalf("only %d links", len(links))
	}
	for _, l := range links {
		if strings.Count(page, ` id="`+l[1]+`"`) != 1 {
			t.Errorf("%s leads to %d places", l[1], strings.Count(page, ` id="`+l[1]+`"`))
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	decoder.AutoClose = append(decoder.AutoClose, "meta", "link", "input")
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
	}
}
