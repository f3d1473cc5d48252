package swim

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Bounds on streams whose other end has not shown that it holds the secret. They
// last streamTimeout at most.
const (
	maxUnproved        = 1024
	maxAddressUnproved = 64 // of one address, of IPv6: of one /64
)

// door counts who stands before it.
type door struct {
	mu    sync.Mutex
	all   int
	place map[netip.Prefix]int
}

// enter takes a place and gives the means to give it back, or nil.
func (d *door) enter(from netip.Prefix) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= maxUnproved || d.place[from] >= maxAddressUnproved {
		return nil
	}
	d.all++
	d.place[from]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all--
		if d.place[from]--; d.place[from] == 0 {
			delete(d.place, from)
		}
	}
}

// acceptStreams lets streams in until the transport stops.
func (t *transport) acceptStreams() {
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			leave := t.door.enter(prefixOf(conn.RemoteAddr()))
			if leave == nil {
				t.metrics.refused.WithLabelValues(refusedCrowd).Inc()
				_ = conn.Close()
				continue
			}
			t.wg.Go(func() { t.admit(conn, leave) })
		case <-t.stopped:
			return
		}
	}
}

// admit reads the request on a stream and passes it on, to memberlist unless it is
// our own.
func (t *transport) admit(conn net.Conn, leave func()) {
	defer t.closeAtStop(conn)()
	_ = conn.SetDeadline(time.Now().Add(streamTimeout))
	message, head, err := t.receive(conn, aboutRequest())
	leave()
	switch {
	case errors.Is(err, errBadMessage):
		t.metrics.refused.WithLabelValues(refusedMalformed).Inc()
	case err != nil:
		t.metrics.refused.WithLabelValues(refusedStranger).Inc()
	case message[0] == kindWho:
		if reply := t.who(message); reply != nil {
			_, _ = t.send(conn, reply, aboutReply(head))
		}
	case checkStream(message) != nil:
		t.metrics.refused.WithLabelValues(refusedMalformed).Inc()
	default:
		sealed := &sealedConn{Conn: conn, transport: t, request: head, received: bytes.NewReader(message)}
		select {
		case t.streams <- sealed:
			return // memberlist closes it
		case <-t.stopped:
		}
	}
	_ = conn.Close()
}

// closeAtStop ends a wait for a slow stranger when the transport stops.
func (t *transport) closeAtStop(conn net.Conn) (cancel func() bool) {
	return context.AfterFunc(t.ctx, func() { _ = conn.Close() })
}

// open gives the content of a packet, or says no.
func (t *transport) open(p *memberlist.Packet) bool {
	plain, err := t.sealer.open(p.Buf, aboutPacket())
	if err != nil {
		t.metrics.refused.WithLabelValues(refusedStranger).Inc()
		return false
	}
	t.metrics.received.WithLabelValues(overPackets).Add(float64(len(p.Buf)))
	if err := checkPacket(plain); err != nil {
		t.metrics.refused.WithLabelValues(refusedMalformed).Inc()
		return false
	}
	p.Buf = plain
	return true
}

// prefixOf gives what one stranger is assumed to have of addresses.
func prefixOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
