package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/services/social"
)

// MaxImport bounds the bytes of an import.
const MaxImport = 64 << 20

const ndjson = "application/x-ndjson"

// takeoutRoutes are streams, which huma does not serve: they have neither the time
// nor the size of other requests.
func (a *api) takeoutRoutes() {
	tags := []string{"users"}
	user := func() []*huma.Param {
		return []*huma.Param{{Name: "user", In: "path", Required: true, Description: "A user id or @name.", Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	a.stream(account, a.exportAccount, huma.Operation{
		OperationID: "export-user", Method: http.MethodGet, Path: "/v1/users/{user}/export", Tags: tags,
		Summary:     "Download your account",
		Description: "A JSON object on each line, which its type tells: grapevine-export (first), profile, post, edit, like, following, follower, friend (or asked to be), block, mute, list, list-member, end (last). A file without its end is cut.",
		Parameters:  user(),
		Responses:   map[string]*huma.Response{"200": {Description: "The account as a file.", Content: map[string]*huma.MediaType{ndjson: {}}}},
		Errors:      []int{http.StatusForbidden},
	})
	imported := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[social.Imported](), true, "")
	a.stream(account, a.importAccount, huma.Operation{
		OperationID: "import-user", Method: http.MethodPost, Path: "/v1/users/{user}/import", Tags: tags,
		Summary: "Take an exported account into yours",
		Description: "Profile, posts, likes, follows, friends, blocks, mutes and lists become yours; the username stays. A post keeps the time of its making, marked with imported_at, and mentions nobody; one that was direct is for you alone. " +
			"Accounts count as the same that have the same id or name here; friends are asked. Posts of others are liked that are here. To repeat an import changes nothing. At most 64 MiB: split a larger file into several with the first line in each.",
		Parameters:  user(),
		RequestBody: &huma.RequestBody{Required: true, Description: "An export.", Content: map[string]*huma.MediaType{ndjson: {}}},
		Responses: map[string]*huma.Response{"200": {
			Description: "What was taken, and what not.", Content: map[string]*huma.MediaType{"application/json": {Schema: imported}},
		}},
	})
}

func (a *api) exportAccount(x *exchange) error {
	return a.Takeout.Export(context.WithoutCancel(x.r.Context()), newDownload(x), x.who, x.r.PathValue("user"))
}

// download makes the reply a file once something is written to it.
type download struct{ pacedWriter }

func newDownload(x *exchange) *download {
	return &download{pacedWriter{x: x, connection: http.NewResponseController(x.ResponseWriter)}}
}

func (d *download) Write(b []byte) (int, error) {
	if d.x.status == 0 {
		d.x.Header().Set("Content-Type", ndjson)
		d.x.Header().Set("Content-Disposition", `attachment; filename="grapevine-export.ndjson"`)
	}
	return d.pacedWriter.Write(b)
}

func (a *api) importAccount(x *exchange) error {
	connection := http.NewResponseController(x.ResponseWriter)
	// It takes as long as it takes; what bounds it is the client's pace. A
	// ResponseWriter without deadlines is not one of net/http's server.
	_ = connection.SetWriteDeadline(time.Time{})
	body := &upload{from: http.MaxBytesReader(x.ResponseWriter, x.r.Body, MaxImport), connection: connection}
	done, err := a.Takeout.Import(context.WithoutCancel(x.r.Context()), body, x.who, x.r.PathValue("user"))
	_ = connection.SetReadDeadline(time.Time{})
	_ = connection.SetWriteDeadline(time.Now().Add(stall))
	if err != nil {
		x.Header().Set("Connection", "close") // the rest of the body is not read
	}
	if body.failed != nil {
		return bodyFault(body.failed)
	}
	if err != nil {
		return err
	}
	x.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(x).Encode(done)
}

// upload gives each read of a body time of its own, and keeps why one failed.
type upload struct {
	from       io.Reader
	connection *http.ResponseController
	failed     error
}

func (u *upload) Read(b []byte) (int, error) {
	_ = u.connection.SetReadDeadline(time.Now().Add(stall)) // see importAccount
	n, err := u.from.Read(b)
	if err != nil && err != io.EOF {
		u.failed = err
	}
	return n, err
}
