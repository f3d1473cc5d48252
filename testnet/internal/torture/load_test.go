package torture

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testLoad is one actor with one person, before nodes that answer as told.
type testLoad struct {
	*actor
	me *person
}

func newTestLoad(t *testing.T, handlers ...http.HandlerFunc) testLoad {
	t.Helper()
	journal, err := OpenJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	l := &load{targets: &targets{conns: 1}, journal: journal, tally: newTally(), gate: newGate()}
	for i, h := range handlers {
		s := httptest.NewServer(h)
		l.targets.set(i+1, s.URL)
		if h == nil {
			s.Close() // its address refuses connections
			continue
		}
		t.Cleanup(s.Close)
	}
	t.Cleanup(func() {
		l.targets.close()
		if err := journal.Close(); err != nil {
			t.Error(err)
		}
	})
	me := &person{id: "u", name: "una", token: "t", follows: map[string]bool{}}
	l.people = []*person{me, {id: "o", name: "otto"}}
	return testLoad{&actor{load: l, rng: rand.New(rand.NewPCG(1, 1)), of: 1}, me}
}

// fine acknowledges on two copies.
func fine(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Grapevine-Copies", "2")
	w.Header().Set("Grapevine-Session", "s")
	fmt.Fprint(w, `{"id":"p"}`)
}

// after answers the first request by first, and all others by then.
func after(first, then http.HandlerFunc) http.HandlerFunc {
	answers := make(chan http.HandlerFunc, 1)
	answers <- first
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case h := <-answers:
			h(w, r)
		default:
			then(w, r)
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func dropped(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// outcomes gives the copies of each entry of an act.
func (l testLoad) outcomes(act Act) []int {
	var copies []int
	for _, e := range l.journal.Entries() {
		if e.Act == act {
			copies = append(copies, e.Copies)
		}
	}
	return copies
}

func TestAnActIsJournalledAsItsAuthorWasTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node http.HandlerFunc
		want []int
	}{
		"acknowledged":                       {fine, []int{2}},
		"unknown, then acknowledged":         {after(status(503), fine), []int{0, 2}},
		"no answer, then acknowledged":       {after(dropped, fine), []int{0, 2}},
		"unknown for good":                   {status(503), []int{0}},
		"refused":                            {status(422), nil},
		"not admitted, then acknowledged":    {after(status(429), fine), []int{2}},
		"acknowledged without saying copies": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":"p"}`) }, nil},
		"no connection":                      {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestLoad(t, c.node)
			l.post(t.Context(), l.me)
			if got := l.outcomes(Post); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("the journal says %v, want %v", got, c.want)
			}
		})
	}
}

func TestAnActKeepsToTheSessionAndCountsMarksFromItsFirstRequest(t *testing.T) {
	t.Parallel()
	sessions := make(chan string, 8)
	l := newTestLoad(t, func(w http.ResponseWriter, r *http.Request) {
		sessions <- r.Header.Get("Grapevine-Session")
		fine(w, r)
	})
	l.post(t.Context(), l.me)
	l.journal.Add(Entry{Act: DiskLost})
	l.delete(t.Context(), l.me)
	if first, second := <-sessions, <-sessions; first != "" || second != "s" {
		t.Errorf("sent the sessions %q and %q", first, second)
	}
	entries := l.journal.Entries()
	if entries[0].Begun != 0 || entries[2].Act != Delete || entries[2].Begun != 1 || entries[2].Post != "p" {
		t.Errorf("journal: %+v", entries)
	}
	l.edit(t.Context(), l.me)
	if len(l.journal.Entries()) != 3 {
		t.Error("a deleted post is edited")
	}
}

func TestASessionThatDoesNotReadItsOwnWritesIsAFault(t *testing.T) {
	t.Parallel()
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"id":"p","author":"u","text":%q}`, text)
		}
	}
	for name, c := range map[string]struct {
		then   http.HandlerFunc
		before func(testLoad)
		faults int
	}{
		"own post":               {says("post 1 of client 0"), nil, 0},
		"no such post":           {status(404), nil, 1},
		"behind":                 {status(503), nil, 0},
		"another text":           {says("edit 7 of client 0"), nil, 1},
		"lost within its copies": {status(404), func(l testLoad) { l.journal.Add(Entry{Act: DiskLost}); l.journal.Add(Entry{Act: DiskLost}) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestLoad(t, after(fine, c.then))
			l.post(t.Context(), l.me)
			if c.before != nil {
				c.before(l)
			}
			l.readOwn(t.Context(), l.me)
			if got := l.tally.Faults(); len(got) != c.faults {
				t.Errorf("faults: %v, want %d", got, c.faults)
			}
		})
	}
}

func TestClientsKeepAwayFromANodeThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l := newTestLoad(t, nil, fine)
	for range 20 {
		l.post(t.Context(), l.me)
	}
	if got := l.tally.Counts(); got.Acknowledged != 20 || got.Errors["write: connection refused"] > 2 {
		t.Errorf("%+v", got)
	}
}

func TestEverybodyAndEveryNodeIsAsked(t *testing.T) {
	t.Parallel()
	node := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/users/u/posts":
			fmt.Fprint(w, `{"items":[{"id":"p","author":"u","text":"post 1 of client 0"}]}`)
		case "/v1/users/u/following":
			fmt.Fprint(w, `{"items":[{"id":"o"}]}`)
		case "/v1/timelines/home":
			fmt.Fprint(w, `{"items":[{"id":"p"}]}`)
		case "/v1/posts/p":
			fmt.Fprint(w, `{"id":"p"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
	l := newTestLoad(t, node, node)
	x := Expect([]Entry{{Act: SignUp, User: "u", Name: "una", Copies: 2}, {Act: Post, User: "u", Post: "p", Text: "post 1 of client 0", Copies: 2}, {Act: Follow, User: "u", Other: "o", Copies: 2}})
	answers, err := l.askAll(t.Context(), x, true)
	if err != nil || len(answers) != 4 {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	if v := Judge(x, answers); len(v.Faults) > 0 {
		t.Errorf("%v", v.Faults)
	}
	for _, a := range answers {
		if a.Known != (a.User == "u") || a.Known && (len(a.Home) != 1 || !a.Read["p"] || !a.Follows["o"]) {
			t.Errorf("%+v", a)
		}
	}
}

func TestTheJournalFileHoldsEveryEntry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	want := script("post p 2", "settled 3", "edit p 0")
	j.Begin(time.Now())
	for _, e := range want {
		j.Add(e)
	}
	if j.Marks() != 1 || len(j.Entries()) != len(want) {
		t.Errorf("%d marks, %d entries", j.Marks(), len(j.Entries()))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != len(want) || !strings.Contains(string(b), `"post":"p"`) {
		t.Errorf("the file holds %s (%v)", b, err)
	}
}
