package httpapi

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"grapevine/node/trace"
)

const (
	// slowRequest is the time from which a request is logged at info.
	slowRequest = time.Second
	// slowLines bounds the slow requests that are logged, in lines a second: when all
	// are slow, the log must not make them slower.
	slowLines = 20
)

func newSlowLines() *rate.Limiter { return rate.NewLimiter(slowLines, slowLines) }

// log writes the line of a request that has ended. Its query is left out, since
// it may have what a user is looking for.
func (x *exchange) log(took time.Duration) {
	level := slog.LevelDebug
	if took >= slowRequest && !x.isStream() && x.api.slowLines.Allow() {
		level = slog.LevelInfo
	}
	ctx := x.r.Context()
	if !x.api.Log.Enabled(ctx, level) {
		return
	}
	x.api.Log.LogAttrs(context.WithoutCancel(ctx), level, "request",
		slog.String("request", x.id), slog.String("method", method(x.r)), slog.String("path", x.r.URL.Path),
		slog.String("route", route(x.r)), slog.Int("status", x.status), slog.Int64("bytes", x.written),
		slog.Duration("took", took), slog.String("client", x.clientAddress()), slog.String("protocol", x.r.Proto))
}

// endSpan tells the tracer what became of the request. Only what went wrong here is
// an error of a server.
func (x *exchange) endSpan() {
	status := strconv.Itoa(x.status)
	wrong := ""
	if x.status >= 500 {
		wrong = "status " + status
	}
	x.span.End(method(x.r)+" "+route(x.r), wrong,
		trace.Attribute{Key: "http.request.method", Value: method(x.r)},
		trace.Attribute{Key: "http.route", Value: route(x.r)},
		trace.Attribute{Key: "http.response.status_code", Value: status})
}

// isStream tells replies that are meant to last.
func (x *exchange) isStream() bool {
	return strings.HasPrefix(x.Header().Get("Content-Type"), "text/event-stream") || x.status == 101
}
