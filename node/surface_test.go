package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/node/config"
)

var (
	surfaceSeed   = flag.Uint64("surface.seed", 1, "seed of the requests to the HTTP surface")
	surfaceRounds = flag.Int("surface.rounds", 1, "how often each parameter and field is broken in each way")
)

// surface sends requests to every operation of a node, from what its OpenAPI document
// says of them.
type surface struct {
	*simulation
	doc      apiDocument
	random   *rand.Rand
	ada, bob *account
	names    int
	post     string
	sent     map[int]int // requests by status
}

// attempt is a request: what is valid of it but for what is broken, if anything.
type attempt struct {
	op     *apiOperation
	path   map[string]string
	query  url.Values
	header http.Header
	body   []byte
	broken string // the parameter or member
}

// shuts are the operations that end the node, or what it serves.
var shuts = []string{"leave", "forget"}

func TestNoRequestThatTheDocumentAllowsOrForbidsBreaksTheNode(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		f := &surface{simulation: s, random: rand.New(rand.NewPCG(*surfaceSeed, 0)), sent: map[int]int{}}
		var raw json.RawMessage
		s.expect(http.StatusOK, 0, nil, "GET", "/openapi.json", nil, &raw)
		if err := json.Unmarshal(raw, &f.doc); err != nil {
			s.t.Fatal(err)
		}
		f.accounts()
		operations := f.doc.operations()
		for range *surfaceRounds {
			for _, op := range operations {
				if !slices.Contains(shuts, op.ID) {
					f.breakEach(op)
					f.breakMany(op)
				}
			}
		}
		s.t.Logf("%d operations, requests by status: %v", len(operations), f.sent)
		for _, status := range []int{200, 201, 204, 400, 401, 404, 413, 422} {
			if f.sent[status] == 0 {
				s.t.Errorf("no request came to %d: the requests are not what they are meant to be", status)
			}
		}
	})
}

// accounts makes those that act, anew.
func (f *surface) accounts() {
	f.names += 2
	f.ada, f.bob = f.signUp(0, fmt.Sprint("ada", f.names)), f.signUp(0, fmt.Sprint("bob", f.names))
	f.post = f.simulation.post(0, f.ada, "a #grape")
}

// breakEach sends a valid request, and one for each way in which each parameter and
// each member of the body can be broken.
func (f *surface) breakEach(op *apiOperation) {
	f.send(f.valid(op))
	for _, p := range op.Parameters {
		for _, broken := range brokenTexts {
			a := f.valid(op)
			f.breakParameter(&a, p, broken)
			f.send(a)
		}
	}
	schema := f.doc.bodySchema(op)
	if op.RequestBody == nil {
		return
	}
	for _, broken := range brokenBodies {
		a := f.valid(op)
		a.body, a.broken = []byte(broken), "body"
		f.send(a)
	}
	if schema == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		for _, broken := range brokenJSON {
			a := f.valid(op)
			a.body, a.broken = []byte(object(f.members(schema, name, broken))), name
			f.send(a)
		}
		if slices.Contains(schema.Required, name) {
			a := f.valid(op)
			missing := slices.DeleteFunc(f.members(schema, "", ""), func(m member) bool { return m.name == name })
			a.body, a.broken = []byte(object(missing)), name
			f.send(a)
		}
	}
	a := f.valid(op)
	a.body, a.broken = []byte(object(append(f.members(schema, "", ""), member{"surplus", "1"}))), "surplus"
	f.send(a)
}

// breakMany sends requests with several things broken at once.
func (f *surface) breakMany(op *apiOperation) {
	for range 20 {
		a := f.valid(op)
		for _, p := range op.Parameters {
			if f.random.IntN(2) == 0 {
				f.breakParameter(&a, p, pick(f.random, brokenTexts))
			}
		}
		if op.RequestBody != nil && f.random.IntN(2) == 0 {
			a.body = []byte(pick(f.random, append(brokenBodies, brokenJSON...)))
		}
		for name, from := range map[string][]string{
			"Authorization": {"", "Bearer", "Bearer x", "Bearer v4.local.x", "Basic YTpi", "Bearer \x00"},
			"Content-Type":  {"", "text/plain", "application/json; charset=utf-16", "a/b+c;d+e", "\x00"},
			"Accept":        {"", "text/html", "image/*", ";;;"},
		} {
			if f.random.IntN(4) == 0 {
				a.header.Set(name, pick(f.random, from))
			}
		}
		a.broken = ""
		f.send(a)
	}
}

// valid makes a request that an operation takes.
func (f *surface) valid(op *apiOperation) attempt {
	a := attempt{op: op, path: map[string]string{}, query: url.Values{}, header: http.Header{}}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			a.path[p.Name] = f.named(p.Name)
		case p.In == "query" && (p.Required || p.Name == "q"):
			a.query.Set(p.Name, f.named(p.Name))
		}
	}
	for _, need := range op.Security {
		if need["account"] != nil {
			a.header.Set("Authorization", "Bearer "+f.ada.Session.Token)
		}
		if need["operator"] != nil {
			a.header.Set("Authorization", "Bearer "+config.Secret{1}.OperatorToken())
		}
	}
	if op.RequestBody != nil {
		for _, contentType := range slices.Sorted(maps.Keys(op.RequestBody.Content)) {
			a.header.Set("Content-Type", contentType)
		}
	}
	if schema := f.doc.bodySchema(op); schema != nil {
		a.header.Set("Content-Type", "application/json")
		a.body = []byte(object(f.members(schema, "", "")))
	}
	return a
}

// named gives a value that is likely to be right for a parameter or member.
func (f *surface) named(name string) string {
	switch name {
	case "user":
		return f.ada.ID
	case "other", "friend", "member":
		return f.bob.ID
	case "id", "reply_to", "up_to":
		return f.post
	case "username":
		f.names++
		return fmt.Sprint("user", f.names)
	case "password", "current_password", "new_password":
		return "a long password"
	case "events":
		return "message:nobody-speaks-here"
	case "channels":
		return "public"
	case "partitions":
		return "1"
	case "avatar", "url":
		return "https://example.org/grape"
	}
	return "grape"
}

// members gives the members of a valid body, but that of one name with another value.
func (f *surface) members(schema *apiSchema, broken, value string) []member {
	var all []member
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := f.doc.resolve(schema.Properties[name])
		m := member{name, f.value(name, p)}
		if name == broken {
			m.value = value
		}
		if name == broken || slices.Contains(schema.Required, name) || f.random.IntN(3) == 0 {
			all = append(all, m)
		}
	}
	return all
}

func (f *surface) value(name string, s *apiSchema) string {
	of := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			f.t.Fatal(err)
		}
		return string(b)
	}
	if s == nil || len(s.Enum) > 0 {
		return of(s.Enum[0])
	}
	kind := fmt.Sprint(s.Type)
	switch {
	case s.Format == "date-time":
		return of(time.Now().UTC())
	case strings.Contains(kind, "array"):
		return "[" + f.value(name, f.doc.resolve(s.Items)) + "]"
	case strings.Contains(kind, "object"):
		return object(f.members(s, "", ""))
	case strings.Contains(kind, "integer"), strings.Contains(kind, "number"):
		return "1"
	case strings.Contains(kind, "boolean"):
		return "true"
	}
	return of(f.named(name))
}

func (f *surface) breakParameter(a *attempt, p *apiParameter, value string) {
	a.broken = p.Name
	switch p.In {
	case "path":
		a.path[p.Name] = value
	case "query":
		a.query.Set(p.Name, value)
	case "header":
		a.header.Set(p.Name, value)
	}
}

func (a *attempt) String() string {
	return fmt.Sprintf("%s %s %v ?%.200s %.200q", a.op.method, a.op.path, a.path, a.query.Encode(), a.body)
}

// send sends a request and judges the reply.
func (f *surface) send(a attempt) {
	f.t.Helper()
	path := a.op.path
	for name, value := range a.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second) // virtual
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, a.op.method, "http://node"+path+"?"+a.query.Encode(), bytes.NewReader(a.body))
	if err != nil {
		f.t.Fatalf("%s: %v", &a, err)
	}
	r.Header, r.RemoteAddr = a.header, "192.0.2.1:1234"
	w := httptest.NewRecorder()
	f.nodes[0].Handler().ServeHTTP(w, r)
	f.sent[w.Code]++
	f.judge(&a, w)
	if w.Code < 300 && a.op.method != "GET" && a.header.Get("Authorization") != "" {
		f.heal()
	}
}

// heal makes other accounts when a request has ended these, and another post when
// theirs is gone.
func (f *surface) heal() {
	for _, who := range []*account{f.ada, f.bob} {
		if f.do(0, who, "GET", "/v1/timelines/home", nil, nil) != http.StatusOK {
			f.accounts()
			return
		}
	}
	if f.do(0, f.ada, "GET", "/v1/posts/"+f.post, nil, nil) != http.StatusOK {
		f.post = f.simulation.post(0, f.ada, "another #grape")
	}
}

// judge says what is wrong with a reply.
func (f *surface) judge(a *attempt, w *httptest.ResponseRecorder) {
	f.t.Helper()
	if w.Code == http.StatusMovedPermanently || w.Code == http.StatusTemporaryRedirect || w.Code == http.StatusPermanentRedirect {
		return // an empty segment of a path
	}
	pathBroken := slices.ContainsFunc(a.op.Parameters, func(p *apiParameter) bool {
		return p.In == "path" && (a.path[p.Name] == "" || strings.ContainsAny(a.path[p.Name], "/?#%"))
	})
	if a.op.Responses[fmt.Sprint(w.Code)] == nil && !pathBroken {
		f.t.Errorf("%s: status %d is not documented: %s", a, w.Code, w.Body)
	}
	if w.Code < 400 {
		return
	}
	var p client.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code || p.Detail == "" {
		f.t.Errorf("%s: status %d is no problem: %v: %s", a, w.Code, err, w.Body)
	}
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		f.t.Errorf("%s: status %d: %s", a, w.Code, w.Body)
	}
	if w.Code == http.StatusUnprocessableEntity && a.broken != "" && a.broken != "body" && !strings.HasPrefix(p.Field, a.broken) && f.taken(a, p.Field) {
		f.t.Errorf("%s: %s is broken, and the problem names %q: %s", a, a.broken, p.Field, p.Detail)
	}
}

// taken says whether nothing but what is broken is wrong with an attempt. Files are
// not: a restore and an import read theirs before they look at the rest.
func (f *surface) taken(a *attempt, field string) bool {
	return a.op.RequestBody == nil || f.doc.bodySchema(a.op) != nil || field != "body"
}

func TestATextComesBackAsItWasGiven(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		for _, text := range []string{
			"<script>alert(1)</script>", `<img src=x onerror="alert('1')">`, "'; DROP TABLE users; --", `\u0041 \n "quoted" \`, "a\u0000b\u0007\u001b[31m",
			"line\r\nline\rline\u2028line", " \ttrailing \n", "\u202egnp.exe", "\ufeffmarked", "e\u0301 is not \u00e9", "\u212bngstr\u00f6m", "🍇👩‍👩‍👧‍👦", "{{.}} ${x} %s %00",
			strings.Repeat("ü", 5000),
		} {
			var posted, got struct {
				ID   string `json:"id"`
				Text string `json:"text"`
			}
			time.Sleep(5 * time.Millisecond) // virtual: timelines are in order to the millisecond
			s.expect(http.StatusCreated, 0, ada, "POST", "/v1/posts", map[string]string{"text": text}, &posted)
			s.expect(http.StatusOK, 0, nil, "GET", "/v1/posts/"+posted.ID, nil, &got)
			var mine, thread page
			s.expect(http.StatusOK, 0, ada, "GET", "/v1/timelines/home?limit=1", nil, &mine)
			s.expect(http.StatusOK, 0, ada, "GET", "/v1/users/@ada/posts?limit=1", nil, &thread)
			for place, shown := range map[string]string{"the reply": posted.Text, "the post": got.Text, "home": mine.texts()[0], "the author's": thread.texts()[0]} {
				if shown != text {
					s.t.Errorf("%s: %.60q came back as %.60q", place, text, shown)
				}
			}
			var u struct {
				DisplayName string `json:"display_name"`
				Bio         string `json:"bio"`
			}
			if s.do(0, ada, "PATCH", "/v1/users/@ada", map[string]string{"bio": text[:min(len(text), 100)]}, &u) == http.StatusOK && u.Bio != text[:min(len(text), 100)] {
				s.t.Errorf("bio %q came back as %q", text, u.Bio)
			}
		}
	})
}
