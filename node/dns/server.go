// Package dns answers DNS for a cluster: one name has the addresses of the healthy
// nodes, the nearest first, so that plain clients are balanced and failed over. It
// is the only code that knows DNS.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/net/netutil"
)

const (
	// TTL is how long answers may be kept.
	TTL = 5 * time.Second
	// MaxNodes bounds the nodes in an answer.
	MaxNodes = 8

	// fresh is how long a list of nodes is taken for true.
	fresh = time.Second
	// ioTimeout bounds a question's and an answer's time over TCP.
	ioTimeout = 2 * time.Second
	// maxConns bounds the TCP connections, and maxQuestions the questions on one.
	maxConns     = 64
	maxQuestions = 32
	// closeTime bounds the wait for questions under way.
	closeTime = time.Second
)

// Node is a healthy node of the cluster.
type Node struct {
	Label string // names it below the cluster's name: a-z, A-Z, 0-9 and -
	Addr  netip.Addr
	Port  uint16 // of its API
	HTTPS bool
}

// Config is what a Server needs. All fields are required.
type Config struct {
	// Listen is the HOST:PORT of UDP and TCP; port 0 is one of the system's choice.
	Listen string
	// Name is the domain name that is answered for, with or without its last dot.
	Name string
	// Nodes gives the healthy nodes, nearest first. It is called once a second at
	// most, never twice at once, and awaited by Close.
	Nodes   func() []Node
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Server answers until it is closed.
type Server struct {
	zone    zone
	nodes   func() []Node
	log     *slog.Logger
	answers *prometheus.CounterVec
	senders *senders
	servers []*dns.Server
	addr    string
	done    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	asked  time.Time  // when known became so
	known  []Node
	asking chan struct{} // closed when nodes has answered; nil while it is not asked
	closed bool
}

// New binds both protocols to one port and answers.
func New(c Config) (*Server, error) {
	s := &Server{
		zone: zone{name: dns.CanonicalName(c.Name)}, nodes: c.Nodes, log: c.Log, senders: newSenders(),
		answers: promauto.With(c.Metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_dns_answers_total",
			Help: "Answers to DNS questions, by what they said.",
		}, []string{"rcode"}),
	}
	packets, stream, err := listen(c.Listen)
	if err != nil {
		return nil, err
	}
	s.addr = packets.LocalAddr().String()
	s.serve(&dns.Server{PacketConn: packets, UDPSize: dns.MinMsgSize})
	s.serve(&dns.Server{Listener: netutil.LimitListener(stream, maxConns), MaxTCPQueries: maxQuestions})
	return s, nil
}

// listenTries bounds the ports of the system's choice that are tried, since one
// that is free for UDP need not be free for TCP.
const listenTries = 8

func listen(addr string) (net.PacketConn, net.Listener, error) {
	for try := 1; ; try++ {
		packets, err := net.ListenPacket("udp", addr)
		if err != nil {
			return nil, nil, err
		}
		stream, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, stream, nil
		}
		packets.Close()
		if _, port, _ := net.SplitHostPort(addr); port != "0" || try == listenTries {
			return nil, nil, err
		}
	}
}

func (s *Server) serve(server *dns.Server) {
	server.Handler = dns.HandlerFunc(s.answer)
	server.ReadTimeout, server.WriteTimeout = ioTimeout, ioTimeout
	server.IdleTimeout = func() time.Duration { return ioTimeout }
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	s.servers = append(s.servers, server)
	s.done.Go(func() {
		if err := server.ActivateAndServe(); err != nil {
			s.log.Error("DNS is not answered any more", "error", err)
		}
	})
	<-started // a server that has not started cannot be closed
}

// Addr is the HOST:PORT that is bound.
func (s *Server) Addr() string { return s.addr }

// Close ends questions under way and returns when nothing runs.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var all []error
	for _, server := range s.servers {
		// Connections that have not ended by then end with ioTimeout.
		if err := server.ShutdownContext(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			all = append(all, fmt.Errorf("closing DNS: %w", err))
		}
	}
	s.done.Wait()
	return errors.Join(all...)
}

// answer is the handler of both protocols.
func (s *Server) answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg)
	sender, isUDP := w.RemoteAddr().(*net.UDPAddr)
	if isUDP && !s.senders.admit(sender.AddrPort().Addr(), time.Now()) {
		// A sender that is who it says asks again over TCP; one that is not has its
		// victim sent no more than was sent here.
		reply.SetReply(question)
		reply.Truncated = true
	} else {
		s.zone.reply(reply, question, s.current())
		if isUDP {
			reply.Truncate(dns.MinMsgSize)
		}
	}
	s.answers.WithLabelValues(dns.RcodeToString[reply.Rcode]).Inc()
	if err := w.WriteMsg(reply); err != nil {
		s.log.Debug("a DNS answer could not be sent", "error", err)
	}
}

// current gives the healthy nodes as of TTL ago at most. What is older than fresh is
// asked for anew meanwhile, since a node that hangs can make that take a second.
func (s *Server) current() []Node {
	s.mu.Lock()
	known, age := s.known, time.Since(s.asked)
	if age > fresh && s.asking == nil && !s.closed {
		s.asking = make(chan struct{})
		s.done.Go(s.refresh)
	}
	asking := s.asking
	s.mu.Unlock()
	if age < TTL || asking == nil {
		return known
	}
	<-asking
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

func (s *Server) refresh() {
	nodes := s.nodes()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.asked = nodes[:min(len(nodes), MaxNodes)], time.Now()
	close(s.asking)
	s.asking = nil
}
