package libp2pnet

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"grapevine/p2p"
)

func TestAFrameComesBackAsItWas(t *testing.T) {
	want := frame{kind: kindRequest, id: 1 << 40, timeout: 1500 * time.Microsecond, payload: []byte("payload")}
	got, err := readFrame(appendFrame(nil, want))
	if err != nil || got.kind != want.kind || got.id != want.id || got.timeout != want.timeout ||
		!bytes.Equal(got.payload, want.payload) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// bytesStream is a stream that holds some bytes and then ends.
type bytesStream struct{ *bytes.Reader }

func (bytesStream) SetReadDeadline(time.Time) error { return nil }

func readFrame(data []byte) (frame, error) {
	return newFrameReader(bytesStream{bytes.NewReader(data)}, newMetrics(nil).traffic.of("test")).next()
}

// askedReader tells the most that was asked of it at once.
type askedReader struct {
	io.Reader
	most int
}

func (r *askedReader) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	return r.Reader.Read(p)
}

func TestAnAnnouncedPayloadTakesMemoryOnlyAsItArrives(t *testing.T) {
	r := &askedReader{Reader: bytes.NewReader(make([]byte, readBuffer/2))}
	if _, err := readPayload(r, p2p.MaxMessage); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if r.most > readBuffer {
		t.Errorf("%d bytes were made room for when %d came", r.most, readBuffer/2)
	}
}

// pausingStream delivers its bytes up to a point, and the rest when its reader has
// said how long it will wait.
type pausingStream struct {
	first, rest *bytes.Reader
	deadlines   []time.Time
}

func (s *pausingStream) Read(p []byte) (int, error) {
	if s.first.Len() > 0 {
		return s.first.Read(p)
	}
	if len(s.deadlines) == 0 {
		return 0, errors.New("the reader would wait for ever")
	}
	return s.rest.Read(p)
}

func (s *pausingStream) SetReadDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return nil
}

func TestAFrameThatHasBegunIsNotWaitedForWithoutEnd(t *testing.T) {
	whole := appendFrame(nil, frame{kind: kindRequest, id: 1, payload: make([]byte, 100)})
	s := &pausingStream{first: bytes.NewReader(whole[:50]), rest: bytes.NewReader(whole[50:])}
	began := time.Now()
	if _, err := newFrameReader(s, newMetrics(nil).traffic.of("test")).next(); err != nil {
		t.Fatal(err)
	}
	if len(s.deadlines) != 2 || s.deadlines[0].Before(began.Add(stallTimeout)) || !s.deadlines[1].IsZero() {
		t.Errorf("deadlines %v", s.deadlines)
	}
}

func TestALargePayloadComesBackAsItWas(t *testing.T) {
	want := frame{kind: kindReply, id: 3, payload: bytes.Repeat([]byte("0123456789abcdef"), (p2p.MaxMessage-7)/16)}
	got, err := readFrame(appendFrame(nil, want))
	if err != nil || !bytes.Equal(got.payload, want.payload) {
		t.Errorf("%d bytes came back as %d, %v", len(want.payload), len(got.payload), err)
	}
}

func TestATimeoutNeverBecomesNone(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		0: 0, 1: 1, time.Microsecond: 1, time.Microsecond + 1: 2, 100 * time.Hour: 1<<32 - 1,
	} {
		if got := wireTimeout(d); got != want {
			t.Errorf("%v: got %d, want %d", d, got, want)
		}
	}
}

func TestAFailureKeepsCodeAndMessageWithinBounds(t *testing.T) {
	f := failure(7, &p2p.RemoteError{Code: "teapot", Message: strings.Repeat("x", 1<<20)})
	got := parseFailure(f.payload)
	if got.Code != "teapot" || len(got.Message) != maxFailureMessage {
		t.Errorf("got code %q and %d bytes", got.Code, len(got.Message))
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, frame{kind: kindReply, id: 1, payload: []byte("x")}))
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFrame(data)
		switch {
		case err == nil:
			if again := appendFrame(nil, got); !bytes.HasPrefix(data, again) {
				t.Errorf("%x read as %x", data, again)
			}
		case !errors.Is(err, errBadFrame) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			t.Errorf("got %v", err)
		}
	})
}

func FuzzParseFailure(f *testing.F) {
	f.Add(failure(1, &p2p.RemoteError{Code: "teapot", Message: "short"}).payload)
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := parseFailure(data)
		if len(got.Code) > maxCode || len(got.Message) > maxFailureMessage {
			t.Errorf("%d and %d bytes are out of bounds", len(got.Code), len(got.Message))
		}
		if again := parseFailure(failure(1, got).payload); *again != *got {
			t.Errorf("%+v came back as %+v", got, again)
		}
	})
}
