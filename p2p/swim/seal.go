package swim

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/chacha20poly1305"
)

// All that memberlist sends is sealed here with XChaCha20-Poly1305, under a key
// derived from the cluster's secret, and not by memberlist itself, so that what a
// stranger sends never reaches memberlist, is counted, and can be bounded before
// it is read.
//
// A packet is one sealed message. A stream carries one message each way: a head,
// which is its length sealed, and the message sealed together with the head. So
// nobody is sent or promised memory who has not shown that he holds the secret. A
// reply is sealed together with the head of its request: an old one cannot pass
// for it.
const (
	nonceSize = chacha20poly1305.NonceSizeX
	sealSize  = nonceSize + chacha20poly1305.Overhead
	headSize  = 4 + sealSize
	// maxStreamMessage bounds an exchange of state: some thousands of members.
	maxStreamMessage = 4 << 20
)

var (
	errSealBroken = errors.New("swim: not sealed with the cluster's secret")
	errOneMessage = errors.New("swim: a stream carries one message each way")
)

// sealer seals what members send one another.
type sealer struct{ aead cipher.AEAD }

func newSealer(secret [32]byte) (sealer, error) {
	key, err := hkdf.Key(sha256.New, secret[:], nil, "grapevine swim encryption", chacha20poly1305.KeySize)
	if err != nil {
		return sealer{}, fmt.Errorf("derive gossip key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return sealer{}, fmt.Errorf("gossip cipher: %w", err)
	}
	return sealer{aead}, nil
}

// seal gives nonce and ciphertext. The same about opens it.
func (s sealer) seal(plain, about []byte) []byte {
	sealed := make([]byte, nonceSize, len(plain)+sealSize)
	rand.Read(sealed) // never fails
	return s.aead.Seal(sealed, sealed, plain, about)
}

func (s sealer) open(sealed, about []byte) ([]byte, error) {
	if len(sealed) < sealSize {
		return nil, errSealBroken
	}
	plain, err := s.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], about)
	if err != nil {
		return nil, errSealBroken
	}
	return plain, nil
}

// sealStream gives a message as it goes over a stream, and its head.
func (s sealer) sealStream(message, about []byte) (whole, head []byte) {
	head = s.seal(binary.BigEndian.AppendUint32(nil, uint32(len(message))), about)
	return append(bytes.Clone(head), s.seal(message, head)...), head
}

// openStream reads a message from a stream, with its head.
func (s sealer) openStream(r io.Reader, about []byte) (message, head []byte, err error) {
	head = make([]byte, headSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, err
	}
	length, err := s.open(head, about)
	if err != nil || len(length) != 4 {
		return nil, nil, errSealBroken
	}
	size := binary.BigEndian.Uint32(length)
	if size == 0 || size > maxStreamMessage {
		return nil, nil, fmt.Errorf("%w: of %d bytes", errBadMessage, size)
	}
	body := make([]byte, int(size)+sealSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, nil, err
	}
	message, err = s.open(body, head)
	return message, head, err
}

// What a stream's heads are sealed together with.
func aboutRequest() []byte          { return []byte("request") }
func aboutReply(head []byte) []byte { return append([]byte("reply"), head...) }
func aboutPacket() []byte           { return []byte("packet") }

// sealedConn is a stream on which memberlist sends one message and receives one.
type sealedConn struct {
	net.Conn
	transport *transport
	dialled   bool
	request   []byte        // the head of the request, once sent or received
	received  *bytes.Reader // the other's message, once it has come
	sent      bool
}

// Read implements net.Conn.
func (c *sealedConn) Read(p []byte) (int, error) {
	if c.received == nil {
		message, _, err := c.transport.receive(c.Conn, aboutReply(c.request))
		if err != nil {
			return 0, err
		}
		if err := checkStream(message); err != nil {
			c.transport.metrics.refused.WithLabelValues(refusedMalformed).Inc()
			return 0, err
		}
		c.received = bytes.NewReader(message)
	}
	return c.received.Read(p)
}

// Write implements net.Conn. It takes a whole message.
func (c *sealedConn) Write(message []byte) (int, error) {
	if c.sent {
		return 0, errOneMessage
	}
	c.sent = true
	about := aboutRequest()
	if !c.dialled {
		about = aboutReply(c.request)
	}
	head, err := c.transport.send(c.Conn, message, about)
	if err != nil {
		return 0, err
	}
	if c.dialled {
		c.request = head
	}
	return len(message), nil
}

// send seals a message and writes it to a stream.
func (t *transport) send(w io.Writer, message, about []byte) (head []byte, err error) {
	whole, head := t.sealer.sealStream(message, about)
	n, err := w.Write(whole)
	t.metrics.sent.WithLabelValues(overStreams).Add(float64(n))
	return head, err
}

// receive reads a message from a stream and opens it.
func (t *transport) receive(r io.Reader, about []byte) (message, head []byte, err error) {
	message, head, err = t.sealer.openStream(r, about)
	if err == nil {
		t.metrics.received.WithLabelValues(overStreams).Add(float64(headSize + len(message) + sealSize))
	}
	return message, head, err
}
