// Package lab gives each node a network of its own on one machine: a network
// namespace whose only device is a TUN device, and a relay in this process that
// passes packets between the devices, or delays, loses or withholds them, in each
// direction apart.
//
// A relay of one's own asks nothing of the machine but namespaces: neither the
// kernel's netem nor a packet filter is needed, and all of it is gone when the
// process is.
package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Link is what happens to packets in one direction between two nodes. The zero
// Link passes them at once.
type Link struct {
	Cut    bool
	Loss   float64       // share of packets lost, 0 to 1
	Delay  time.Duration // of each packet
	Jitter time.Duration // at most so much more, drawn for each packet
}

// maxDelayed bounds the packets under way on delayed links; more are lost, as in
// a router whose queue is full.
const maxDelayed = 4096

// Traffic counts packets since the start.
type Traffic struct{ Passed, Lost uint64 }

// device is where packets go to and come from.
type device interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}

// relay passes packets between devices by their address.
type relay struct {
	mu      sync.RWMutex
	devices map[netip.Addr]device
	links   map[[2]netip.Addr]Link

	delayed      atomic.Int64
	passed, lost atomic.Uint64
}

func newRelay() *relay {
	return &relay{devices: map[netip.Addr]device{}, links: map[[2]netip.Addr]Link{}}
}

func (r *relay) attach(addr netip.Addr, d device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.devices[addr] = d
}

func (r *relay) set(links map[[2]netip.Addr]Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = links
}

// maxPacket is the greatest IPv4 packet.
const maxPacket = 65535

// forward relays what a device sends until it is closed.
func (r *relay) forward(d device) {
	packet := make([]byte, maxPacket)
	for {
		n, err := d.Read(packet)
		if err != nil {
			return
		}
		r.pass(packet[:n])
	}
}

// pass sends a packet on. The caller may use it again afterwards.
func (r *relay) pass(packet []byte) {
	from, to, ok := ends(packet)
	if !ok {
		return
	}
	r.mu.RLock()
	out, known := r.devices[to]
	link := r.links[[2]netip.Addr{from, to}]
	r.mu.RUnlock()
	switch {
	case !known || link.Cut || rand.Float64() < link.Loss || r.delayed.Load() > maxDelayed:
		r.lost.Add(1)
	case link.Delay+link.Jitter > 0:
		kept := append([]byte(nil), packet...)
		r.delayed.Add(1)
		time.AfterFunc(link.Delay+rand.N(link.Jitter+1), func() {
			r.delayed.Add(-1)
			r.deliver(out, kept)
		})
	default:
		r.deliver(out, packet)
	}
}

func (r *relay) deliver(out device, packet []byte) {
	if _, err := out.Write(packet); err != nil {
		r.lost.Add(1) // its queue is full, or it is gone
		return
	}
	r.passed.Add(1)
}

// ends reads the addresses of an IPv4 packet.
func ends(packet []byte) (from, to netip.Addr, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return from, to, false
	}
	return address(binary.BigEndian.Uint32(packet[12:])), address(binary.BigEndian.Uint32(packet[16:])), true
}

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
