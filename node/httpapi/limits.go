package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2/queryparam"

	"grapevine/node/client"
	"grapevine/store"
)

// bodyTime bounds the time in which a request's body has to come.
const bodyTime = 5 * time.Second

// isProbe tells the paths that must answer on a node that is too busy for
// anything else.
func isProbe(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// admit lets the request in, or says why not. The returned function is called when it
// is over.
func (x *exchange) admit() (leave func(), f *fault) {
	header := x.r.Header.Get("Authorization")
	if isProbe(x.r.URL.Path) || isConsole(x.r.URL.Path) || x.r.URL.Path == streamPath || x.isOperator(header) { // streams have a bound of their own
		return func() {}, nil
	}
	who := header
	if who == "" {
		who = x.clientAddress()
	}
	door := x.api.admission
	switch door.enter(who) {
	case full:
		return nil, tooBusy()
	case unfair:
		return nil, limited(time.Second, "the node is busy and serves as many requests of yours as is fair; let some of them end")
	case admitted:
	}
	began := time.Now()
	return func() {
		now := time.Now()
		door.leave(who, now.Sub(began), !x.tookItsTime(), now)
	}, nil
}

// isOperator says whether the request has the operator token.
func (x *exchange) isOperator(header string) bool {
	token, ok := strings.CutPrefix(header, "Bearer ")
	return ok && len(token) == len(x.api.OperatorToken) && sameSecret(token, x.api.OperatorToken)
}

// tookItsTime tells the requests whose time says nothing of how busy the node is.
func (x *exchange) tookItsTime() bool {
	return x.isStream() || isUpload(x.r) || strings.HasSuffix(x.r.URL.Path, "/export") ||
		x.req.Durability != store.Default || x.req.Consistency != store.One
}

// gate bounds how many are inside at once.
type gate struct{ inside atomic.Int64 }

func (g *gate) enter(most int) bool {
	if g.inside.Add(1) > int64(most) {
		g.leave()
		return false
	}
	return true
}

func (g *gate) leave() { g.inside.Add(-1) }

func tooBusy() *fault {
	return newFault(overloaded, "", "the node serves as many requests as it can; try again later or ask another node")
}

// checkURL refuses what would reach the services as text that is not text.
func checkURL(u *url.URL) *fault {
	if !utf8.ValidString(u.Path) {
		return newFault(badRequest, "", "the path is not valid UTF-8")
	}
	if !strings.Contains(u.RawQuery, "%") {
		return nil
	}
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		name, fine := unescaped(name)
		if _, too := unescaped(value); !fine || !too {
			return newFault(badRequest, name, "the query is not valid, percent-encoded UTF-8")
		}
	}
	return nil
}

// unescaped decodes a part of a query. It gives "" for what is not text.
func unescaped(part string) (text string, ok bool) {
	text, err := url.QueryUnescape(part)
	if err != nil || !utf8.ValidString(text) {
		return "", false
	}
	return text, true
}

// readWishes takes up the session and what the client asks of the store.
func (x *exchange) readWishes() *fault {
	if token := x.r.Header.Get(client.HeaderSession); token != "" {
		if err := x.req.Resume(token); err != nil {
			return newFault(badRequest, client.HeaderSession, "no node issued this session token; send back the one of the latest reply, or none")
		}
	}
	if x.r.URL.RawQuery == "" {
		return nil
	}
	switch d := queryparam.Get(x.r.URL.RawQuery, "durability"); d {
	case "":
	case "1", "2", "3":
		x.req.Durability = int(d[0] - '0')
	case "all":
		x.req.Durability = store.All
	default:
		return newFault(invalid, "durability", "must be 1, 2, 3 or all")
	}
	switch queryparam.Get(x.r.URL.RawQuery, "consistency") {
	case "", "one":
	case "quorum":
		x.req.Consistency = store.Quorum
	default:
		return newFault(invalid, "consistency", "must be one or quorum")
	}
	return nil
}

// isUpload tells the requests whose bodies have bounds of their own.
func isUpload(r *http.Request) bool {
	return r.URL.Path == restorePath || r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/import")
}

// readBody reads the body whole, within its bounds, and checks that it is text:
// encoding/json would replace what is not and change the client's words.
func (x *exchange) readBody() *fault {
	if x.r.Body == nil || x.r.Body == http.NoBody || isUpload(x.r) {
		return nil
	}
	// Those whose bodies are slow to come keep out one another, and no readers.
	if !x.api.bodies.enter(x.api.MaxInFlight) {
		return tooBusy()
	}
	defer x.api.bodies.leave()
	if x.r.ContentLength > MaxBody {
		x.Header().Set("Connection", "close")
		return bodyTooLarge(MaxBody)
	}
	// A ResponseWriter without deadlines is not one of net/http's server.
	connection := http.NewResponseController(x.ResponseWriter)
	_ = connection.SetReadDeadline(x.start.Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(x.ResponseWriter, x.r.Body, MaxBody))
	// Left standing, the deadline would end the request's context.
	_ = connection.SetReadDeadline(time.Time{})
	if err != nil {
		return bodyFault(err)
	}
	if !isText(body) {
		return newFault(badRequest, badField(body), "is not valid UTF-8, or has half of a surrogate pair")
	}
	x.r.Body = io.NopCloser(bytes.NewReader(body))
	switch kind, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type")); kind {
	case "application/json", // in any spelling
		"application/x-www-form-urlencoded": // what curl says of any body; no operation takes a form
		x.r.Header.Set("Content-Type", "application/json")
	}
	return nil
}

func bodyFault(err error) *fault {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return bodyTooLarge(large.Limit)
	case errors.As(err, &slow) && slow.Timeout():
		return newFault(bodyTimeout, "", fmt.Sprintf("the body did not come within %s", bodyTime))
	default:
		return newFault(badRequest, "", "the body ended early")
	}
}

func bodyTooLarge(most int64) *fault {
	return newFault(tooLarge, "", fmt.Sprintf("the body of this request has at most %d bytes", most))
}
