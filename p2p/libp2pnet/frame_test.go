package libp2pnet

import (
	"bufio"
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
	got, err := readFrame(bufio.NewReader(bytes.NewReader(appendFrame(nil, want))))
	if err != nil || got.kind != want.kind || got.id != want.id || got.timeout != want.timeout ||
		!bytes.Equal(got.payload, want.payload) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
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
		got, err := readFrame(bufio.NewReader(bytes.NewReader(data)))
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
