package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/services/social"
	"grapevine/store"
)

func TestEveryErrorHasItsReply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		kind   string
		retry  bool
	}{
		"invalid":            {social.InvalidField("text", "is empty"), 422, "invalid", false},
		"unauthenticated":    {social.Errorf(social.Unauthenticated, "wrong password"), 401, "unauthenticated", false},
		"forbidden":          {social.Errorf(social.Forbidden, "not yours"), 403, "forbidden", false},
		"not found":          {social.Errorf(social.NotFound, "no user"), 404, "not-found", false},
		"conflict":           {social.Errorf(social.Conflict, "taken"), 409, "conflict", false},
		"too large":          {social.Errorf(social.TooLarge, "long"), 413, "too-large", false},
		"overloaded":         {social.Errorf(social.Overloaded, "busy"), 503, "overloaded", true},
		"unavailable":        {social.Errorf(social.Unavailable, "away"), 503, "unavailable", true},
		"no space":           {social.Errorf(social.NoSpace, "full"), 507, "no-space", false},
		"wrapped by a layer": {fmt.Errorf("posts: %w", social.Errorf(social.NotFound, "no post")), 404, "not-found", false},

		"no such row":      {store.ErrNotFound, 404, "not-found", false},
		"row exists":       {store.ErrExists, 409, "conflict", false},
		"write too large":  {store.ErrTooLarge, 413, "too-large", false},
		"no owner":         {fmt.Errorf("get: %w", store.ErrUnavailable), 503, "unavailable", true},
		"store overloaded": {store.ErrOverloaded, 503, "overloaded", true},
		"disk full":        {store.ErrNoSpace, 507, "no-space", false},
		"session behind":   {store.ErrBehind, 503, "behind", true},
		"engine closed":    {store.ErrEngineClosed, 503, "unavailable", true},
		"deadline":         {context.DeadlineExceeded, 503, "unavailable", true},
		"client went away": {context.Canceled, 499, "canceled", false},

		"the store's word tells more than the service's": {
			&social.Error{Kind: social.Unavailable, Detail: "try later", Err: store.ErrBehind}, 503, "behind", true,
		},
		"the service's word names what is missing": {
			&social.Error{Kind: social.NotFound, Detail: "no such user", Err: store.ErrNotFound}, 404, "not-found", false,
		},
		"a defect of ours": {errors.New("secret detail"), 500, "internal", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, w := newAPI(t, nil)
			w.act = func(context.Context) error { return c.err }
			rec := send(a, "GET", "/v1/users/@alice", "")
			p := problemOf(t, rec)
			if rec.Code != c.status || p.Kind() != c.kind {
				t.Errorf("status %d %q, want %d %q", rec.Code, p.Kind(), c.status, c.kind)
			}
			if got := rec.Header().Get("Retry-After") != ""; got != c.retry {
				t.Errorf("Retry-After given: %v, want %v", got, c.retry)
			}
			if c.status == 401 && rec.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if p.Detail == "" {
				t.Error("no detail")
			}
			if strings.Contains(rec.Body.String(), "secret detail") {
				t.Error("the text of a defect reached the client")
			}
		})
	}
}

func TestAFieldThatAServiceNamesIsNamedToTheClient(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	w.act = func(context.Context) error { return social.InvalidField("cursor", "is not one of ours") }
	if p := problemOf(t, send(a, "GET", "/v1/users?cursor=x", "")); p.Field != "cursor" || p.Detail != "is not one of ours" {
		t.Errorf("problem %+v", p)
	}
}

func TestAWriteOnTooFewCopiesSaysOnHowManyItIsKept(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	w.act = func(ctx context.Context) error {
		store.RequestOf(ctx).Record(store.Receipt{Dot: causal.Dot{Replica: 1, Seq: 1}, Copies: 1})
		return &social.Error{Kind: social.Unavailable, Detail: "x", Err: store.ErrDurability}
	}
	rec := send(a, "DELETE", "/v1/posts/"+postID+"?durability=all", "", asAlice...)
	p := problemOf(t, rec)
	if rec.Code != 503 || p.Kind() != "durability" || !strings.Contains(p.Detail, "1 durable copy") {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
	if got := rec.Header().Get("Grapevine-Copies"); got != "1" {
		t.Errorf("Grapevine-Copies %q, want 1", got)
	}
}

func TestBadInputIsRefusedWithTheFieldAtFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, target, body string
		status               int
		field, location      string
	}{
		"not JSON":               {"POST", "/v1/posts", `{`, 400, "", "body"},
		"two documents":          {"POST", "/v1/posts", `{"text":"x"}{}`, 400, "", "body"},
		"no body":                {"POST", "/v1/posts", ``, 400, "", ""},
		"not UTF-8":              {"POST", "/v1/posts", "{\"visibility\":\"public\",\"text\":\"\xff\"}", 400, "text", ""},
		"missing field":          {"POST", "/v1/posts", `{}`, 422, "text", "body.text"},
		"empty text":             {"POST", "/v1/posts", `{"text":""}`, 422, "text", "body.text"},
		"null text":              {"POST", "/v1/posts", `{"text":null}`, 422, "text", "body.text"},
		"number for text":        {"POST", "/v1/posts", `{"text":1}`, 422, "text", "body.text"},
		"text too long":          {"POST", "/v1/posts", `{"text":"` + strings.Repeat("ä", social.MaxText+1) + `"}`, 422, "text", "body.text"},
		"unknown field":          {"POST", "/v1/posts", `{"text":"x","txet":"y"}`, 422, "txet", "body.txet"},
		"unknown visibility":     {"POST", "/v1/posts", `{"text":"x","visibility":"some"}`, 422, "visibility", "body.visibility"},
		"short password":         {"POST", "/v1/users", `{"username":"a","password":"hunter2"}`, 422, "password", "body.password"},
		"blank in username":      {"POST", "/v1/users", `{"username":"a b","password":"hunter2222"}`, 422, "username", "body.username"},
		"limit zero":             {"GET", "/v1/users?limit=0", "", 422, "limit", "query.limit"},
		"limit beyond the bound": {"GET", "/v1/users?limit=101", "", 422, "limit", "query.limit"},
		"limit not a number":     {"GET", "/v1/users?limit=many", "", 422, "limit", "query.limit"},
		"cursor too long":        {"GET", "/v1/users?cursor=" + strings.Repeat("x", 1025), "", 422, "cursor", "query.cursor"},
		"query not UTF-8":        {"GET", "/v1/users?limit=1&cursor=%ff", "", 400, "cursor", ""},
		"query not encoded":      {"GET", "/v1/users?limit=1&cursor=%zz", "", 400, "cursor", ""},
		"parameter not UTF-8":    {"GET", "/v1/users?%ff=1", "", 400, "", ""},
		"path not UTF-8":         {"GET", "/v1/users/%ff", "", 400, "", ""},
		"unknown durability":     {"GET", "/v1/users?durability=4", "", 422, "durability", ""},
		"unknown consistency":    {"GET", "/v1/users?consistency=strong", "", 422, "consistency", ""},
		"nothing to locate":      {"GET", "/v1/cluster/locate", "", 422, "key", "query.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := newAPI(t, nil)
			rec := send(a, c.method, c.target, c.body, asAlice...)
			p := problemOf(t, rec)
			if rec.Code != c.status || p.Field != c.field {
				t.Errorf("status %d field %q, want %d %q; %s", rec.Code, p.Field, c.status, c.field, rec.Body)
			}
			if c.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.location) {
				t.Errorf("errors %+v, want one at %q", p.Errors, c.location)
			}
			if strings.Contains(rec.Body.String(), "hunter2") {
				t.Error("the reply repeats a password")
			}
		})
	}
}

func TestWhatIsWrongIsSaidWithoutPatternsOfPrograms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, target, body, want string }{
		{"GET", "/v1/timelines/public?since=yesterday", "", "2026-01-31T15:04:05Z"},
		{"POST", "/v1/users", `{"username":"a b","password":"hunter2222"}`, "letters of ASCII, digits and _"},
	} {
		a, _ := newAPI(t, nil)
		p := problemOf(t, send(a, c.method, c.target, c.body, asAlice...))
		if p.Status != 422 || !strings.Contains(p.Detail, c.want) {
			t.Errorf("%s %s is refused with %d %q, want %q in it", c.method, c.target, p.Status, p.Detail, c.want)
		}
	}
}

func TestAnUnknownPathAndAnUnknownMethodAreProblemsToo(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	if rec := send(a, "GET", "/v1/nothing", ""); rec.Code != 404 || problemOf(t, rec).Kind() != "not-found" {
		t.Errorf("unknown path: status %d", rec.Code)
	}
	rec := send(a, "POST", "/v1/users/@alice", "{}")
	if rec.Code != 405 || problemOf(t, rec).Kind() != "method-not-allowed" {
		t.Errorf("unknown method: status %d", rec.Code)
	}
	if got := rec.Header().Get("Allow"); got != "GET, HEAD, PATCH, DELETE" {
		t.Errorf("Allow %q", got)
	}
}

func TestJSONIsTakenUnderEveryNameThatClientsGiveIt(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, name := range []string{
		"", "application/json; charset=utf-8", "Application/JSON",
		"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8", // curl
	} {
		rec := send(a, "POST", "/v1/sessions", `{"username":"a","password":"b"}`, "Content-Type", name)
		if rec.Code != 201 {
			t.Errorf("%q: status %d: %s", name, rec.Code, rec.Body)
		}
	}
}

func TestTheWrongContentTypeIsRefused(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "POST", "/v1/sessions", `<login/>`, "Content-Type", "text/xml")
	if p := problemOf(t, rec); rec.Code != 415 || p.Kind() != "unsupported-media-type" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
}
