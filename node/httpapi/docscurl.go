package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsCurl gives a command line that calls an operation.
func docsCurl(spec *huma.OpenAPI, op *huma.Operation) string {
	command := "curl"
	if op.Method != http.MethodGet {
		command += " -X " + op.Method
	}
	var query []string
	for _, p := range op.Parameters {
		if p.In == "query" && p.Required {
			query = append(query, p.Name+"="+strings.ToUpper(p.Name))
		}
	}
	path := op.Path
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	command += fmt.Sprintf(" \"$NODE%s\"", path)
	if len(op.Security) > 0 && len(op.Security[0]) > 0 {
		command += ` -H "Authorization: Bearer $TOKEN"`
	}
	if op.RequestBody == nil {
		return command
	}
	if content := op.RequestBody.Content["application/json"]; content != nil {
		// The example is of strings, numbers and what is made of them.
		body, _ := json.Marshal(exampleOf(spec, content.Schema, 0))
		return command + " -H 'Content-Type: application/json' -d '" + strings.ReplaceAll(string(body), "'", `'\''`) + "'"
	}
	for contentType := range op.RequestBody.Content {
		command += " -H 'Content-Type: " + contentType + "' --data-binary @FILE"
	}
	return command
}

// maxExample bounds how deep an example goes.
const maxExample = 4

// exampleOf gives a value of a schema: what is required, or all when nothing is.
func exampleOf(spec *huma.OpenAPI, s *huma.Schema, depth int) any {
	if s != nil && s.Ref != "" {
		s = spec.Components.Schemas.SchemaFromRef(s.Ref)
	}
	switch {
	case s == nil || depth > maxExample:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Default != nil:
		return s.Default
	}
	switch s.Type {
	case huma.TypeObject:
		fields := map[string]any{}
		for name, p := range s.Properties {
			if len(s.Required) == 0 || slices.Contains(s.Required, name) {
				fields[name] = exampleOf(spec, p, depth+1)
			}
		}
		return fields
	case huma.TypeArray:
		return []any{exampleOf(spec, s.Items, depth+1)}
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return true
	}
	return "…"
}
