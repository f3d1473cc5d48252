package libp2pnet

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// pit is a TCP proxy that can stop passing bytes on while its connections stand.
type pit struct {
	addr  string
	mu    sync.Mutex
	holds bool
}

func dig(t *testing.T, to string) *pit {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pit{addr: l.Addr().String()}
	var all sync.WaitGroup
	var conns []net.Conn
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			conns = append(conns, in, out)
			p.mu.Unlock()
			all.Go(func() { p.pass(in, out) })
			all.Go(func() { p.pass(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *pit) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = true
}

func (p *pit) pass(to, from net.Conn) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		holds := p.holds
		p.mu.Unlock()
		if err == nil && !holds {
			_, err = to.Write(b[:n])
		}
		if err != nil && !holds {
			_ = to.Close()
		}
		if err != nil {
			return
		}
	}
}

// lockedBuffer is a log that a test can read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
