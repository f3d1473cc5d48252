package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grapevine/p2p"
)

// listener is a client of a stream, as a program that reads server-sent events.
type listener struct {
	s      *simulation
	node   int
	cancel context.CancelFunc
	ended  chan struct{}

	taking chan struct{} // of one; while it is full, the client takes nothing
	mu     sync.Mutex
	header http.Header
	text   bytes.Buffer
}

func (l *listener) Header() http.Header { return l.header }

func (l *listener) WriteHeader(int) {}

func (l *listener) Write(b []byte) (int, error) {
	l.taking <- struct{}{}
	defer func() { <-l.taking }()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// listen opens a stream on a node. After, when not empty, is the id of the last event
// that was taken.
func (s *simulation) listen(i int, who *account, channels, after string) *listener {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "GET", "/v1/stream?channels="+channels, nil)
	if who != nil {
		r.Header.Set("Authorization", "Bearer "+who.Session.Token)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	l := &listener{s: s, node: i, cancel: cancel, ended: make(chan struct{}), taking: make(chan struct{}, 1), header: http.Header{}}
	go func() {
		defer close(l.ended)
		s.nodes[i].Handler().ServeHTTP(l, r)
	}()
	s.eventually("the stream is open", func() error {
		if len(l.events()) == 0 {
			return fmt.Errorf("it says %q", l.body())
		}
		return nil
	})
	return l
}

func (l *listener) stop() {
	l.cancel()
	<-l.ended
}

func (l *listener) body() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// told is an event as a client reads it.
type told struct {
	id, event string
	data      struct {
		Channel string `json:"channel"`
		ID      string `json:"id"`
		Text    string `json:"text"`
		Message string `json:"message"`
		Kind    string `json:"kind"`
		Reason  string `json:"reason"`
	}
}

func (l *listener) events() []told {
	var all []told
	for block := range strings.SplitSeq(l.body(), "\n\n") {
		var e told
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					l.s.t.Errorf("%v in %q", err, line)
				}
			}
		}
		if e.event != "" {
			all = append(all, e)
		}
	}
	return all
}

// last gives the id with which to go on.
func (l *listener) last() string {
	id := ""
	for _, e := range l.events() {
		if e.id != "" {
			id = e.id
		}
	}
	return id
}

// behindTheLast gives what the items say that came behind the last id: they come again.
func (l *listener) behindTheLast() []string {
	events := l.events()
	for i, e := range slices.Backward(events) {
		if e.id != "" {
			return say(events[i+1:])
		}
	}
	return say(events)
}

// heard gives what each item says, once, with its channel, sorted.
func (l *listener) heard() []string { return say(l.events()) }

func say(events []told) []string {
	var all []string
	for _, e := range events {
		switch e.event {
		case "post":
			all = append(all, e.data.Channel+" "+e.data.Text)
		case "message":
			all = append(all, e.data.Channel+" "+e.data.Message)
		case "notification":
			all = append(all, e.data.Channel+" "+e.data.Kind)
		case "gap", "closed":
			all = append(all, e.event+" "+e.data.Channel+e.data.Reason)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hears waits until a stream has told exactly this, in any order.
func (l *listener) hears(want ...string) {
	l.s.t.Helper()
	slices.Sort(want)
	l.s.eventually(fmt.Sprintf("the stream on node %d tells %q", l.node, want), func() error {
		if got := l.heard(); !slices.Equal(got, want) {
			return fmt.Errorf("it tells %q", got)
		}
		return nil
	})
}

// hearsOf waits until the stream tells something, among others.
func (l *listener) hearsOf(what string) {
	l.s.t.Helper()
	l.s.eventually(fmt.Sprintf("the stream on node %d tells %q", l.node, what), func() error {
		if got := l.heard(); !slices.Contains(got, what) {
			return fmt.Errorf("it tells %q", got)
		}
		return nil
	})
}

// follows makes an account follow another and waits until that shows.
func (s *simulation) follows(who *account, other string) {
	s.t.Helper()
	s.expect(http.StatusNoContent, 0, who, "PUT", "/v1/users/"+who.ID+"/following/"+other, nil, nil)
	s.eventually("the follow has its consequences", func() error {
		var followers page
		s.expect(http.StatusOK, 0, nil, "GET", "/v1/users/"+other+"/followers", nil, &followers)
		if !slices.ContainsFunc(followers.Items, func(f struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		}) bool {
			return f.ID == who.ID
		}) {
			return fmt.Errorf("%+v", followers)
		}
		return nil
	})
}

func TestEveryNodeTellsStreamsWhatComesToAnyOfItsChannels(t *testing.T) {
	simulate(t, 5, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.follows(bob, "@ada")
		var all []*listener
		for i := range s.nodes {
			l := s.listen(i, bob, "home,notifications,public,tag:Grapes,channel:news", "")
			defer l.stop()
			all = append(all, l)
		}
		anyone := s.listen(4, nil, "public,tag:grapes", "")
		defer anyone.stop()
		s.post(0, ada, "of #grapes and @bob")
		s.expect(http.StatusAccepted, 3, ada, "POST", "/v1/notifications", map[string]string{"channel": "News", "message": "hear ye"}, nil)
		for _, l := range all {
			l.hears("home of #grapes and @bob", "notifications mention", "public of #grapes and @bob", "tag:grapes of #grapes and @bob", "news hear ye")
		}
		anyone.hears("public of #grapes and @bob", "tag:grapes of #grapes and @bob")
	})
}

func TestAStreamGoesOnAtAnotherNodeWhereItBrokeOff(t *testing.T) {
	simulate(t, 5, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.follows(bob, "@ada")
		l := s.listen(1, bob, "home,public", "")
		s.post(0, ada, "first")
		l.hears("home first", "public first")
		l.stop()
		s.post(2, ada, "second")
		s.post(3, ada, "third")
		want := append(l.behindTheLast(), "home second", "home third", "public second", "public third")
		for i := range s.nodes {
			again := s.listen(i, bob, "home,public", l.last())
			again.hears(want...)
			again.stop()
		}
	})
}

func TestWhatComesLateFromTheOtherSideOfACutIsTold(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.follows(bob, "@ada")
		s.converge()
		s.net.Partition([]p2p.NodeID{s.nodes[0].id}, []p2p.NodeID{s.nodes[1].id, s.nodes[2].id})
		ada.seen, bob.seen = "", ""
		l := s.listen(1, bob, "home,public", "")
		defer l.stop()
		early := s.listen(2, bob, "home", "")
		s.post(0, ada, "from the left")
		time.Sleep(2 * time.Minute)
		ada.seen = ""
		s.post(1, ada, "from the right")
		l.hears("home from the right", "public from the right")
		early.hears("home from the right")
		early.stop()
		s.net.Heal()
		l.hears("home from the left", "home from the right", "public from the left", "public from the right")
		// Its place is between what the stream had told: a time would not find it.
		again := s.listen(0, bob, "home", early.last())
		defer again.stop()
		again.hearsOf("home from the left") // and again, it may be, what early had
	})
}

func TestAStreamIsNotCutOffByTheDeathOfTheNodeThatWatchesForIt(t *testing.T) {
	simulate(t, 5, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.follows(bob, "@ada")
		var all []*listener
		for i := range 5 {
			all = append(all, s.listen(i, bob, "home,public,channel:news", ""))
		}
		want := []string{}
		for victim := 1; victim < 4; victim++ {
			s.crash(victim)
			time.Sleep(20 * time.Second)
			text := fmt.Sprint("without ", victim)
			s.post(0, ada, text)
			s.expect(http.StatusAccepted, 4, ada, "POST", "/v1/notifications", map[string]string{"channel": "news", "message": text}, nil)
			want = append(want, "home "+text, "public "+text, "news "+text)
			all[0].hears(want...)
			all[4].hears(want...)
			s.start(victim)
			s.converge()
		}
		for _, l := range all {
			l.stop()
		}
	})
}

func TestAStreamTellsNothingOfWhoIsBlockedOrMuted(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, eve := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "eve")
		l := s.listen(2, bob, "home,public,notifications,tag:t,channel:c", "")
		defer l.stop()
		s.expect(http.StatusNoContent, 0, bob, "PUT", "/v1/users/@bob/blocks/@eve", nil, nil)
		s.expect(http.StatusNoContent, 0, bob, "PUT", "/v1/users/@bob/mutes/@ada", nil, nil)
		s.converge()
		s.post(1, eve, "#t of @bob")
		s.expect(http.StatusAccepted, 1, eve, "POST", "/v1/notifications", map[string]string{"channel": "c", "message": "psst"}, nil)
		s.post(1, ada, "#t too")
		s.post(1, bob, "my own")
		l.hears("home my own", "public my own")
	})
}

func TestAStreamEndsWithTheSessionThatOpenedIt(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		l := s.listen(1, ada, "home", "")
		time.Sleep(time.Minute)
		l.hears()
		if n := strings.Count(l.body(), "\n:\n"); n < 3 || n > 4 {
			t.Errorf("%d signs of life in a minute", n)
		}
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/sessions/current", nil, nil)
		time.Sleep(16 * time.Second)
		<-l.ended
		l.hears("closed token")
	})
}

func TestANodeThatStopsSendsItsStreamsElsewhere(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		l := s.listen(2, ada, "home,public", "")
		s.post(0, ada, "before")
		l.hears("home before", "public before")
		if err := s.nodes[2].Close(); err != nil {
			t.Error(err)
		}
		s.nodes[2].up = false
		<-l.ended
		l.hears("home before", "public before", "closed draining")
		s.post(1, ada, "after")
		again := s.listen(1, ada, "home", l.last())
		defer again.stop()
		again.hears("home after")
	})
}

func TestAStreamThatWasAwayForLongIsToldOfTheGap(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		l := s.listen(1, ada, "home", "")
		l.stop()
		for i := range 230 {
			s.post(0, ada, fmt.Sprint("post ", i))
		}
		s.converge()
		again := s.listen(2, ada, "home", l.last())
		defer again.stop()
		s.eventually("the newest are told", func() error {
			said := again.heard()
			if len(said) != 201 || !slices.Contains(said, "gap home") || !slices.Contains(said, "home post 229") {
				return fmt.Errorf("%d items", len(said))
			}
			return nil
		})
	})
}

func TestAStreamThatCannotBeIsRefused(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		for path, want := range map[string]int{
			"?channels=home":                http.StatusUnauthorized,
			"?channels=home&access_token=x": http.StatusUnauthorized,
			"?channels=nonsense":            http.StatusUnprocessableEntity,
			"":                              http.StatusUnprocessableEntity,
			"?channels=tag:%23,public":      http.StatusUnprocessableEntity,
			"?channels=public&last_event_id=AAAAAAAAAA": http.StatusBadRequest,
		} {
			s.expect(want, 0, nil, "GET", "/v1/stream"+path, nil, nil)
		}
		var all []*listener
		for range 32 {
			all = append(all, s.listen(0, ada, "home", ""))
		}
		s.expect(http.StatusServiceUnavailable, 0, ada, "GET", "/v1/stream?channels=home", nil, nil)
		for _, l := range all {
			l.stop()
		}
	})
}

func TestAClientThatIsTooSlowIsToldOfTheGapAndTakesNothingFromOthers(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		slow, other := s.listen(1, ada, "home", ""), s.listen(1, ada, "home", "")
		defer slow.stop()
		defer other.stop()
		slow.taking <- struct{}{}
		for i := range 300 {
			s.post(0, ada, fmt.Sprint("post ", i))
		}
		s.eventually("the other stream has it all", func() error {
			if n := len(other.heard()); n != 300 {
				return fmt.Errorf("%d items", n)
			}
			return nil
		})
		<-slow.taking
		s.eventually("the slow stream has the newest, and knows", func() error {
			heard := slow.heard()
			if len(heard) > 299 || !slices.Contains(heard, "gap home") || !slices.Contains(heard, "home post 299") {
				return fmt.Errorf("%d items", len(heard))
			}
			return nil
		})
	})
}

func TestAStreamOfHomeTellsOfAuthorsWhosePostsAreMergedIn(t *testing.T) {
	simulate(t, 5, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		var readers []*account
		for i, name := range []string{"bob", "eve", "kim"} {
			readers = append(readers, s.signUp(i, name))
			s.follows(readers[i], "@ada")
		}
		s.post(0, ada, "before")
		for i := range s.nodes {
			s.merges(i, readers[2], ada, true)
		}
		var all []*listener
		for i := range s.nodes {
			all = append(all, s.listen(i, readers[2], "home", ""))
		}
		s.post(1, ada, "to many")
		for _, l := range all {
			l.hears("home to many")
			l.stop()
		}
		time.Sleep(2 * time.Minute)
		s.post(2, ada, "meanwhile")
		again := s.listen(4, readers[2], "home", all[0].last())
		defer again.stop()
		again.hears("home before", "home meanwhile", "home to many") // those of a minute before the last come again
		s.expect(http.StatusNoContent, 0, readers[2], "DELETE", "/v1/users/"+readers[2].ID+"/following/@ada", nil, nil)
		for i := range s.nodes {
			s.merges(i, readers[2], ada, false)
		}
		s.post(3, ada, "to others")
		s.post(3, readers[2], "mine")
		again.hears("home before", "home meanwhile", "home to many", "home mine")
	})
}
