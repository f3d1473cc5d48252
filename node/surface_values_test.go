package node_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// apiSchema is what the fuzzer reads of a schema of the OpenAPI document.
type apiSchema struct {
	Ref        string                `json:"$ref"`
	Type       any                   `json:"type"` // a name, or several
	Format     string                `json:"format"`
	Enum       []any                 `json:"enum"`
	Properties map[string]*apiSchema `json:"properties"`
	Required   []string              `json:"required"`
	Items      *apiSchema            `json:"items"`
}

// apiParameter is a parameter of an operation.
type apiParameter struct {
	Ref      string     `json:"$ref"`
	Name     string     `json:"name"`
	In       string     `json:"in"`
	Required bool       `json:"required"`
	Schema   *apiSchema `json:"schema"`
}

// apiOperation is an operation of the OpenAPI document.
type apiOperation struct {
	ID          string                `json:"operationId"`
	Parameters  []*apiParameter       `json:"parameters"`
	Responses   map[string]any        `json:"responses"`
	Security    []map[string][]string `json:"security"`
	RequestBody *struct {
		Content map[string]struct {
			Schema *apiSchema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`

	method, path string
}

// apiDocument is the OpenAPI document.
type apiDocument struct {
	Paths      map[string]map[string]*apiOperation `json:"paths"`
	Components struct {
		Schemas    map[string]*apiSchema    `json:"schemas"`
		Parameters map[string]*apiParameter `json:"parameters"`
	} `json:"components"`
}

func (d *apiDocument) resolve(s *apiSchema) *apiSchema {
	if s != nil && s.Ref != "" {
		return d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

func (d *apiDocument) operations() []*apiOperation {
	var all []*apiOperation
	for path, methods := range d.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			for i, p := range op.Parameters {
				if p.Ref != "" {
					op.Parameters[i] = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
			}
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b *apiOperation) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// bodySchema gives the schema of an operation's JSON body, nil for none.
func (d *apiDocument) bodySchema(op *apiOperation) *apiSchema {
	if op.RequestBody == nil {
		return nil
	}
	return d.resolve(op.RequestBody.Content["application/json"].Schema)
}

// brokenTexts are what may be wrong with, or strange in, a parameter.
var brokenTexts = []string{
	"", " ", "0", "-1", "101", "99999999999999999999", "1.5", "1e9", "NaN", "true", "null", "[]", "{}", "@", "@ada", "@@", "a,b,,c", ",",
	"\x00", "\xff\xfe", "a\x00b", "\r\n", "\t", "\u202e", "\ufeff", "%00", "%", "../..", "/", "//", "?", "#", "🍇", "e\u0301", "\u0660\u0661",
	"<script>alert(1)</script>", "'; DROP TABLE users; --", `"`, `\`, "${jndi:ldap://x}", strings.Repeat("x", 65), strings.Repeat("y", 3000),
	"01J00000000000000000000000", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
	"0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-40", "-0001-01-01T00:00:00Z",
}

// brokenJSON are what may be wrong with, or strange in, a member of a body.
var brokenJSON = []string{
	"null", "true", "0", "-1", "1.5", "1e400", "99999999999999999999", "[]", "{}", "[null]", `[""]`, `{"":null}`, `""`, `" "`, `"\n"`,
	`"\u0000"`, `"a\u0000b"`, `"\u0007\u001b[31m"`, `"\ud800"`, `"\udc00\ud800"`, "\"\xff\"", "\"\xc0\x80\"", `"\u202egnp.exe"`, `"\ufeff"`, `"e\u0301"`, `"🍇"`,
	`"<script>alert(1)</script>"`, `"<img src=x onerror=alert(1)>"`, `"'; DROP TABLE users; --"`, `"@ada @nobody #grape #\u0000"`, `"public"`, `"direct"`,
	`"` + strings.Repeat("x", 65) + `"`, `"` + strings.Repeat("🍇", 6000) + `"`, `"` + strings.Repeat("z", 70<<10) + `"`,
	strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500), strings.Repeat("[", 20000),
	`{"$ref":"#"}`, `["a","a"]`, "{", `"`, "", "nul", "1 2", "'x'", "NaN",
}

// brokenBodies are what may be wrong with a body as a whole.
var brokenBodies = []string{
	"", " ", "null", "[]", "{}", "1", `"x"`, "{}{}", "{", "}", "\xff", "\ufeff{}", "{\"\xff\":1}", strings.Repeat("[", 30000),
	`{"":""}`, `{"constructor":{"prototype":{}}}`, "\x00", "<xml/>", "a=b&c=d", `{"a":1,}`, strings.Repeat(" ", 70<<10),
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// member is one of a body, encoded.
type member struct{ name, value string }

func object(members []member) string {
	var b strings.Builder
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			panic(err) // it is a string
		}
		fmt.Fprintf(&b, "%s:%s", name, m.value)
	}
	return "{" + b.String() + "}"
}
