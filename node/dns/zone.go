package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// zone is a domain of one name, with its services and its nodes below it:
//
//	NAME.             A, AAAA   of the healthy nodes
//	_http._tcp.NAME.  SRV       LABEL.NAME. and port of each; _https of those that serve it
//	LABEL.NAME.       A, AAAA   of one node
type zone struct{ name string }

// reply fills in the answer to a question.
func (z zone) reply(m, question *dns.Msg, nodes []Node) {
	m.SetReply(question)
	m.Compress = true
	if question.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
		return
	}
	if len(question.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return
	}
	q := question.Question[0]
	name := dns.CanonicalName(q.Name)
	if q.Qclass != dns.ClassINET || !dns.IsSubDomain(z.name, name) {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	exists := z.records(m, name, q.Qtype, nodes)
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa()}
	}
}

// records adds the records of a name, and says whether the name exists.
func (z zone) records(m *dns.Msg, name string, kind uint16, nodes []Node) bool {
	below := strings.TrimSuffix(strings.TrimSuffix(name, z.name), ".")
	switch below {
	case "":
		z.own(m, kind, nodes)
		return true
	case "_tcp":
		return true // has no records, but names below it
	case "_http._tcp", "_https._tcp":
		z.services(m, name, kind, nodes, below == "_https._tcp")
		return true
	}
	for _, n := range nodes {
		if strings.EqualFold(n.Label, below) {
			m.Answer = appendAddress(m.Answer, name, kind, n.Addr)
			return true
		}
	}
	return false
}

// own adds the records of the zone's name. ANY is answered with as little as RFC
// 8482 allows.
func (z zone) own(m *dns.Msg, kind uint16, nodes []Node) {
	switch kind {
	case dns.TypeSOA:
		m.Answer = append(m.Answer, z.soa())
	case dns.TypeANY:
		m.Answer = append(m.Answer, &dns.HINFO{Hdr: header(z.name, dns.TypeHINFO), Cpu: "RFC8482"})
	default:
		for _, n := range nodes {
			m.Answer = appendAddress(m.Answer, z.name, kind, n.Addr)
		}
	}
}

// services adds the nodes that serve over HTTP or HTTPS, the nearest with the
// highest priority, which is the least number.
func (z zone) services(m *dns.Msg, name string, kind uint16, nodes []Node, https bool) {
	if kind != dns.TypeSRV {
		return
	}
	for i, n := range nodes {
		if n.HTTPS != https {
			continue
		}
		target := strings.ToLower(n.Label) + "." + z.name
		m.Answer = append(m.Answer, &dns.SRV{
			Hdr: header(name, dns.TypeSRV), Priority: uint16(i), Weight: 100, Port: n.Port, Target: target,
		})
		m.Extra = appendAddress(m.Extra, target, dns.TypeA, n.Addr)
		m.Extra = appendAddress(m.Extra, target, dns.TypeAAAA, n.Addr)
	}
}

// soa lets resolvers keep what is not there as shortly as what is.
func (z zone) soa() dns.RR {
	seconds := uint32(TTL.Seconds())
	return &dns.SOA{
		Hdr: header(z.name, dns.TypeSOA), Ns: z.name, Mbox: "nobody." + z.name,
		Serial: 1, Refresh: seconds, Retry: seconds, Expire: seconds, Minttl: seconds,
	}
}

// appendAddress adds an address if it is of the kind asked for.
func appendAddress(to []dns.RR, name string, kind uint16, addr netip.Addr) []dns.RR {
	switch {
	case kind == dns.TypeA && addr.Is4():
		return append(to, &dns.A{Hdr: header(name, kind), A: addr.AsSlice()})
	case kind == dns.TypeAAAA && addr.Is6():
		return append(to, &dns.AAAA{Hdr: header(name, kind), AAAA: addr.AsSlice()})
	}
	return to
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(TTL.Seconds())}
}
