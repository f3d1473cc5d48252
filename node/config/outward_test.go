package config

import (
	"net"
	"testing"
)

func TestAMachineIsReachedAtItsFirstPrivateAddressOrElseAPublicOne(t *testing.T) {
	t.Parallel()
	for want, has := range map[string][]string{
		"127.0.0.1":   {"127.0.0.1", "::1", "fe80::1", "169.254.1.1"},
		"10.0.0.1":    {"127.0.0.1", "203.0.113.7", "fd00::1", "10.0.0.1", "10.0.0.2"},
		"fd00::1":     {"203.0.113.7", "fd00::1"},
		"203.0.113.7": {"127.0.0.1", "2001:db8::1", "203.0.113.7"},
		"2001:db8::1": {"fe80::1", "2001:db8::1"},
	} {
		var addrs []net.Addr
		for _, ip := range has {
			addrs = append(addrs, &net.IPNet{IP: net.ParseIP(ip)})
		}
		if got := outward(addrs); got != want {
			t.Errorf("of %v: %s, want %s", has, got, want)
		}
	}
}
