package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientOf gives the address of who sent a request: the sender of its packets or,
// where that is a trusted proxy, the last one before the proxies in Forwarded (RFC
// 7239) or X-Forwarded-For. Where both are there and tell different things, one of
// them came from the client by a proxy that knows only the other, and neither is
// believed. The zero Addr is of a connection that has none.
func clientOf(r *http.Request, trusted []netip.Prefix) netip.Addr {
	direct := parseHop(r.RemoteAddr)
	if !trusts(trusted, direct) {
		return direct
	}
	old := walk(direct, hops(r.Header.Values("X-Forwarded-For"), strings.TrimSpace), trusted)
	standard := walk(direct, hops(r.Header.Values("Forwarded"), forwardedFor), trusted)
	switch {
	case standard == direct || standard == old:
		return old
	case old == direct:
		return standard
	}
	return direct
}

// walk goes back from hop to hop as long as they are trusted. Each proxy adds whom
// it heard from, at the end, so that what stands left of an address that is not
// trusted is hearsay; and so is what stands left of what is no address, which a
// proxy has said of a client that it hides.
func walk(addr netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	for i := len(hops) - 1; i >= 0 && trusts(trusted, addr); i-- {
		before := parseHop(hops[i])
		if !before.IsValid() {
			break
		}
		addr = before
	}
	return addr
}

func trusts(trusted []netip.Prefix, addr netip.Addr) bool {
	for _, p := range trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// maxHops bounds the addresses that are looked at, from the last.
const maxHops = 32

// hops gives the addresses that proxies have added, the nearest last.
func hops(values []string, read func(string) string) []string {
	all := strings.Split(strings.Join(values, ","), ",")
	all = all[max(0, len(all)-maxHops):]
	for i := range all {
		all[i] = read(all[i])
	}
	return all
}

// forwardedFor gives the for= of an element of Forwarded, "" when it has none.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop reads an address with or without a port or brackets.
func parseHop(s string) netip.Addr {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// clientAddress is what a client is told apart by: its address, or its network of
// 64 bits in IPv6, where a client has as many addresses as it likes.
func (x *exchange) clientAddress() string {
	addr := clientOf(x.r, x.api.TrustedProxies)
	if !addr.IsValid() {
		return x.r.RemoteAddr
	}
	if addr.Is6() {
		network, _ := addr.Prefix(64) // 64 bits are in range
		return network.String()
	}
	return addr.String()
}
