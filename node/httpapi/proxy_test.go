package httpapi

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestAClientIsToldApartByItsAddress(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:80":                "192.0.2.1",
		"[::ffff:192.0.2.1]:80":       "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:80":   "2001:db8:1:2::/64",
		"[2001:db8:1:2::ffff:1:2]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":           "fe80::/64",
		"@":                           "@",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		if got := (&exchange{r: r, api: &api{}}).clientAddress(); got != want {
			t.Errorf("%s is %q, want %q", remote, got, want)
		}
	}
}

func TestOnlyTrustedProxiesAreBelievedAboutTheirClients(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct{ what, remote, xff, forwarded, want string }{
		{"a stranger's word", "192.0.2.1:80", "198.51.100.7", "for=198.51.100.7", "192.0.2.1"},
		{"loopback is not trusted by itself", "127.0.0.1:80", "198.51.100.7", "", "127.0.0.1"},
		{"no header", "10.0.0.1:80", "", "", "10.0.0.1"},
		{"one proxy", "10.0.0.1:80", "198.51.100.7", "", "198.51.100.7"},
		{"one proxy of IPv6", "[::1]:80", "198.51.100.7", "", "198.51.100.7"},
		{"what the client itself wrote", "10.0.0.1:80", "203.0.113.9, 198.51.100.7", "", "198.51.100.7"},
		{"two proxies", "10.0.0.1:80", "203.0.113.9, 198.51.100.7, 10.9.9.9", "", "198.51.100.7"},
		{"a client that is a proxy", "10.0.0.1:80", "10.1.1.1", "", "10.1.1.1"},
		{"no address", "10.0.0.1:80", "198.51.100.7, unknown", "", "10.0.0.1"},
		{"a port", "10.0.0.1:80", "198.51.100.7:4711", "", "198.51.100.7"},
		{"the standard header", "10.0.0.1:80", "", `proto=https;For="[2001:db8::1]:4711";by=10.0.0.1`, "2001:db8::/64"},
		{"the standard header of two proxies", "10.0.0.1:80", "", "for=198.51.100.7, for=10.2.2.2;proto=http", "198.51.100.7"},
		{"a hidden client", "10.0.0.1:80", "", "for=198.51.100.7, for=_hidden", "10.0.0.1"},
		{"an element without for", "10.0.0.1:80", "", "for=198.51.100.7, proto=https", "10.0.0.1"},
		{"both headers agree", "10.0.0.1:80", "198.51.100.7", "for=198.51.100.7", "198.51.100.7"},
		{"one of both was the client's", "10.0.0.1:80", "198.51.100.7", "for=203.0.113.9", "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		for name, value := range map[string]string{"X-Forwarded-For": c.xff, "Forwarded": c.forwarded} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		x := &exchange{r: r, api: &api{Config: Config{TrustedProxies: trusted}}}
		if got := x.clientAddress(); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("10.0.0.1:1", "a, b", `for="[::1]:1"`)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, xff, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"], r.Header["Forwarded"] = []string{xff}, []string{forwarded}
		if got := clientOf(r, trusted); !trusts(trusted, parseHop(remote)) && got != parseHop(remote) {
			t.Errorf("%q was taken for %s", remote, got)
		}
	})
}
