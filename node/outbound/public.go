package outbound

import "net/netip"

// special are the networks within those of unicast that are not the public Internet's,
// or lead elsewhere: of the registries of special-purpose addresses of IANA (RFC 6890).
// Private, loopback and link-local ones, the metadata services of clouds among them, are
// told by netip.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers; some clouds' metadata
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // relays to IPv6
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: holds an address of IPv4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

// global is what is assigned of IPv6 for unicast on the Internet. Translated addresses
// of IPv4 (64:ff9b::/96) and unique local ones are beyond it.
var global = netip.MustParsePrefix("2000::/3")

// Public says whether an address is one of a host on the public Internet.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, network := range special {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}
