package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/store"
	"grapevine/store/archive"
)

// Backups streams what the node holds and takes back what a backup holds. Its
// errors are social.Errors.
type Backups interface {
	// Backup writes a partition to w, a frame of an archive at a time. AsIs asks for
	// what the node holds, owner or not, caught up or not.
	Backup(ctx context.Context, w io.Writer, p store.Partition, asIs bool) error
	// Restore writes a block of an archive into the cluster. Without resume it
	// refuses when the cluster has users.
	Restore(ctx context.Context, block []byte, resume bool) (client.Restored, error)
}

const (
	backupPath  = "/v1/cluster/backup"
	restorePath = "/v1/cluster/restore"

	// stall bounds how long a client of a backup may take nothing; meanwhile the
	// engine keeps the moment that is being read.
	stall = 30 * time.Second
	// restoreTime bounds a request that restores a block.
	restoreTime = 20 * time.Second
)

// backupRoutes are streams, which huma does not serve: they have neither the time
// nor the size of other requests.
func (a *api) backupRoutes() {
	parameter := func(name, doc string, required bool, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Required: required, Schema: s}
	}
	text, flag := &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeBoolean}
	tags := []string{"cluster"}
	a.stream(operator, a.backup, huma.Operation{
		OperationID: "backup", Method: http.MethodGet, Path: backupPath, Tags: tags,
		Summary:     "Stream partitions that this node holds, for a backup",
		Description: "Each partition is as of one moment and ends with a count of its rows; a stream that breaks off is cut. 503 when this node does not own the first or has not caught up with it. `grapevine backup` makes a file of such streams.",
		Parameters: []*huma.Param{
			parameter("partitions", "Ids, separated by commas.", true, text),
			parameter("as_is", "Give what is here, though this node owns it no longer or has not caught up.", false, flag),
		},
		Responses: map[string]*huma.Response{"200": {
			Description: "Frames of an archive.", Content: map[string]*huma.MediaType{archive.MediaType: {}},
		}},
		Errors: []int{http.StatusNotFound},
	})
	restored := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Restored](), true, "")
	a.stream(operator, a.restore, huma.Operation{
		OperationID: "restore", Method: http.MethodPost, Path: restorePath, Tags: tags,
		Summary:     "Write a block of a backup into the cluster",
		Description: "Rows that exist are passed over, so a block may be sent again. 409 when the cluster has users, unless resume is set. `grapevine restore` sends the blocks of a file.",
		Parameters: []*huma.Param{
			parameter("resume", "Go on though the cluster has users.", false, flag),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{archive.MediaType: {}}},
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: restored}},
		}},
		Errors: []int{http.StatusConflict, http.StatusInsufficientStorage},
	})
}

// stream mounts and documents a handler that is not of huma.
func (a *api) stream(need access, h func(*exchange) error, op huma.Operation) {
	op.DefaultStatus = http.StatusOK
	describe(&op, need)
	problem := &huma.MediaType{Schema: a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Problem](), true, "")}
	for _, status := range append(op.Errors, usualErrors(&op, need, op.RequestBody != nil)...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{problemJSON: problem},
		}
	}
	a.huma.OpenAPI().AddOperation(&op)
	a.mux.HandleFunc(op.Method+" "+op.Path, func(_ http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		if f := x.identify(need, r.Header.Get("Authorization")); f != nil {
			writeFault(x, f)
			return
		}
		err := h(x)
		switch {
		case err == nil:
		case x.status != 0:
			a.Log.Warn("a stream broke off", "request", x.id, "path", op.Path, "error", err)
			panic(http.ErrAbortHandler) // the client must not take the end for the end
		default:
			writeFault(x, x.faultOf(err))
		}
	})
}

func (a *api) backup(x *exchange) error {
	query := x.r.URL.Query()
	partitions, f := readPartitions(query.Get("partitions"))
	if f != nil {
		return f
	}
	// It takes as long as the client does: what bounds it is the client's pace.
	ctx := context.WithoutCancel(x.r.Context())
	w := &pacedWriter{x: x, connection: http.NewResponseController(x.ResponseWriter)}
	x.Header().Set("Content-Type", archive.MediaType)
	for _, p := range partitions {
		if err := a.Backups.Backup(ctx, w, p, query.Get("as_is") == "true"); err != nil {
			return err
		}
	}
	return nil
}

// readPartitions reads ids separated by commas.
func readPartitions(list string) ([]store.Partition, *fault) {
	var out []store.Partition
	for id := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(id, 10, 16)
		if err != nil || len(out) == store.Slots {
			return nil, newFault(invalid, "partitions", "must be the ids of partitions, separated by commas")
		}
		out = append(out, store.Partition(n))
	}
	return out, nil
}

// pacedWriter gives each write time of its own.
type pacedWriter struct {
	x          *exchange
	connection *http.ResponseController
}

func (w *pacedWriter) Write(b []byte) (int, error) {
	// A ResponseWriter without deadlines is not one of net/http's server.
	_ = w.connection.SetWriteDeadline(time.Now().Add(stall))
	return w.x.Write(b)
}

func (a *api) restore(x *exchange) error {
	block, f := x.readBlock()
	if f != nil {
		return f
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), restoreTime)
	defer cancel()
	restored, err := a.Backups.Restore(ctx, block, x.r.URL.Query().Get("resume") == "true")
	if err != nil {
		return err
	}
	x.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(x).Encode(restored)
}

// readBlock reads a body that is larger than those of other requests, and no text.
func (x *exchange) readBlock() ([]byte, *fault) {
	connection := http.NewResponseController(x.ResponseWriter)
	_ = connection.SetReadDeadline(x.start.Add(stall)) // see readBody
	block, err := io.ReadAll(http.MaxBytesReader(x.ResponseWriter, x.r.Body, archive.MaxFrame))
	_ = connection.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		return nil, bodyFault(err)
	case len(block) == 0:
		return nil, newFault(invalid, "body", "must be a block of an archive")
	}
	return block, nil
}
