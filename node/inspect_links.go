package node

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/store/ring"
)

const (
	// protoClock asks a node for its clock: nothing -> eight bytes of Unix
	// nanoseconds, and the version of its build.
	protoClock = "node/clock"
	// clockTimeout bounds the three round trips to one peer.
	clockTimeout = time.Second
	// clockSamples is how often a peer is asked. The quickest round trip tells most
	// of the clock: it has waited least (the clock filter of NTP, RFC 5905).
	clockSamples = 3
	// linksKept is how long a measurement is used.
	linksKept = time.Second
	// linksAtOnce bounds the peers that are measured at once.
	linksAtOnce = 16
	// maxVersion bounds the bytes of a peer's version that are passed on.
	maxVersion = 128
)

// links measures the ways to the other nodes when somebody asks.
type links struct {
	transport p2p.Transport
	now       func() time.Time
	turn      chan struct{} // held by who uses the fields below
	began     time.Time     // the last round, by the monotonic clock
	last      client.Links
}

func newLinks(t p2p.Transport, now func() time.Time) *links {
	return &links{transport: t, now: now, turn: make(chan struct{}, 1)}
}

// answerClock is the handler of protoClock.
func (i *inspector) answerClock(context.Context, p2p.NodeID, []byte) ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, uint64(i.deps.Now().UnixNano()))
	return append(b, version()...), nil
}

// Links implements httpapi.Inspector.
func (i *inspector) Links(ctx context.Context) client.Links {
	var peers []client.Member
	for _, m := range (*cluster)(i.Node).Members(ctx) {
		if !m.Self && m.RingState != ring.Gone.String() {
			peers = append(peers, m)
		}
	}
	return i.links.to(peers)
}

// to measures the ways to peers. Those who ask at about one time share a round,
// which is not given the context of one of them.
func (l *links) to(peers []client.Member) client.Links {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if !l.began.IsZero() && time.Since(l.began) < linksKept && l.covers(peers) {
		return l.last
	}
	l.began = time.Now()
	out := client.Links{
		Node: string(l.transport.Self()), Version: version(), MeasuredAt: l.now().UTC(),
		Links: make([]client.Link, len(peers)),
	}
	var all errgroup.Group
	all.SetLimit(linksAtOnce)
	for i, m := range peers {
		all.Go(func() error {
			out.Links[i] = l.measure(m)
			return nil
		})
	}
	_ = all.Wait() // its functions return no errors
	l.last = out
	return out
}

// covers says whether the last round was of the same peers, as alive as now.
func (l *links) covers(peers []client.Member) bool {
	return slices.EqualFunc(l.last.Links, peers, func(link client.Link, m client.Member) bool {
		return link.To == m.ID && link.Alive == m.Alive
	})
}

func (l *links) measure(m client.Member) client.Link {
	link := client.Link{To: m.ID, Alive: m.Alive}
	ctx, cancel := context.WithTimeout(context.Background(), clockTimeout)
	defer cancel()
	best := clockTimeout
	for range clockSamples {
		sent, began := l.now(), time.Now()
		reply, err := l.transport.Call(ctx, p2p.NodeID(m.ID), protoClock, nil)
		took := time.Since(began)
		if err == nil && len(reply) < 8 {
			err = errors.New("its answer cannot be read: it runs another version")
		}
		if err != nil {
			link.Error = err.Error()
			return link
		}
		if took > best && link.Answers {
			continue
		}
		best, link.Answers = took, true
		theirs := time.Unix(0, int64(binary.BigEndian.Uint64(reply)))
		link.RTTMillis = millis(took)
		link.OffsetMillis = millis(theirs.Sub(sent) - took/2)
		link.Version = string(reply[8:min(len(reply), 8+maxVersion)])
	}
	return link
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
