package httpapi

import (
	"context"
	"crypto/rand"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"grapevine/node/client"
	"grapevine/node/trace"
	"grapevine/services/social"
	"grapevine/store"
)

// exchange is one request and its reply. It is the http.ResponseWriter of the
// handlers, so that the headers which tell what the store did are written last,
// whoever writes the reply.
type exchange struct {
	http.ResponseWriter
	api     *api
	r       *http.Request
	client  context.Context // ends when the client goes away
	id      string
	start   time.Time
	status  int           // 0 until the header is written
	written int64         // bytes of the reply's body
	span    *trace.Span   // nil when nobody traces
	req     store.Request // what the client asked of the store, and what came of it
	who     social.Identity
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}

// viewer gives the account that a request acts for; anonymous when its
// operation does not ask for a token or it sent none.
func viewer(ctx context.Context) social.Identity { return exchangeOf(ctx).who }

// ServeHTTP passes a request through the chain: name it, bound its time, take up
// its session and its wishes, read its body, admit it, route it.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, api: a, r: r, client: r.Context(), id: requestID(r), start: time.Now()}
	x.req.ID = x.id
	defer x.finish()
	h := w.Header()
	h.Set(client.HeaderRequestID, x.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")

	ctx, cancel := context.WithTimeout(r.Context(), a.Timeout)
	defer cancel()
	ctx, x.span = a.Tracer.Serve(ctx, r.Header.Get("Traceparent"), x.id)
	ctx = context.WithValue(store.WithRequest(ctx, &x.req), exchangeKey{}, x)
	x.r = r.WithContext(ctx)
	takeToken(x.r)
	if f := x.prepare(); f != nil {
		writeFault(x, f)
		return
	}
	leave, f := x.admit()
	if f != nil {
		writeFault(x, f)
		return
	}
	defer leave()
	a.mux.ServeHTTP(x, x.r)
}

// prepare checks what all operations on data share.
func (x *exchange) prepare() *fault {
	if !strings.HasPrefix(x.r.URL.Path, "/v1/") {
		return nil
	}
	if f := checkURL(x.r.URL); f != nil {
		return f
	}
	if f := x.readWishes(); f != nil {
		return f
	}
	return x.readBody()
}

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
		h := x.Header()
		h.Set(client.HeaderSession, x.req.Token())
		if copies, wrote := x.req.Copies(); wrote {
			h.Set(client.HeaderCopies, strconv.Itoa(copies))
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(b)
	x.written += int64(n)
	return n, err
}

// Unwrap lets an http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// finish ends every exchange, also one whose handler panicked.
func (x *exchange) finish() {
	p := recover()
	if p != nil && p != http.ErrAbortHandler {
		x.api.Log.Error("handler panicked", "request", x.id, "method", x.r.Method,
			"path", x.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	}
	begun := x.status != 0
	if p != nil && !begun {
		writeFault(x, x.internalFault())
	} else if !begun {
		x.WriteHeader(http.StatusOK)
	}
	took := time.Since(x.start)
	if !x.isStream() {
		x.api.metrics.observe(x.r, x.status, took)
	}
	x.log(took)
	x.endSpan()
	if p != nil && begun {
		panic(http.ErrAbortHandler) // a cut connection tells the client that the reply is not whole
	}
}

// maxRequestID bounds the bytes of a request id that a client gives.
const maxRequestID = store.MaxRequestID

// requestID takes the client's id, when it is fit for a log line, or makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get(client.HeaderRequestID)
	if id == "" || len(id) > maxRequestID {
		return rand.Text()
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' {
			return rand.Text()
		}
	}
	return id
}
