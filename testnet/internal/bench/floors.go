package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/badgerdb"
)

// A post is four rows of a node's engine: the post, its place among its author's
// and in the author's home, and the log of the write. The floors of posting
// commit as many rows of about the same size.
const (
	rowsPerPost = 4
	rowBytes    = 150
)

// postRows gives keys and values of the n-th post of a writer.
func postRows(writer, n int) (keys, values [rowsPerPost][]byte) {
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "%d/%05d/%012d", i, writer, n)
		values[i] = make([]byte, rowBytes)
	}
	return keys, values
}

// commits runs writers that each make one commit after another for a time.
func commits(ctx context.Context, d time.Duration, writers int, commit func(keys, values [rowsPerPost][]byte) error) (outcome, error) {
	var serial atomic.Int64
	l := loop{clients: writers, act: func(writer, _ int) error {
		return commit(postRows(writer, int(serial.Add(1))))
	}}
	return l.run(ctx, d)
}

// grouped measures the product's own engine: commits that share syncs.
func grouped(ctx context.Context, dir string, d time.Duration, writers int) (o outcome, err error) {
	db, err := badgerdb.Open(ctx, badgerdb.Config{Dir: dir})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return commits(ctx, d, writers, func(keys, values [rowsPerPost][]byte) error {
		var b store.Batch
		for i := range keys {
			b.Put(keys[i], values[i])
		}
		return db.Commit(ctx, &b)
	})
}

// bare measures Badger with a synced transaction for each commit.
func bare(ctx context.Context, dir string, d time.Duration, writers int) (o outcome, err error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(true).WithLogger(nil).WithMemTableSize(16 << 20))
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return commits(ctx, d, writers, func(keys, values [rowsPerPost][]byte) error {
		return db.Update(func(txn *badger.Txn) error {
			for i := range keys {
				if err := txn.Set(keys[i], values[i]); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Serve is the HTTP floor, a process of its own: a bare net/http handler that
// gives back what was put at /stored, and one that encodes the page that was put
// at /page each time it is asked. It prints its address to out and ends when in
// does, as it does when the process that started it is gone.
func Serve(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: floorHandler(), ReadHeaderTimeout: callTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintln(out, listener.Addr())
	_, err = io.Copy(io.Discard, in)
	err = errors.Join(err, server.Close())
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

func floorHandler() http.Handler {
	var stored atomic.Pointer[[]byte]
	var page atomic.Pointer[social.Page[social.Post]]
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /stored", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stored.Store(&b)
	})
	mux.HandleFunc("GET /stored", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(*stored.Load()) // the client went away, if it fails
	})
	mux.HandleFunc("PUT /page", func(w http.ResponseWriter, r *http.Request) {
		var p social.Page[social.Post]
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		page.Store(&p)
	})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page.Load()) // likewise
	})
	return mux
}

// floorProcess is a running Serve.
type floorProcess struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

// startFloor runs this program again with the arguments that make it Serve.
func startFloor(args []string) (*floorProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &floorProcess{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: floor did not start: %w", err), f.close())
	}
	f.addr = strings.TrimSpace(line)
	return f, nil
}

// put gives the floor what it is to serve.
func (f *floorProcess) put(path string, body []byte) error {
	c := &conn{addr: f.addr}
	defer c.close()
	r, err := c.call(render("PUT", path, "", body))
	if err != nil {
		return err
	}
	return wantStatus(http.StatusOK)(r)
}

func (f *floorProcess) close() error {
	return errors.Join(f.in.Close(), f.cmd.Wait())
}
