package libp2pnet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"grapevine/p2p"
)

type frameKind uint8

const (
	kindRequest frameKind = iota + 1 // answered by a reply or failure of the same id
	kindMessage                      // one-way
	kindReply
	kindFailure // payload: code, a zero byte, message
)

const (
	// headerSize: payload length (4 bytes), kind (1), id (8), timeout in
	// microseconds (4), all big-endian.
	headerSize = 17

	maxCode           = 64
	maxFailureMessage = 4 << 10

	readBuffer = 64 << 10
	// stallTimeout bounds how long a frame may take from its header to its end.
	stallTimeout = 30 * time.Second
)

var errBadFrame = errors.New("libp2pnet: malformed frame")

// frame is the unit of a stream.
type frame struct {
	kind    frameKind
	id      uint64
	timeout time.Duration // of a request: what remains to the caller; 0 for no bound
	payload []byte
}

func (f frame) size() int { return headerSize + len(f.payload) }

func appendFrame(b []byte, f frame) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.payload)))
	b = append(b, byte(f.kind))
	b = binary.BigEndian.AppendUint64(b, f.id)
	b = binary.BigEndian.AppendUint32(b, wireTimeout(f.timeout))
	return append(b, f.payload...)
}

// wireTimeout rounds up, so that a bound never becomes no bound, and caps at
// what the field holds, 71 minutes.
func wireTimeout(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min(int64((d+time.Microsecond-1)/time.Microsecond), math.MaxUint32))
}

// frameReader reads frames from a stream.
type frameReader struct {
	stream   deadlineReader
	buffered *bufio.Reader
	traffic  traffic
}

// deadlineReader is the part of a stream that a frameReader needs.
type deadlineReader interface {
	io.Reader
	SetReadDeadline(t time.Time) error
}

func newFrameReader(s deadlineReader, t traffic) *frameReader {
	return &frameReader{s, bufio.NewReaderSize(s, readBuffer), t}
}

// next reads the next frame; its payload is the caller's to keep. It waits for
// one without end, but for the rest of one no longer than stallTimeout. The error
// wraps errBadFrame when the peer, not the connection, is at fault.
func (r *frameReader) next() (frame, error) {
	f, size, err := readHeader(r.buffered)
	if err != nil {
		return frame{}, err
	}
	if r.buffered.Buffered() < size {
		_ = r.stream.SetReadDeadline(time.Now().Add(stallTimeout))
		defer func() { _ = r.stream.SetReadDeadline(time.Time{}) }()
	}
	if f.payload, err = readPayload(r.buffered, size); err != nil {
		return frame{}, err
	}
	r.traffic.noteReceived(1, f.size())
	return f, nil
}

// readHeader reads all of a frame but its payload, whose size it gives.
func readHeader(r *bufio.Reader) (f frame, size int, err error) {
	header, err := r.Peek(headerSize)
	if err != nil {
		return frame{}, 0, err
	}
	announced := binary.BigEndian.Uint32(header)
	f = frame{
		kind:    frameKind(header[4]),
		id:      binary.BigEndian.Uint64(header[5:]),
		timeout: time.Duration(binary.BigEndian.Uint32(header[13:])) * time.Microsecond,
	}
	if f.kind < kindRequest || f.kind > kindFailure {
		return frame{}, 0, fmt.Errorf("%w: kind %d", errBadFrame, f.kind)
	}
	if announced > p2p.MaxMessage {
		return frame{}, 0, fmt.Errorf("%w: payload of %d bytes", errBadFrame, announced)
	}
	_, err = r.Discard(headerSize)
	return f, int(announced), err
}

// readPayload reads exactly size bytes. It takes memory as they arrive: a peer
// that announces much and sends nothing costs no more than it sent.
func readPayload(r io.Reader, size int) ([]byte, error) {
	payload := make([]byte, 0, min(size, readBuffer))
	for len(payload) < size {
		have := len(payload)
		step := min(size-have, max(have, readBuffer))
		payload = slices.Grow(payload, step)[:have+step]
		if _, err := io.ReadFull(r, payload[have:]); err != nil {
			return nil, err
		}
	}
	return payload, nil
}

// failure makes the frame that carries a handler's error.
func failure(id uint64, err error) frame {
	remote := asRemote(err)
	payload := append([]byte(truncate(remote.Code, maxCode)), 0)
	payload = append(payload, truncate(remote.Message, maxFailureMessage)...)
	return frame{kind: kindFailure, id: id, payload: payload}
}

// parseFailure is the inverse of failure, and holds peers to its bounds.
func parseFailure(payload []byte) *p2p.RemoteError {
	code, message, _ := bytes.Cut(payload, []byte{0})
	return &p2p.RemoteError{
		Code:    truncate(string(code), maxCode),
		Message: truncate(string(message), maxFailureMessage),
	}
}

// asRemote gives what a caller is told of a handler's error.
func asRemote(err error) *p2p.RemoteError {
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		return remote
	}
	return &p2p.RemoteError{Code: "internal", Message: err.Error()}
}

func truncate(s string, n int) string { return s[:min(len(s), n)] }
