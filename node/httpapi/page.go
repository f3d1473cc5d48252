package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/services/social"
)

// rawReply is JSON that a service has encoded. Its length is said in advance: without
// it a body is sent in chunks, at the cost of another write to the connection.
type rawReply struct {
	ContentType   string `header:"Content-Type" hidden:"true"`
	ContentLength int    `header:"Content-Length" hidden:"true"`
	Body          []byte
}

func raw(body []byte) *rawReply { return &rawReply{"application/json", len(body), body} }

// replies declares the JSON of an operation that answers with a rawReply.
func replies[T any](a *api, op huma.Operation) huma.Operation {
	if op.DefaultStatus == 0 {
		op.DefaultStatus = http.StatusOK
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	successOf(&op).Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
	return op
}

// Cut is the input of every list. It is exported, like all inputs that others
// embed, because huma does not look into an unexported one.
type Cut struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"40" doc:"How many items a page has at most."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next of the page before, or, in lists of posts, the prev of the one after."`
}

func (c Cut) cut() social.Cut { return social.Cut{Cursor: c.Cursor, Limit: c.Limit} }

// pageReply is a page that huma encodes.
type pageReply[T any] struct{ Body social.Page[T] }

func page[T any](p social.Page[T], err error) (*pageReply[T], error) {
	if p.Items == nil {
		p.Items = []T{}
	}
	return &pageReply[T]{p}, err
}

// encodePage joins encoded items. Extra, when not empty, is further members of
// the object, encoded, without the leading comma.
func encodePage(p social.Page[json.RawMessage], extra string) []byte {
	size := len(p.Next) + len(p.Prev) + len(extra) + 48
	for _, item := range p.Items {
		size += len(item) + 1
	}
	b := append(make([]byte, 0, size), `{"items":[`...)
	b = appendItems(b, p.Items)
	b = append(b, ']')
	b = appendText(b, "next", p.Next)
	b = appendText(b, "prev", p.Prev)
	if extra != "" {
		b = append(append(b, ','), extra...)
	}
	return append(b, '}', '\n')
}

func appendItems(b []byte, items []json.RawMessage) []byte {
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return b
}

// appendText adds a member to an object that has one, unless it is empty.
func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return append(append(b, `,"`+name+`":`...), encoded...)
}
