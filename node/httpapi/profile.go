package httpapi

import (
	"context"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strconv"
	"time"
)

// maxProfile bounds the time over which a profile is taken.
const maxProfile = time.Minute

// profileRoutes serve the profiles of net/http/pprof to the operator, for
// `go tool pprof` with the token in a header. They are no part of the API's
// document: their formats are Go's.
func (a *api) profileRoutes() {
	a.mux.HandleFunc("GET /debug/pprof/", a.operatorOnly(pprof.Index))
	a.mux.HandleFunc("GET /debug/pprof/profile", a.operatorOnly(a.profile(pprof.Profile)))
	a.mux.HandleFunc("GET /debug/pprof/trace", a.operatorOnly(a.profile(pprof.Trace)))
	a.mux.HandleFunc("GET /debug/pprof/symbol", a.operatorOnly(pprof.Symbol))
}

// operatorOnly guards a handler that is not of huma.
func (a *api) operatorOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f := exchangeOf(r.Context()).identify(operator, r.Header.Get("Authorization")); f != nil {
			writeFault(w, f)
			return
		}
		h(w, r)
	}
}

// profile serves a profile that is taken over a time, one at once, and gives it
// that time: other requests have less.
func (a *api) profile(take http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		took, f := profileTime(r.URL.Query())
		if f == nil && !a.profiles.enter(1) {
			f = newFault(overloaded, "", "another profile is being taken; try again when it is done")
		}
		if f != nil {
			writeFault(w, f)
			return
		}
		defer a.profiles.leave()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(took + DefaultTimeout)) // HTTP/1.1 and 2 can
		// pprof refuses what the server it finds here would cut off.
		ctx := context.WithValue(context.WithoutCancel(r.Context()), http.ServerContextKey, nil)
		ctx, cancel := context.WithTimeout(ctx, took+DefaultTimeout)
		defer cancel()
		take(w, r.WithContext(ctx))
	}
}

// profileTime reads ?seconds=, as pprof will, and bounds it.
func profileTime(q url.Values) (time.Duration, *fault) {
	text := q.Get("seconds")
	if text == "" {
		return 30 * time.Second, nil // pprof's own
	}
	seconds, err := strconv.Atoi(text)
	if most := int(maxProfile.Seconds()); err != nil || seconds < 1 || seconds > most {
		return 0, newFault(invalid, "seconds", "must be a whole number of 1 to "+strconv.Itoa(most))
	}
	return time.Duration(seconds) * time.Second, nil
}
