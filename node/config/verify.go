package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Verify reports every mistake at once, each with where it was made and what would
// be right. It does not look at the disk or the network.
func (c Config) Verify() error {
	v := verifier{config: c}
	v.addresses()
	v.ring()
	v.service()
	return errors.Join(v.all...)
}

// verifier collects the mistakes of a Config.
type verifier struct {
	config Config
	all    []error
}

func (v *verifier) wrong(bad bool, name, format string, args ...any) {
	if bad {
		v.all = append(v.all, fmt.Errorf("%s: %s", v.config.where(name), fmt.Sprintf(format, args...)))
	}
}

func (v *verifier) check(name string, err error) { v.wrong(err != nil, name, "%v", err) }

func (v *verifier) addresses() {
	c := v.config
	v.wrong(c.Data == "", "data", "is needed: name a directory for the node's data")
	v.check("http", checkAddr(c.HTTP, true))
	v.check("p2p", checkAddr(c.P2P, true))
	v.check("gossip", checkAddr(c.Gossip, true))
	v.wrong(strings.Contains(c.Advertise, "/") || isHostPort(c.Advertise), "advertise", "%q must be a host name or an address, without a port", c.Advertise)
	for _, addr := range c.Join {
		v.check("join", checkAddr(addr, false))
	}
}

func (v *verifier) ring() {
	c := v.config
	v.check("zone", VerifyZone(c.Zone))
	v.check("weight", VerifyWeight(c.Weight))
	v.wrong(c.Copies < 1 || c.Copies > MaxCopies, "copies", "%d must be 1 to %d; 3 survives the loss of two disks", c.Copies, MaxCopies)
	v.wrong(c.PartitionBits < 0 || c.PartitionBits > MaxPartitionBits, "partition-bits", "%d must be 0 to %d; 8 makes 256 partitions", c.PartitionBits, MaxPartitionBits)
}

func (v *verifier) service() {
	c := v.config
	v.wrong(c.MaxStreams < 1 || c.MaxStreams > maxStreams, "max-streams", "%d must be 1 to %d", c.MaxStreams, maxStreams)
	v.wrong(c.MaxInFlight < 1 || c.MaxInFlight > maxInFlight, "max-in-flight", "%d must be 1 to %d", c.MaxInFlight, maxInFlight)
	v.wrong(c.DrainSeconds < 0 || c.DrainSeconds > maxDrain, "drain-seconds", "%d must be 0 to %d", c.DrainSeconds, maxDrain)
	v.wrong(c.SignUpsPerMinute < 0 || c.SignUpsPerMinute > maxSignUps, "signups-per-minute", "%d must be 0 to %d; 0 sets no bound", c.SignUpsPerMinute, maxSignUps)
	v.wrong(c.TLSCert == "" && c.TLSKey != "", "tls-cert", "is needed with --tls-key: name the file of the certificate")
	v.wrong(c.TLSCert != "" && c.TLSKey == "", "tls-key", "is needed with --tls-cert: name the file of its key")
	for _, cidr := range c.TrustedProxies {
		_, err := parseNetwork(cidr)
		v.check("trusted-proxies", err)
	}
	if c.DNS != "" {
		v.check("dns", checkAddr(c.DNS, true))
		v.check("dns-name", verifyDomain(c.DNSName))
	}
	v.wrong(!isCollector(c.OTLPEndpoint), "otlp-endpoint", "%q must be a URL such as http://127.0.0.1:4318, without a user", c.OTLPEndpoint)
	_, known := levels[c.LogLevel]
	v.wrong(!known, "log-level", "%q must be debug, info, warn or error", c.LogLevel)
	v.wrong(c.LogFormat != "text" && c.LogFormat != "json", "log-format", "%q must be text or json", c.LogFormat)
}

// isCollector checks the URL of a collector; "" is none. Settings are shown, so that
// it must have no password.
func isCollector(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// Proxies gives TrustedProxies parsed. Those that Verify refuses are left out.
func (c Config) Proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, cidr := range c.TrustedProxies {
		if p, err := parseNetwork(cidr); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// parseNetwork reads ADDRESS/BITS, or one address.
func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q must be a network such as 10.0.0.0/8, or an address", s)
	}
	return p.Masked(), nil
}

// verifyDomain checks a domain name, with or without its last dot.
func verifyDomain(name string) error {
	bare := strings.TrimSuffix(name, ".")
	for label := range strings.SplitSeq(bare, ".") {
		if label == "" || len(label) > 63 || len(bare) > 200 || strings.ContainsFunc(label, notZone) {
			return fmt.Errorf("%q must be a domain name such as grapevine. or social.example.org", name)
		}
	}
	return nil
}

// VerifyZone checks the name of a zone; "" is none.
func VerifyZone(zone string) error {
	if len(zone) > MaxZone || strings.ContainsFunc(zone, notZone) {
		return fmt.Errorf("%q must be at most %d of a-z, A-Z, 0-9, - and _", zone, MaxZone)
	}
	return nil
}

// VerifyWeight checks a node's share of the data.
func VerifyWeight(weight uint32) error {
	if weight > MaxWeight {
		return fmt.Errorf("%d must be 0 to %d; 100 is one ordinary node", weight, MaxWeight)
	}
	return nil
}

func notZone(r rune) bool {
	return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}

func isHostPort(s string) bool {
	_, _, err := net.SplitHostPort(s)
	return s != "" && err == nil
}

// checkAddr checks HOST:PORT. To listen, the host may be missing (any) and the
// port 0 (the system's choice).
func checkAddr(addr string, listen bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q must be HOST:PORT", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("%q must have a port of 0 to 65535", addr)
	case !listen && n == 0:
		return fmt.Errorf("%q must name the port of a running node", addr)
	case !listen && host == "":
		return fmt.Errorf("%q must name the host of a running node", addr)
	}
	return nil
}
