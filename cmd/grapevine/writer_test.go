package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grapevine/node/client"
)

// writer posts through one node until its script ends, and keeps its own record of
// what was acknowledged.
type writer struct {
	authors []*client.Client // who are spread over the ring
	failed  chan error

	mu    sync.Mutex
	acked []ackedPost
}

type ackedPost struct {
	id, text, session string
}

type writing struct{}

// write begins to write through the node at an address: write HOST:PORT.
func write(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value(writing{}).(*writer)
	w.failed = make(chan error, 1)
	for i := range 4 {
		c := client.New("http://" + args[0])
		s, err := c.SignUp(context.Background(), client.SignUp{Username: fmt.Sprint("author", i), Password: "correct horse"})
		ts.Check(err)
		w.authors = append(w.authors, c.With(client.WithToken(s.Session.Token)))
	}
	ctx, cancel := context.WithCancel(context.Background())
	go w.run(ctx)
	ts.Defer(func() {
		cancel()
		if err := <-w.failed; err != nil {
			ts.Fatalf("writing: %v", err)
		}
	})
}

// run posts until ctx ends. A 503 means that the post may or may not stand: the
// author goes on.
func (w *writer) run(ctx context.Context) {
	defer close(w.failed)
	rate := time.NewTicker(20 * time.Millisecond)
	defer rate.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		author, text := w.authors[n%len(w.authors)], fmt.Sprint("post ", n)
		switch post, err := author.Post(ctx, client.NewPost{Text: text}); {
		case err == nil:
			w.mu.Lock()
			w.acked = append(w.acked, ackedPost{post.ID, text, author.Session()})
			w.mu.Unlock()
		case client.StatusOf(err) != 503 && !errors.Is(err, context.Canceled):
			w.failed <- err
			return
		}
		select {
		case <-rate.C:
		case <-ctx.Done():
		}
	}
}

// written checks that everything acknowledged so far is read at every one of some
// addresses, and that writing goes on: written HOST:PORT….
func written(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value(writing{}).(*writer)
	acked := w.more(ts)
	for _, at := range args {
		c := client.New("http://" + at)
		for _, want := range acked {
			got, err := c.With(client.WithSession(want.session)).GetPost(context.Background(), want.id)
			if err != nil || got.Text != want.text {
				ts.Fatalf("%q, of %d acknowledged, is at %s: %q, %v", want.text, len(acked), at, got.Text, err)
			}
		}
		c.Close()
	}
	ts.Logf("%d posts are read at %d nodes", len(acked), len(args))
}

// more waits for a further post to be acknowledged and gives all.
func (w *writer) more(ts *testscript.TestScript) []ackedPost {
	deadline := time.Now().Add(patience)
	for before := -1; ; {
		w.mu.Lock()
		acked := slices.Clone(w.acked)
		w.mu.Unlock()
		if before < 0 {
			before = len(acked)
		}
		if len(acked) > before {
			return acked
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no further write than %d is acknowledged", before)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at the condition
	}
}
