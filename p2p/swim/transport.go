package swim

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// bindAttempts: a free TCP port that the kernel picks may be taken for UDP.
const bindAttempts = 10

var errBlocked = errors.New("swim: peer is blocked")

// transport is memberlist's own with an advertised address of our choosing, a
// seal on all that is sent, and a filter for fault injection. An incoming stream
// does not tell whom it is from, so a stream is blocked where it is dialled;
// packets at both ends.
type transport struct {
	*memberlist.NetTransport
	transportConfig
	advertise netip.AddrPort
	door      door
	packets   chan *memberlist.Packet
	streams   chan net.Conn
	stopped   chan struct{}
	wg        sync.WaitGroup
}

type transportConfig struct {
	ctx     context.Context // ends pending dials
	log     *slog.Logger
	sealer  sealer
	metrics metrics
	blocked func(memberlist.Address) bool
	who     func(question []byte) (answer []byte) // see twin.go
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(listen netip.AddrPort, c transportConfig) (*transport, error) {
	config := &memberlist.NetTransportConfig{
		BindAddrs: []string{listen.Addr().String()},
		BindPort:  int(listen.Port()),
		Logger:    log.New(newLogWriter(c.log), "", 0),
	}
	var inner *memberlist.NetTransport
	var err error
	for range bindAttempts {
		if inner, err = memberlist.NewNetTransport(config); err == nil || listen.Port() != 0 {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	t := &transport{
		NetTransport:    inner,
		transportConfig: c,
		advertise:       netip.AddrPortFrom(listen.Addr(), uint16(inner.GetAutoBindPort())),
		door:            door{place: map[netip.Prefix]int{}},
		packets:         make(chan *memberlist.Packet),
		streams:         make(chan net.Conn),
		stopped:         make(chan struct{}),
	}
	t.wg.Go(t.filter)
	t.wg.Go(t.acceptStreams)
	return t, nil
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) filter() {
	for {
		select {
		case p := <-t.NetTransport.PacketCh():
			if t.blocked(memberlist.Address{Addr: p.From.String()}) || !t.open(p) {
				continue
			}
			select {
			case t.packets <- p:
			case <-t.stopped:
			}
		case <-t.stopped:
			return
		}
	}
}

// WriteToAddress implements memberlist.NodeAwareTransport. A packet to a
// blocked peer is lost on the way.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if t.blocked(a) {
		return time.Now(), nil
	}
	sealed := t.sealer.seal(b, aboutPacket())
	t.metrics.sent.WithLabelValues(overPackets).Add(float64(len(sealed)))
	return t.NetTransport.WriteToAddress(sealed, a)
}

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if t.blocked(a) {
		return nil, errBlocked
	}
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(t.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	return &sealedConn{Conn: conn, transport: t, dialled: true}, nil
}

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// Shutdown implements memberlist.Transport. The filter outlives the listeners,
// which could not end while a packet finds no taker.
func (t *transport) Shutdown() error {
	drained := make(chan struct{})
	t.wg.Go(func() {
		for {
			select {
			case <-t.packets:
			case c := <-t.NetTransport.StreamCh():
				_ = c.Close()
			case c := <-t.streams:
				_ = c.Close()
			case <-drained:
				return
			}
		}
	})
	err := t.NetTransport.Shutdown()
	close(drained)
	close(t.stopped)
	t.wg.Wait()
	return err
}
