package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

var update = flag.Bool("update", false, "write openapi.json")

func TestTheCommittedOpenAPIDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "GET", "/openapi.json", "")
	if *update {
		if err := os.WriteFile("openapi.json", rec.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, rec.Body.Bytes()) {
		t.Error("openapi.json is not what the node serves: run go generate ./node/httpapi")
	}
}

// documented is an operation of the OpenAPI document.
type documented struct {
	*huma.Operation
	path string
}

func (o documented) String() string { return o.OperationID }

func (o documented) success() int {
	for status := range o.Responses {
		if n, err := strconv.Atoi(status); err == nil && n < 300 {
			return n
		}
	}
	return 0
}

// authorize adds the token that the operation needs, if any.
func (o documented) authorize(r *http.Request) {
	for _, need := range o.Security {
		if _, ok := need["account"]; ok {
			r.Header.Set("Authorization", "Bearer "+aliceToken)
		}
		if _, ok := need["operator"]; ok {
			r.Header.Set("Authorization", "Bearer "+opToken)
		}
	}
}

func operationsOf(a *api) []documented {
	var all []documented
	for path, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, documented{op, path})
			}
		}
	}
	return all
}

// target fills the path with a value for every parameter.
func target(path, value string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = value
		}
	}
	return strings.Join(segments, "/")
}

var bodies = map[string]any{
	"create-list":                  client.NewList{Title: "friends"},
	"rename-list":                  client.NewList{Title: "foes"},
	"befriend":                     client.NewFriend{Friend: "@bob"},
	"sign-up":                      client.SignUp{Username: "alice", Password: "correct horse", Bio: "b"},
	"log-in":                       client.Login{Username: "alice", Password: "correct horse"},
	"update-user":                  client.UserPatch{},
	"set-password":                 client.NewPassword{Current: "correct horse", New: "battery staple"},
	"read-notifications":           client.ReadUpTo{UpTo: postID},
	"publish":                      client.NewMessage{Channel: "news", Message: "hello"},
	"set-notification-preferences": social.NotificationPreferences{Like: social.NotifyOff},
	"create-webhook":               client.NewWebhook{URL: "https://example.com/hook", Events: []string{"like"}},
	"update-webhook":               social.WebhookPatch{},
	"create-post":                  client.NewPost{Text: "hello"},
	"edit-post":                    client.PostPatch{Text: "hello again"},
}

func TestEveryDocumentedRouteAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	operations := operationsOf(a)
	if len(operations) < 25 {
		t.Fatalf("only %d operations are documented", len(operations))
	}
	for _, op := range operations {
		var body []byte
		if op.RequestBody != nil {
			body, _ = json.Marshal(bodies[op.OperationID])
		}
		r := httptest.NewRequest(op.Method, target(op.path, aliceID)+"?key=k&partitions=1&channels=public", bytes.NewReader(body))
		op.authorize(r)
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, r)
		if rec.Code != op.success() {
			t.Errorf("%s: status %d, want %d; body %s", op, rec.Code, op.success(), rec.Body)
		}
		checkSchema(t, a, op, rec)
		if n := strings.Count(op.path, "{"); n != count(op.Parameters, "path") {
			t.Errorf("%s: the path has %d parameters, the document %d", op, n, count(op.Parameters, "path"))
		} else if n > 0 && (len(w.refs) != n || w.refs[n-1] != aliceID) {
			t.Errorf("%s: the service was asked about %q", op, w.refs)
		}
		for name := range op.Responses[strconv.Itoa(rec.Code)].Headers {
			if rec.Header().Get(name) == "" {
				t.Errorf("%s: the documented header %s is missing", op, name)
			}
		}
	}
}

func count(parameters []*huma.Param, in string) (n int) {
	for _, p := range parameters {
		if p.In == in {
			n++
		}
	}
	return n
}

// checkSchema checks a reply's body and content type against the document.
func checkSchema(t *testing.T, a *api, op documented, rec *httptest.ResponseRecorder) {
	t.Helper()
	reply := op.Responses[strconv.Itoa(rec.Code)]
	if reply == nil {
		t.Errorf("%s: status %d is not documented; body %s", op, rec.Code, rec.Body)
		return
	}
	contentType, _, _ := strings.Cut(rec.Header().Get("Content-Type"), ";")
	content := reply.Content[contentType]
	if content == nil {
		if len(reply.Content) > 0 || rec.Body.Len() > 0 {
			t.Errorf("%s: content type %q of status %d is not documented", op, contentType, rec.Code)
		}
		return
	}
	if content.Schema == nil {
		return
	}
	var value any
	if err := json.Unmarshal(rec.Body.Bytes(), &value); err != nil {
		t.Errorf("%s: body is not JSON: %v: %q", op, err, rec.Body)
		return
	}
	var faults huma.ValidateResult
	huma.Validate(a.huma.OpenAPI().Components.Schemas, content.Schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, value, &faults)
	if len(faults.Errors) > 0 {
		t.Errorf("%s: body %s is not of its schema: %v", op, rec.Body, faults.Errors)
	}
}

func TestNoInputMakesAnInternalErrorOrAnUndocumentedReply(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	for _, op := range operationsOf(a) {
		for range 200 {
			r := nonsense(random, op)
			rec := httptest.NewRecorder()
			a.ServeHTTP(rec, r)
			if rec.Code == http.StatusMovedPermanently || rec.Code == http.StatusTemporaryRedirect {
				continue // an empty path segment
			}
			if rec.Code >= 500 {
				t.Fatalf("%s %s: status %d: %s", r.Method, r.URL, rec.Code, rec.Body)
			}
			checkSchema(t, a, op, rec)
			if rec.Code >= 400 {
				problemOf(t, rec)
			}
		}
	}
}

var junk = []string{
	"", "0", "-1", "101", "99999999999999999999", "true", "@", "@alice", "%00", "%ff", "%", "%zz",
	"%F0%9F%8D%87", "..", "null", "{}", "'\"<", "one,two", strings.Repeat("x", 2000),
}

var junkJSON = []string{
	"", "{", "null", "[]", "1", `"x"`, "{}{}", "\xff", "{\"text\":\"\xff\"}", `{"text":1}`, `{"text":null}`, `{"text":""}`,
	`{"text":"ok","more":1}`, `{"username":"a b","password":"12345678"}`, `{"username":"a","password":"short"}`,
	`{"text":"ok","visibility":"nobody"}`, `{"TEXT":"ok"}`, `{"display_name":["x"]}`, strings.Repeat("[", 20000),
	`{"text":"` + strings.Repeat("x", MaxBody) + `"}`,
}

// nonsense makes a request to an operation with anything wrong.
func nonsense(random *rand.Rand, op documented) *http.Request {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	segment := pick(junk)
	if strings.HasPrefix(segment, "%") && len(segment) < 3 || segment == "%zz" || segment == ".." || segment == "" || strings.ContainsAny(segment, "\"<") {
		segment = "%25" // such a URL does not reach a handler
	}
	query := fmt.Sprintf("?limit=%s&cursor=%s&durability=%s&consistency=%s&digest=%s&key=%s",
		pick(junk), pick(junk), pick([]string{"", "all", "4"}), pick([]string{"", "quorum", "x"}), pick(junk), pick(junk))
	r := httptest.NewRequest(op.Method, "/", strings.NewReader(pick(junkJSON)))
	parsed := httptest.NewRequest(op.Method, target(op.path, segment), nil).URL
	parsed.RawQuery = query[1:]
	r.URL = parsed
	r.Header.Set("Content-Type", pick([]string{"application/json", "", "text/plain", "a/b+c;d+e", "application/json; charset=utf-8"}))
	r.Header.Set("Accept", pick([]string{"", "text/html", "*/*"}))
	r.Header.Set("Idempotency-Key", pick([]string{"", "k", strings.Repeat("k", 200)}))
	r.Header.Set(client.HeaderSession, pick([]string{"", "", "AQ", "nonsense", strings.Repeat("A", 5000)}))
	if random.IntN(4) > 0 {
		op.authorize(r)
	} else {
		r.Header.Set("Authorization", pick([]string{"", "Bearer", "Bearer x", "Basic YTpi"}))
	}
	return r
}

func TestTheDocumentGivesTheBoundsOfTheDomain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of, field, tag string
		want           int
	}{
		{"SignUp", "Username", "maxLength", social.MaxUsername},
		{"SignUp", "Password", "minLength", social.MinPassword},
		{"SignUp", "Password", "maxLength", social.MaxPassword},
		{"SignUp", "DisplayName", "maxLength", social.MaxDisplayName},
		{"SignUp", "Bio", "maxLength", social.MaxBio},
		{"UserPatch", "Username", "maxLength", social.MaxUsername},
		{"UserPatch", "Avatar", "maxLength", social.MaxAvatar},
		{"NewPassword", "New", "minLength", social.MinPassword},
		{"NewPassword", "New", "maxLength", social.MaxPassword},
		{"UserPatch", "DisplayName", "maxLength", social.MaxDisplayName},
		{"UserPatch", "Bio", "maxLength", social.MaxBio},
		{"NewPost", "Text", "maxLength", social.MaxText},
		{"PostPatch", "Text", "maxLength", social.MaxText},
		{"NewMessage", "Channel", "maxLength", social.MaxChannel},
		{"NewMessage", "Message", "maxLength", social.MaxMessage},
		{"cut", "Limit", "maximum", social.MaxPage},
		{"cut", "Limit", "default", social.DefaultPage},
	} {
		types := map[string]reflect.Type{
			"SignUp": reflect.TypeFor[client.SignUp](), "UserPatch": reflect.TypeFor[client.UserPatch](), "NewPassword": reflect.TypeFor[client.NewPassword](),
			"NewPost": reflect.TypeFor[client.NewPost](), "PostPatch": reflect.TypeFor[client.PostPatch](), "NewMessage": reflect.TypeFor[client.NewMessage](),
			"cut": reflect.TypeFor[Cut](),
		}
		f, _ := types[c.of].FieldByName(c.field)
		if got := f.Tag.Get(c.tag); got != strconv.Itoa(c.want) {
			t.Errorf("%s.%s: %s is %s, the domain says %d", c.of, c.field, c.tag, got, c.want)
		}
	}
}
