package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

const problemJSON = "application/problem+json"

// class is a kind of problem as clients see it.
type class struct {
	status int
	name   string // the last part of the problem's type
	title  string
	retry  bool // trying again in a second may help
}

// The classes, in the order of their status. They are the whole of what the API
// answers beside success.
var (
	badRequest   = class{http.StatusBadRequest, "bad-request", "Malformed request", false}
	unauthorized = class{http.StatusUnauthorized, "unauthenticated", "No valid token", false}
	forbidden    = class{http.StatusForbidden, "forbidden", "Not yours to do", false}
	notFound     = class{http.StatusNotFound, "not-found", "Not found", false}
	wrongMethod  = class{http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed", false}
	bodyTimeout  = class{http.StatusRequestTimeout, "request-timeout", "The request came too slowly", false}
	conflict     = class{http.StatusConflict, "conflict", "Conflict", false}
	tooLarge     = class{http.StatusRequestEntityTooLarge, "too-large", "Too large", false}
	notJSON      = class{http.StatusUnsupportedMediaType, "unsupported-media-type", "Not JSON", false}
	invalid      = class{http.StatusUnprocessableEntity, "invalid", "Invalid input", false}
	rateLimited  = class{http.StatusTooManyRequests, "rate-limited", "Too many attempts", false}
	canceled     = class{499, "canceled", "The client went away", false}
	internal     = class{http.StatusInternalServerError, "internal", "Internal error", false}
	overloaded   = class{http.StatusServiceUnavailable, "overloaded", "Too busy", true}
	unavailable  = class{http.StatusServiceUnavailable, "unavailable", "Not reachable now", true}
	behind       = class{http.StatusServiceUnavailable, "behind", "Your writes are not here yet", true}
	underDurable = class{http.StatusServiceUnavailable, "durability", "Kept on fewer copies than asked for", false}
	uncertain    = class{http.StatusServiceUnavailable, "uncertain", "It may or may not have been done", true}
	noSpace      = class{http.StatusInsufficientStorage, "no-space", "Out of disk space", false}
)

// byStatus are the classes that huma finds itself.
var byStatus = []class{badRequest, bodyTimeout, tooLarge, notJSON, invalid}

// kinds maps what services say.
var kinds = map[social.Kind]class{
	social.Invalid:         invalid,
	social.Unauthenticated: unauthorized,
	social.Forbidden:       forbidden,
	social.NotFound:        notFound,
	social.Conflict:        conflict,
	social.TooLarge:        tooLarge,
	social.Overloaded:      overloaded,
	social.Unavailable:     unavailable,
	social.NoSpace:         noSpace,
}

// faults maps what the store and the context say. The first entry found in an
// error's chain decides; those marked specific decide before the social.Kind
// that a service wrapped around them, because they tell a client more.
var faults = []struct {
	err      error
	class    class
	specific bool
	detail   string
}{
	{store.ErrDurability, underDurable, true, "the write stands on %s and spreads to the other owners as they return; do not repeat it without an Idempotency-Key"},
	{store.ErrBehind, behind, true, "no reachable owner has seen the writes that the Grapevine-Session token names; try again, or leave the token out to read what is here"},
	{store.ErrUncertain, uncertain, true, "the node that took the write was lost before it answered; look whether it stands, or repeat it with the same Idempotency-Key"},
	{store.ErrNoSpace, noSpace, true, "the node is short of disk space and takes no writes; free some space or send writes to another node"},
	{store.ErrOverloaded, overloaded, true, "too many writes are waiting; try again later"},
	{store.ErrEarlierBuild, unavailable, true, "the owners of the data still run an earlier build, which does not know this; try again when the upgrade is finished"},
	{store.ErrUnavailable, unavailable, true, "no owner of the data can be reached; try again later or ask another node"},
	{store.ErrNotFound, notFound, false, "there is no such thing"},
	{store.ErrExists, conflict, false, "it exists already"},
	{store.ErrTooLarge, tooLarge, false, "the write is too large"},
	{store.ErrEngineClosed, unavailable, false, "the node is shutting down; ask another node"},
	{context.DeadlineExceeded, unavailable, false, "the owners of the data did not answer in time; try again later"},
	{context.Canceled, canceled, false, "the request was given up"},
}

// fault is an error on its way to the client. Huma writes its status, headers
// and content type.
type fault struct {
	*client.Problem
	*client.Readiness // further members of a problem of /readyz
	header            http.Header
}

var (
	_ huma.StatusError       = (*fault)(nil)
	_ huma.HeadersError      = (*fault)(nil)
	_ huma.ContentTypeFilter = (*fault)(nil)
)

func (f *fault) GetStatus() int            { return f.Status }
func (f *fault) GetHeaders() http.Header   { return f.header }
func (f *fault) ContentType(string) string { return problemJSON }

// newFault makes a fault of a class. Field may be empty.
func newFault(c class, field, detail string) *fault {
	f := &fault{
		Problem: &client.Problem{
			Type: client.ProblemPrefix + c.name, Title: c.title, Status: c.status,
			Detail: detail, Field: field,
		},
		header: http.Header{},
	}
	if c.retry {
		f.header.Set("Retry-After", "1")
	}
	if c.status == http.StatusUnauthorized {
		f.header.Set("WWW-Authenticate", `Bearer realm="grapevine"`)
	}
	return f
}

// faultOf is the one table from errors to replies. An error it does not know is
// a defect of ours: its text stays in the log, under the request's id.
func (x *exchange) faultOf(err error) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	entry := -1
	for i := range faults {
		if errors.Is(err, faults[i].err) {
			entry = i
			break
		}
	}
	var said *social.Error
	switch {
	case entry >= 0 && faults[entry].specific:
		return newFault(faults[entry].class, "", x.fill(faults[entry].detail))
	case errors.As(err, &said) && said.Kind != social.Internal:
		return newFault(kinds[said.Kind], said.Field, said.Detail)
	case entry >= 0:
		return newFault(faults[entry].class, "", faults[entry].detail)
	}
	x.api.Log.Error("request failed", "request", x.id, "method", x.r.Method, "path", x.r.URL.Path, "error", err)
	return x.internalFault()
}

// fill says on how many copies the request's writes stand.
func (x *exchange) fill(detail string) string {
	if !strings.Contains(detail, "%s") {
		return detail
	}
	switch n, wrote := x.req.Copies(); {
	case !wrote:
		return fmt.Sprintf(detail, "fewer copies than asked for")
	case n == 1:
		return fmt.Sprintf(detail, "1 durable copy")
	default:
		return fmt.Sprintf(detail, fmt.Sprintf("%d durable copies", n))
	}
}

func (x *exchange) internalFault() *fault {
	f := newFault(internal, "", "the fault is the node's; its log tells more under the request's id")
	f.Instance = "urn:grapevine:request:" + x.id
	return f
}

// writeFault answers a request outside of huma.
func writeFault(w http.ResponseWriter, f *fault) {
	body, err := json.Marshal(f)
	if err != nil {
		panic(err) // a struct of strings
	}
	h := w.Header()
	for name, values := range f.header {
		h[name] = values
	}
	h.Set("Content-Type", problemJSON)
	w.WriteHeader(f.Status)
	w.Write(append(body, '\n')) //nolint:errcheck // the client went away
}

// transform turns the errors that huma itself makes into ours. It drops the
// offending values, which huma echoes: a password may be among them.
func transform(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	c := internal
	for _, known := range byStatus {
		if known.status == model.Status {
			c = known
		}
	}
	f := newFault(c, "", model.Detail)
	for _, e := range model.Errors {
		f.Errors = append(f.Errors, problemError(e))
	}
	if len(f.Errors) > 0 {
		f.Field = fieldOf(f.Errors[0].Location)
		f.Detail = f.Errors[0].Message
	}
	return f, nil
}

// problemError names the missing property in the location, which huma gives
// only in the message, and a time as clients know it, not as Go does.
func problemError(e *huma.ErrorDetail) client.ProblemError {
	location := e.Location
	var missing string
	if n, _ := fmt.Sscanf(e.Message, validation.MsgExpectedRequiredProperty, &missing); n == 1 {
		location += "." + missing
	}
	message := e.Message
	if strings.HasPrefix(message, "invalid date/time") {
		message = "expected a date and time of RFC 3339, such as 2026-01-31T15:04:05Z"
	}
	return client.ProblemError{Location: location, Message: message}
}

// fieldOf gives the name within a location: body.text is text.
func fieldOf(location string) string {
	_, field, _ := strings.Cut(location, ".")
	return field
}
