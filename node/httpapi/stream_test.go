package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"grapevine/node/client"
	"grapevine/services/live"
	"grapevine/services/social"
)

// fakeLive opens streams that tell one post of each channel and end, as if the node
// were being stopped.
type fakeLive struct{ *world }

func (f fakeLive) Open(_ context.Context, who social.Identity, channels []string, after string) (Stream, error) {
	switch {
	case after == "bad":
		return nil, live.ErrCursor
	case channels[0] == "":
		return nil, social.InvalidField("channels", "must be named")
	case channels[0] == "home" && who.Anonymous():
		return nil, social.Errorf(social.Unauthenticated, "log in")
	}
	return &fakeStream{channels: channels, after: after}, nil
}

type fakeStream struct {
	channels []string
	after    string
	told     bool
	ends     func(context.Context) error // nil: at once
}

func (s *fakeStream) Next(ctx context.Context) ([]live.Event, error) {
	if s.told && s.ends != nil {
		return nil, s.ends(ctx)
	}
	if s.told {
		return nil, live.ErrDraining
	}
	s.told = true
	events := []live.Event{{ID: "AQ" + s.after, Kind: live.KindOpen, Data: json.RawMessage(`{"channels":[]}`)}}
	for _, c := range s.channels {
		kind, data := live.KindPost, `{"id":"1","text":"a\nb"}`
		if name, ok := strings.CutPrefix(c, "channel:"); ok {
			kind, data = live.KindMessage, `{"id":"2","channel":"`+name+`"}`
		}
		events = append(events, live.Event{Kind: kind, Channel: c, Data: json.RawMessage(data)})
	}
	events[len(events)-1].ID = "Ag"
	return events, nil
}

func (s *fakeStream) Close() {}

// want is what a client of any kind reads of a fake stream of these channels.
var want = []client.StreamEvent{
	{ID: "AQ7", Event: "open"},
	{Event: "post", Channel: "public"},
	{ID: "Ag", Event: "message", Channel: "channel:news"},
	{Event: "closed"},
}

func sameEvents(got []client.StreamEvent) bool {
	return slices.EqualFunc(got, want, func(a, b client.StreamEvent) bool {
		return a.ID == b.ID && a.Event == b.Event && a.Channel == b.Channel && json.Valid(a.Data)
	})
}

func serveStreams(t *testing.T, change func(*Config)) *httptest.Server {
	t.Helper()
	a, _ := newAPI(t, change)
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return s
}

func TestAStreamIsServedAsEvents(t *testing.T) {
	t.Parallel()
	s := serveStreams(t, nil)
	c := client.New(s.URL, client.WithToken(aliceToken))
	defer c.Close()
	var got []client.StreamEvent
	err := c.Stream(t.Context(), []string{"public", "channel:news"}, "7", func(e client.StreamEvent) error {
		got = append(got, e)
		return nil
	})
	if !errors.Is(err, io.EOF) || !sameEvents(got) {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestAStreamIsServedByWebSocket(t *testing.T) {
	t.Parallel()
	s := serveStreams(t, nil)
	conn, _, err := websocket.Dial(t.Context(), s.URL+"/v1/stream?channels=public,channel:news&last_event_id=7&access_token="+aliceToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	var got []client.StreamEvent
	for {
		_, frame, err := conn.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("ended with %v", err)
			}
			break
		}
		var e client.StreamEvent
		if err := json.Unmarshal(frame, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if !sameEvents(got) {
		t.Errorf("%+v", got)
	}
}

func TestAHandshakeThatIsNoneIsAProblemThatNamesTheHeader(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	upgrade := []string{"Upgrade", "websocket", "Connection", "keep-alive, Upgrade", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for at, header := range map[int]string{3: "Connection", 5: "Sec-WebSocket-Version", 7: "Sec-WebSocket-Key"} {
		headers := slices.Clone(upgrade)
		headers[at] = "x"
		rec := send(a, "GET", "/v1/stream?channels=public", "", headers...)
		if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), `"field":"`+header+`"`) {
			t.Errorf("%s: %d %s", header, rec.Code, rec.Body)
		}
	}
}

func TestTheTokenOfAStreamMayComeInItsQueryAndOfNothingElse(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for target, status := range map[string]int{
		"/v1/stream?channels=home":                                              http.StatusUnauthorized,
		"/v1/stream?channels=home&access_token=" + aliceToken:                   http.StatusOK,
		"/v1/stream?channels=public&access_token=wrong":                         http.StatusUnauthorized,
		"/v1/timelines/home?access_token=" + aliceToken:                         http.StatusUnauthorized,
		"/v1/stream?channels=public&last_event_id=bad":                          http.StatusBadRequest,
		"/v1/stream?channels=home&last_event_id=bad&access_token=" + aliceToken: http.StatusBadRequest,
		"/v1/stream": http.StatusUnprocessableEntity,
	} {
		if rec := send(a, "GET", target, ""); rec.Code != status {
			t.Errorf("%s: %d, want %d: %s", target, rec.Code, status, rec.Body)
		}
	}
}

// idleLive opens streams that have nothing more to tell.
type idleLive struct{ fakeLive }

func (f idleLive) Open(ctx context.Context, who social.Identity, channels []string, after string) (Stream, error) {
	s, err := f.fakeLive.Open(ctx, who, channels, after)
	if err == nil {
		s.(*fakeStream).ends = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	return s, err
}

func TestAnIdleStreamShowsSignsOfLifeAndEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAPI(t, func(c *Config) { c.Live = idleLive{c.Live.(fakeLive)} })
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/stream?channels=public", nil)
		rec := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.ServeHTTP(rec, r)
		}()
		time.Sleep(3*heartbeat + time.Second)
		leave()
		<-done
		if n := strings.Count(rec.Body.String(), "\n:\n"); n != 3 {
			t.Errorf("%d signs of life: %s", n, rec.Body)
		}
	})
}

// A stream takes none of the places of other requests, and lasts longer than the
// server lets them.
func TestStreamsTakeNoPlaceOfRequestsAndOutlastTheirTime(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func(c *Config) {
		c.Live = idleLive{c.Live.(fakeLive)}
		c.MaxInFlight, c.Timeout = 1, time.Millisecond
	})
	s := httptest.NewServer(a)
	defer s.Close()
	for range 3 {
		resp, err := http.Get(s.URL + "/v1/stream?channels=public")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "id: AQ\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	resp, err := http.Get(s.URL + "/v1/timelines/public")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a request beside three streams: %d", resp.StatusCode)
	}
}
