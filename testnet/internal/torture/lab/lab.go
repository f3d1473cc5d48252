package lab

import (
	"fmt"
	"net/netip"
	"sync"
)

// network is what the nodes' addresses begin with; it exists in the namespaces of
// one process and nowhere else.
const network = 10<<24 | 77<<16

// last is the number of the driver, which is this process.
const last = 1<<16 - 2

// MaxNodes bounds the nodes of a lab over its life.
const MaxNodes = last - 1

// Lab is a set of networks, one for each node. It is safe for concurrent use.
type Lab struct {
	relay *relay

	mu    sync.Mutex
	hosts map[int]*host
	wait  sync.WaitGroup // a goroutine for each device
}

// Open makes a lab whose nodes this process can reach. It must run inside what
// Command starts.
func Open() (*Lab, error) {
	l := &Lab{relay: newRelay(), hosts: map[int]*host{}}
	if err := upLoopback(); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	d, err := openDevice(addrOf(last))
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l.plug(last, &host{device: d, leave: func() {}})
	return l, nil
}

func (l *Lab) plug(index int, h *host) {
	l.hosts[index] = h
	l.relay.attach(addrOf(index), h.device)
	l.wait.Go(func() { l.relay.forward(h.device) })
}

// Host is the address of a node, counted from 1.
func (l *Lab) Host(index int) string { return addrOf(index).String() }

// Enter calls start on a thread inside the network of a node, which is made when
// first entered: a process that start starts belongs there.
func (l *Lab) Enter(index int, start func() error) error {
	h, err := l.host(index)
	if err != nil {
		return fmt.Errorf("lab: network of node %d: %w", index, err)
	}
	return h.call(start)
}

func (l *Lab) host(index int) (*host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hosts[index]; h != nil {
		return h, nil
	}
	if index < 1 || index > MaxNodes {
		return nil, fmt.Errorf("there are 1 to %d", MaxNodes)
	}
	h, err := openHost(addrOf(index))
	if err != nil {
		return nil, err
	}
	l.plug(index, h)
	return h, nil
}

// Set puts links into force, by the nodes they lead from and to, in place of all
// earlier ones. This process's own links to the nodes are always good.
func (l *Lab) Set(links map[[2]int]Link) {
	byAddr := make(map[[2]netip.Addr]Link, len(links))
	for ends, link := range links {
		byAddr[[2]netip.Addr{addrOf(ends[0]), addrOf(ends[1])}] = link
	}
	l.relay.set(byAddr)
}

// Traffic says how many packets were passed and lost so far.
func (l *Lab) Traffic() Traffic {
	return Traffic{Passed: l.relay.passed.Load(), Lost: l.relay.lost.Load()}
}

// Close ends the networks; processes in them can reach nobody any more.
func (l *Lab) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		h.leave()
		h.device.Close()
	}
	l.wait.Wait()
}

func addrOf(index int) netip.Addr { return address(network + uint32(index)) }
