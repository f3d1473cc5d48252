package httpapi

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// docsFiles are the page that shows the OpenAPI document and what it loads. All of
// it comes from the node, so that it works without internet.
//
//go:embed docs
var docsFiles embed.FS

// docsPolicy lets the page load its own style and script, and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsRoutes serve the OpenAPI document for people.
func (a *api) docsRoutes() {
	page := sync.OnceValues(a.renderDocs)
	a.plain("/docs", "The OpenAPI document as a page to read", "text/html", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		html, err := page()
		if err != nil {
			panic(err) // the declarations that the page is made of are constant
		}
		serveDocs(w, "text/html; charset=utf-8", html)
	}))
	for name, contentType := range map[string]string{"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"} {
		content, err := docsFiles.ReadFile("docs/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		a.mux.HandleFunc("GET /docs/"+name, func(w http.ResponseWriter, _ *http.Request) { serveDocs(w, contentType, content) })
	}
}

func serveDocs(w http.ResponseWriter, contentType string, content []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(content) //nolint:errcheck // the client went away
}

// renderDocs makes the page.
func (a *api) renderDocs() ([]byte, error) {
	t, err := template.ParseFS(docsFiles, "docs/docs.html")
	if err != nil {
		return nil, fmt.Errorf("docs: %w", err)
	}
	if _, err := a.openapi(); err != nil { // completes the schemas
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, docsOf(a.huma.OpenAPI()))
	return b.Bytes(), err
}

// docs is the OpenAPI document as the page shows it. A Find is what its search
// looks in.
type docs struct {
	Title, Description string
	Groups             []docsGroup
	Schemas            []docsSchema
}

type docsGroup struct {
	Tag        string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Access, Curl, Find string
	Description                                   []string // paragraphs
	Parameters                                    []docsField
	Body                                          []docsType
	Replies                                       []docsReply
}

type docsField struct {
	Name, In, Doc string
	Required      bool
	Type          []docsType
}

type docsReply struct {
	Status, Doc string
	Type        []docsType
}

type docsSchema struct {
	Name, Doc, Find string
	Type            []docsType
	Fields          []docsField
}

// docsOf sorts a document by tags, in the order of paths.
func docsOf(spec *huma.OpenAPI) docs {
	d := docs{Title: spec.Info.Title, Description: spec.Info.Description}
	groups := map[string][]docsOperation{}
	for _, path := range slices.Sorted(maps.Keys(spec.Paths)) {
		item := spec.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				tag := strings.Join(op.Tags, ", ")
				groups[tag] = append(groups[tag], docsOperationOf(spec, op))
			}
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(groups)) {
		d.Groups = append(d.Groups, docsGroup{tag, groups[tag]})
	}
	schemas := spec.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		d.Schemas = append(d.Schemas, docsSchemaOf(name, schemas[name]))
	}
	return d
}

func docsOperationOf(spec *huma.OpenAPI, op *huma.Operation) docsOperation {
	o := docsOperation{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Access: docsAccess(op), Curl: docsCurl(spec, op),
	}
	if op.Description != "" {
		o.Description = strings.Split(op.Description, "\n\n")
	}
	for _, p := range op.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = spec.Components.Parameters[name]
		}
		f := docsField{Name: p.Name, In: p.In, Doc: p.Description, Required: p.Required, Type: docsTypes(p.Schema)}
		if f.Doc == "" && p.Schema != nil {
			f.Doc = p.Schema.Description
		}
		o.Parameters = append(o.Parameters, f)
	}
	if op.RequestBody != nil {
		o.Body = docsContent(op.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		o.Replies = append(o.Replies, docsReply{status, r.Description, docsContent(r.Content)})
	}
	o.Find = strings.ToLower(strings.Join(append([]string{o.ID, o.Method, o.Path, o.Summary, strings.Join(op.Tags, " ")}, o.Description...), " "))
	return o
}

func docsAccess(op *huma.Operation) string {
	for _, need := range op.Security {
		switch {
		case len(need) == 0:
			return "Anyone; an account's token shows what that account may see."
		case need["operator"] != nil:
			return "Needs the operator token."
		case need["account"] != nil:
			return "Needs the token of an account."
		}
	}
	return "Anyone."
}

func docsContent(content map[string]*huma.MediaType) (types []docsType) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if content[name].Schema == nil {
			types = append(types, docsType{Before: name})
		} else {
			types = append(types, docsTypes(content[name].Schema)...)
		}
	}
	return types
}

func docsSchemaOf(name string, s *huma.Schema) docsSchema {
	out := docsSchema{Name: name, Doc: s.Description, Type: docsTypes(s)}
	find := []string{name, s.Description}
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[field]
		out.Fields = append(out.Fields, docsField{
			Name: field, Doc: p.Description, Required: slices.Contains(s.Required, field), Type: docsTypes(p),
		})
		find = append(find, field, p.Description)
	}
	out.Find = strings.ToLower(strings.Join(find, " "))
	return out
}

// docsType is a type in words: with a reference to a schema, or bounds, or both.
type docsType struct{ Before, Ref, Bounds string }

// docsTypes gives the alternatives that a schema allows.
func docsTypes(s *huma.Schema) (types []docsType) {
	if s == nil {
		return nil
	}
	for _, alternative := range slices.Concat(s.AnyOf, s.OneOf) {
		types = append(types, docsTypes(alternative)...)
	}
	if types != nil {
		return types
	}
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok {
		return []docsType{{Ref: name}}
	}
	if s.Type == huma.TypeArray {
		types = docsTypes(s.Items)
		for i := range types {
			types[i].Before = "list of " + types[i].Before
		}
		return types
	}
	return []docsType{{Before: s.Type, Bounds: docsBounds(s)}}
}

func docsBounds(s *huma.Schema) string {
	var bounds []string
	add := func(format string, v ...any) { bounds = append(bounds, fmt.Sprintf(format, v...)) }
	if s.Format != "" {
		add("%s", s.Format)
	}
	if len(s.Enum) > 0 {
		add("%s", strings.Join(strings.Fields(strings.Trim(fmt.Sprint(s.Enum), "[]")), " or "))
	}
	if s.MinLength != nil {
		add("at least %d characters", *s.MinLength)
	}
	if s.MaxLength != nil {
		add("at most %d characters", *s.MaxLength)
	}
	if s.Minimum != nil {
		add("from %s", strconv.FormatFloat(*s.Minimum, 'g', -1, 64))
	}
	if s.Maximum != nil {
		add("to %s", strconv.FormatFloat(*s.Maximum, 'g', -1, 64))
	}
	if s.Default != nil {
		add("default %v", s.Default)
	}
	return strings.Join(bounds, ", ")
}
