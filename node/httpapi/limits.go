package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
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

func (a *api) admit() bool {
	if a.inFlight.Add(1) > int64(a.MaxInFlight) {
		a.release()
		return false
	}
	return true
}

func (a *api) release() { a.inFlight.Add(-1) }

// checkURL refuses what would reach the services as text that is not text.
func checkURL(u *url.URL) *fault {
	if !utf8.ValidString(u.Path) {
		return newFault(badRequest, "", "the path is not valid UTF-8")
	}
	if !strings.Contains(u.RawQuery, "%") {
		return nil
	}
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil || !utf8.ValidString(query) {
		return newFault(badRequest, "", "the query is not valid, percent-encoded UTF-8")
	}
	return nil
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

// readBody reads the body whole, within its bounds, and checks that it is UTF-8:
// encoding/json would replace what is not and change the client's text.
func (x *exchange) readBody() *fault {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil
	}
	if x.r.ContentLength > MaxBody {
		x.Header().Set("Connection", "close")
		return bodyTooLarge()
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
	if !utf8.Valid(body) {
		return newFault(badRequest, badField(body), "is not valid UTF-8")
	}
	x.r.Body = io.NopCloser(bytes.NewReader(body))
	// What curl says of any body unless told otherwise. No operation takes a form.
	if x.r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		x.r.Header.Set("Content-Type", "application/json")
	}
	return nil
}

func bodyFault(err error) *fault {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return bodyTooLarge()
	case errors.As(err, &slow) && slow.Timeout():
		return newFault(bodyTimeout, "", fmt.Sprintf("the body did not come within %s", bodyTime))
	default:
		return newFault(badRequest, "", "the body ended early")
	}
}

func bodyTooLarge() *fault {
	return newFault(tooLarge, "", fmt.Sprintf("a body has at most %d bytes", MaxBody))
}

// badField names the first member of a JSON object whose bytes are not UTF-8,
// when that is what the body is.
func badField(body []byte) string {
	members := json.NewDecoder(bytes.NewReader(body))
	if t, err := members.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if members.Decode(&value) != nil {
			return ""
		}
		if !utf8.Valid(value) {
			return name.(string)
		}
	}
	return ""
}
