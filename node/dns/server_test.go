package dns_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	wire "github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"grapevine/node/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var three = []dns.Node{
	{Label: "NearOne1", Addr: netip.MustParseAddr("192.0.2.1"), Port: 7400},
	{Label: "far2", Addr: netip.MustParseAddr("192.0.2.2"), Port: 7410},
	{Label: "six", Addr: netip.MustParseAddr("2001:db8::3"), Port: 443, HTTPS: true},
}

func start(t *testing.T, nodes []dns.Node) *dns.Server {
	t.Helper()
	s, err := dns.New(dns.Config{
		Listen: "127.0.0.1:0", Name: "Social.example", Nodes: func() []dns.Node { return nodes },
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends one question.
func ask(t *testing.T, s *dns.Server, protocol, name string, kind uint16) *wire.Msg {
	t.Helper()
	c := wire.Client{Net: protocol}
	reply, _, err := c.Exchange(new(wire.Msg).SetQuestion(name, kind), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// data gives what records say, without name, TTL and class.
func data(records []wire.RR) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	return out
}

func TestANameHasTheAddressesOfTheHealthyNodesNearestFirst(t *testing.T) {
	t.Parallel()
	s := start(t, three)
	for _, c := range []struct {
		name string
		kind uint16
		want []string
	}{
		{"social.example.", wire.TypeA, []string{"192.0.2.1", "192.0.2.2"}},
		{"sOcIaL.eXample.", wire.TypeAAAA, []string{"2001:db8::3"}},
		{"_http._tcp.social.example.", wire.TypeSRV, []string{"0 100 7400 nearone1.social.example.", "1 100 7410 far2.social.example."}},
		{"_https._tcp.social.example.", wire.TypeSRV, []string{"2 100 443 six.social.example."}},
		{"nearone1.social.example.", wire.TypeA, []string{"192.0.2.1"}},
		{"six.social.example.", wire.TypeAAAA, []string{"2001:db8::3"}},
		{"six.social.example.", wire.TypeA, []string{}},
		{"social.example.", wire.TypeTXT, []string{}},
		{"_tcp.social.example.", wire.TypeSRV, []string{}},
		{"social.example.", wire.TypeANY, []string{`"RFC8482" ""`}},
	} {
		for _, protocol := range []string{"udp", "tcp"} {
			reply := ask(t, s, protocol, c.name, c.kind)
			if got := data(reply.Answer); reply.Rcode != wire.RcodeSuccess || !reply.Authoritative || !slices.Equal(got, c.want) {
				t.Errorf("%s %s over %s: %s %q, want %q", c.name, wire.TypeToString[c.kind], protocol, wire.RcodeToString[reply.Rcode], got, c.want)
			}
			for _, r := range reply.Answer {
				if r.Header().Ttl != 5 {
					t.Errorf("%s may be kept for %d s", r, r.Header().Ttl)
				}
			}
			if len(c.want) == 0 && (len(reply.Ns) != 1 || reply.Ns[0].Header().Rrtype != wire.TypeSOA) {
				t.Errorf("%s: nothing, without saying for how long: %v", c.name, reply.Ns)
			}
		}
	}
	if got := data(ask(t, s, "udp", "_http._tcp.social.example.", wire.TypeSRV).Extra); !slices.Equal(got, []string{"192.0.2.1", "192.0.2.2"}) {
		t.Errorf("the targets' addresses are %q", got)
	}
}

func TestOtherNamesAreRefusedAndMissingOnesAreNot(t *testing.T) {
	t.Parallel()
	s := start(t, three)
	for name, want := range map[string]int{
		"gone.social.example.":       wire.RcodeNameError,
		"_ftp._tcp.social.example.":  wire.RcodeNameError,
		"a.nearone1.social.example.": wire.RcodeNameError,
		"example.":                   wire.RcodeRefused,
		"antisocial.example.":        wire.RcodeRefused,
		".":                          wire.RcodeRefused,
	} {
		if reply := ask(t, s, "udp", name, wire.TypeA); reply.Rcode != want || len(reply.Answer) > 0 {
			t.Errorf("%s: %v", name, reply)
		}
	}
	chaos := new(wire.Msg).SetQuestion("social.example.", wire.TypeA)
	chaos.Question[0].Qclass = wire.ClassCHAOS
	notify := new(wire.Msg).SetNotify("social.example.")
	for want, question := range map[int]*wire.Msg{wire.RcodeRefused: chaos, wire.RcodeNotImplemented: notify} {
		if reply, _, err := new(wire.Client).Exchange(question, s.Addr()); err != nil || reply.Rcode != want {
			t.Errorf("%v, %v", reply, err)
		}
	}
}

func TestAClusterWithoutHealthyNodesHasANameWithoutAddresses(t *testing.T) {
	t.Parallel()
	reply := ask(t, start(t, nil), "udp", "social.example.", wire.TypeA)
	if reply.Rcode != wire.RcodeSuccess || len(reply.Answer) != 0 || len(reply.Ns) != 1 {
		t.Errorf("%v", reply)
	}
}

func TestAnswersOverUDPAreSmallAndWholeOverTCP(t *testing.T) {
	t.Parallel()
	var many []dns.Node
	for i := range 100 {
		many = append(many, dns.Node{Label: fmt.Sprintf("a-rather-long-label-of-node-%d", i), Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Port: 1})
	}
	s := start(t, many)
	reply := ask(t, s, "udp", "_http._tcp.social.example.", wire.TypeSRV)
	reply.Compress = true
	if !reply.Truncated || reply.Len() > wire.MinMsgSize {
		t.Errorf("%d bytes, truncated: %v", reply.Len(), reply.Truncated)
	}
	if reply := ask(t, s, "tcp", "_http._tcp.social.example.", wire.TypeSRV); reply.Truncated || len(reply.Answer) != dns.MaxNodes {
		t.Errorf("%d answers over TCP", len(reply.Answer))
	}
}

// A sender of packets may not be who it says.
func TestASenderThatAsksTooMuchIsSentNoMoreThanItSent(t *testing.T) {
	t.Parallel()
	s := start(t, three)
	conn, err := net.Dial("udp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	question, err := new(wire.Msg).SetQuestion("social.example.", wire.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	for range 100_000 {
		if _, err := conn.Write(question); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		var reply wire.Msg
		if err := reply.Unpack(answer[:n]); err != nil {
			t.Fatal(err)
		}
		if !reply.Truncated {
			continue
		}
		if n > len(question) || len(reply.Answer) > 0 {
			t.Errorf("%d bytes for %d", n, len(question))
		}
		if over := ask(t, s, "tcp", "social.example.", wire.TypeA); len(over.Answer) != 2 {
			t.Errorf("over TCP: %v", over)
		}
		return
	}
	t.Error("the sender was never told to come by TCP")
}

func TestAServerThatCannotBindSaysSo(t *testing.T) {
	t.Parallel()
	first := start(t, three)
	_, err := dns.New(dns.Config{Listen: first.Addr(), Name: "x.", Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	var bind *net.OpError
	if !errors.As(err, &bind) {
		t.Errorf("error %v", err)
	}
}

func FuzzQuestions(f *testing.F) {
	question, err := new(wire.Msg).SetQuestion("social.example.", wire.TypeSRV).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(question)
	f.Add(question[:12])
	s, err := dns.New(dns.Config{
		Listen: "127.0.0.1:0", Name: "social.example", Nodes: func() []dns.Node { return three },
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, packet []byte) {
		conn, err := net.Dial("udp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(packet); err != nil && len(packet) < 60_000 {
			t.Fatal(err)
		}
		good := new(wire.Msg).SetQuestion("gone.social.example.", wire.TypeA)
		if reply, _, err := (&wire.Client{Net: "tcp"}).Exchange(good, s.Addr()); err != nil || reply.Rcode != wire.RcodeNameError {
			t.Errorf("after %x: %v, %v", packet, reply, err)
		}
	})
}
