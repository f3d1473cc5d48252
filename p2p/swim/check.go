package swim

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The kinds of memberlist's messages that are let through to it, from its net.go.
// Compression is off, and a compressed message is not taken: a small one could
// grow without much end.
const (
	kindPing         = 0
	kindIndirectPing = 1
	kindAck          = 2
	kindSuspect      = 3
	kindAlive        = 4
	kindDead         = 5
	kindPushPull     = 6
	kindCompound     = 7
	kindNack         = 11
	kindCRC          = 12
	kindError        = 13
	// kindWho is ours: see twin.go.
	kindWho = 200
)

// minNodeState is less than what memberlist takes to describe a member, names of
// the fields included.
const minNodeState = 32

// maxNesting: a checksum, a compound, and what it is made of.
const maxNesting = 3

var errBadMessage = errors.New("swim: malformed message")

// checkPacket refuses what no memberlist sends in a packet, since it does not
// defend itself against those who hold the key.
func checkPacket(b []byte) error { return checkNested(b, maxNesting) }

func checkNested(b []byte, depth int) error {
	if len(b) == 0 || depth == 0 {
		return errBadMessage
	}
	switch kind, rest := b[0], b[1:]; kind {
	case kindPing, kindIndirectPing, kindAck, kindNack, kindSuspect, kindAlive, kindDead:
		return nil
	case kindCRC:
		if len(rest) < 4 {
			return errBadMessage
		}
		return checkNested(rest[4:], depth-1)
	case kindCompound:
		return checkCompound(rest, depth-1)
	default:
		return fmt.Errorf("%w: kind %d in a packet", errBadMessage, kind)
	}
}

// checkCompound checks a count, as many lengths of two bytes, and the parts.
func checkCompound(b []byte, depth int) error {
	if len(b) < 1 || len(b) < 1+2*int(b[0]) {
		return errBadMessage
	}
	lengths, parts := b[1:1+2*int(b[0])], b[1+2*int(b[0]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(parts) {
			return errBadMessage
		}
		if err := checkNested(parts[:n], depth); err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

// checkStream does the same for a message on a stream.
func checkStream(b []byte) error {
	if len(b) == 0 {
		return errBadMessage
	}
	switch b[0] {
	case kindPing, kindAck, kindError:
		return nil
	case kindPushPull:
		return checkPushPull(b[1:])
	default:
		return fmt.Errorf("%w: kind %d in a stream", errBadMessage, b[0])
	}
}

// checkPushPull refuses a state that announces more members than it has bytes
// for: memberlist makes room for as many as are announced.
func checkPushPull(b []byte) error {
	var header struct {
		Nodes        int
		UserStateLen int
		Join         bool
	}
	if err := codec.NewDecoderBytes(b, &codec.MsgpackHandle{}).Decode(&header); err != nil {
		return fmt.Errorf("%w: %w", errBadMessage, err)
	}
	if header.Nodes < 0 || header.Nodes > len(b)/minNodeState || header.UserStateLen != 0 {
		return fmt.Errorf("%w: %d members and %d bytes more in %d bytes", errBadMessage, header.Nodes, header.UserStateLen, len(b))
	}
	return nil
}
