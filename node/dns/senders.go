package dns

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// senderRate is how many questions over UDP a network of senders may ask in a
	// second, and senderBurst how many at once.
	senderRate  = 100
	senderBurst = 200
	senderCells = 1 << 12
)

// senders are token buckets of networks in constant memory, each the time at which
// it will be full again (the generic cell rate algorithm). Networks that share a
// cell share its tokens; the hash cannot be foreseen.
type senders struct {
	seed  maphash.Seed
	cells [senderCells]atomic.Int64 // Unix nanoseconds
}

func newSenders() *senders { return &senders{seed: maphash.MakeSeed()} }

// admit takes a token of the sender's network, if there is one.
func (s *senders) admit(addr netip.Addr, now time.Time) bool {
	const interval, whole = int64(time.Second / senderRate), int64(senderBurst) * int64(time.Second/senderRate)
	cell := &s.cells[maphash.Comparable(s.seed, network(addr))%senderCells]
	for {
		full := cell.Load()
		next := max(full, now.UnixNano()) + interval
		if next-now.UnixNano() > whole {
			return false
		}
		if cell.CompareAndSwap(full, next) {
			return true
		}
	}
}

// network is whom an address is counted with: 256 of IPv4, 2^72 of IPv6.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 56
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // not an address: all such are one
	}
	return p
}
