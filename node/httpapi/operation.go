package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

// schemaPrefix is where the OpenAPI document keeps schemas.
const schemaPrefix = "#/components/schemas/"

// humaConfig is huma's configuration without its documentation pages, which
// load scripts from elsewhere, and without its links to schemas in replies.
func (a *api) humaConfig() huma.Config {
	registry := huma.NewMapRegistry(schemaPrefix, schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[client.Problem]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Grapevine",
				Version:     "1",
				Description: "A masterless social backend. Every node serves the whole API.",
			},
			Components: sharedComponents(registry),
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{transform},
	}
}

// exactNames makes huma take the names of JSON members as they are spelled, as
// encoding/json does not. Huma has one setting for the process.
var exactNames = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

// schemaName names the schema of Page[User] UserPage.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if item, ok := strings.CutPrefix(name, "Page"); ok {
		return item + "Page"
	}
	return name
}

// sharedComponents are the parameters and headers that all operations have.
func sharedComponents(schemas huma.Registry) *huma.Components {
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Components{
		Schemas: schemas,
		SecuritySchemes: map[string]*huma.SecurityScheme{
			"account":  {Type: "http", Scheme: "bearer", Description: "The token of an account's session."},
			"operator": {Type: "http", Scheme: "bearer", Description: "The operator token, printed by `grapevine token`."},
		},
		Parameters: map[string]*huma.Param{
			"Session": {Name: client.HeaderSession, In: "header", Schema: text,
				Description: "The token of an earlier reply: the answer shows the writes that it names, on any node."},
			"Consistency": {Name: "consistency", In: "query", Description: "How many owners a read asks.",
				Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"one", "quorum"}, Default: "one"}},
			"Durability": {Name: "durability", In: "query", Description: "Durable copies that a write must have to succeed. Without it, two or as many as there are reachable owners.",
				Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"1", "2", "3", "all"}}},
		},
		Headers: map[string]*huma.Header{
			"Session":   {Schema: text, Description: "Send it back as " + client.HeaderSession + " to read your own writes."},
			"Copies":    {Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Durable copies of the write when it was acknowledged."},
			"RequestID": {Schema: text, Description: "Names the request in the node's log: the one sent, or a new one."},
		},
	}
}

// register declares an operation: it completes its documentation, guards it, and
// turns its errors into problems.
func register[I, O any](a *api, need access, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	_, hasBody := reflect.TypeFor[I]().FieldByName("Body")
	if op.DefaultStatus == 0 {
		op.DefaultStatus = http.StatusOK
	}
	op.BodyReadTimeout = -1 // the body is read by then
	op.Errors = append(op.Errors, usualErrors(&op, need, hasBody)...)
	describe(&op, need)
	if need != anyone {
		op.Middlewares = huma.Middlewares{a.authenticate(need)}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, exchangeOf(ctx).faultOf(err)
		}
		return out, nil
	})
}

// usualErrors are the statuses that follow from what an operation is.
func usualErrors(op *huma.Operation, need access, hasBody bool) []int {
	statuses := []int{http.StatusInternalServerError, http.StatusServiceUnavailable}
	if strings.HasPrefix(op.Path, "/v1/") {
		statuses = append(statuses, http.StatusBadRequest, http.StatusUnprocessableEntity,
			http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
		if need != operator {
			statuses = append(statuses, http.StatusTooManyRequests)
		}
	}
	if need != anyone {
		statuses = append(statuses, http.StatusUnauthorized)
	}
	if strings.Contains(op.Path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if hasBody {
		statuses = append(statuses, http.StatusUnsupportedMediaType)
	}
	if isWrite(op) && need != operator {
		statuses = append(statuses, http.StatusForbidden, http.StatusConflict, http.StatusInsufficientStorage)
	}
	return statuses
}

// isWrite says whether an operation changes rows. To log in does not: the token
// is verified by its key alone.
func isWrite(op *huma.Operation) bool {
	return op.Method != http.MethodGet && op.OperationID != "log-in"
}

// describe adds the shared parameters, headers and security.
func describe(op *huma.Operation, need access) {
	headers := map[string]*huma.Param{
		client.HeaderSession:   {Ref: "#/components/headers/Session"},
		client.HeaderRequestID: {Ref: "#/components/headers/RequestID"},
	}
	if strings.HasPrefix(op.Path, "/v1/") && need != operator {
		op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/Session"})
		op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/Consistency"})
		if isWrite(op) {
			op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/Durability"})
			headers[client.HeaderCopies] = &huma.Param{Ref: "#/components/headers/Copies"}
		}
	}
	switch need {
	case visitor:
		op.Security = []map[string][]string{{}, {"account": {}}}
	case account:
		op.Security = []map[string][]string{{"account": {}}}
	case operator:
		op.Security = []map[string][]string{{"operator": {}}}
	case anyone:
	}
	reply := successOf(op)
	reply.Headers = headers
}

// successOf gives the description of an operation's successful reply.
func successOf(op *huma.Operation) *huma.Response {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	status := strconv.Itoa(op.DefaultStatus)
	if op.Responses[status] == nil {
		op.Responses[status] = &huma.Response{Description: http.StatusText(op.DefaultStatus)}
	}
	return op.Responses[status]
}

// document encodes the OpenAPI document. Pages are never null: see page.
func (a *api) document() ([]byte, error) {
	spec := a.huma.OpenAPI()
	for name, schema := range spec.Components.Schemas.Map() {
		if items := schema.Properties["items"]; items != nil && strings.HasSuffix(name, "Page") {
			items.Nullable = false
		}
	}
	b, err := json.MarshalIndent(spec, "", "  ")
	return append(b, '\n'), err
}
