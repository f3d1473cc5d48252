package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

// noRoute answers what no other pattern matches: 405 when the path takes other
// methods, 404 otherwise.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request) {
	allowed := a.methods(r)
	if len(allowed) == 0 {
		writeFault(w, newFault(notFound, "", "there is no such path; /openapi.json lists them"))
		return
	}
	list := strings.Join(allowed, ", ")
	f := newFault(wrongMethod, "", "this path takes "+list)
	f.header.Set("Allow", list)
	writeFault(w, f)
}

// methods gives the methods that a request's path takes.
func (a *api) methods(r *http.Request) []string {
	var allowed []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		asked := r.Clone(r.Context())
		asked.Method = m
		if _, pattern := a.mux.Handler(asked); pattern != "/" {
			allowed = append(allowed, m)
		}
	}
	return allowed
}

// logger lets promhttp log to slog.
type logger struct{ log *slog.Logger }

func (l logger) Println(v ...any) { l.log.Warn("serving metrics", "error", fmt.Sprint(v...)) }
