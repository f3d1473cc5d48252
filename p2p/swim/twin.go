package swim

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"

	"grapevine/p2p"
)

// Two processes with one identity, as when a data directory was copied, would
// write under one name what neither knows of the other. Each process draws a
// number when it starts, its boot, and signs it with its addresses. Who hears its
// own name claimed for another boot at another address asks there. Old claims are
// heard for a while after a restart, and may be replayed by anybody at any time,
// so only a fresh signature counts. Of two that live, the one that has been up for
// longer goes on; the other ends. Durations are compared, not clocks.

// ErrIdentityInUse says that another process has been running for longer with this
// node's identity.
var ErrIdentityInUse = errors.New("swim: another process runs with this node's identity")

// errTwin refuses a claim to this node's name.
var errTwin = errors.New("claimed for another process")

const (
	// askTimeout bounds a question: whoever takes longer is as good as dead, for
	// failure detection at least.
	askTimeout = 500 * time.Millisecond
	// meetTimeout bounds Meet, which holds up the start of a node.
	meetTimeout = time.Second
	// maxErrands bounds what waits to be asked. Claims are repeated, so what is
	// dropped is heard again.
	maxErrands = 16

	challengeSize = 32
	// An answer: its kind, how long the process has been up, in microseconds, a
	// signature, and the process's description.
	answerHeader = 1 + 8 + ed25519.SignatureSize
)

// Meet waits until this node has exchanged state with another, if one answers, and
// has asked whoever was claimed to run with its identity; a second at most. It
// gives what DisplacedBy gives.
func (s *Swim) Meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	select {
	case <-s.met:
	case <-s.called:
	case <-ctx.Done():
	}
	asked := make(chan struct{})
	select {
	case s.errands <- func() { close(asked) }:
	case <-ctx.Done():
	}
	select {
	case <-asked:
	case <-s.displaced:
	case <-ctx.Done():
	}
	return s.DisplacedBy()
}

// Displaced is closed when it has shown that another process runs with this
// node's identity and that this one must end.
func (s *Swim) Displaced() <-chan struct{} { return s.displaced }

// DisplacedBy gives the reason once Displaced is closed, and nil before. It wraps
// ErrIdentityInUse.
func (s *Swim) DisplacedBy() error {
	select {
	case <-s.displaced:
		return s.displacedBy
	default:
		return nil
	}
}

// runErrands does errands one by one: their number, and so the load that false claims
// can cause, is bounded.
func (s *Swim) runErrands() {
	for {
		select {
		case errand := <-s.errands:
			errand()
		case <-s.ctx.Done():
			return
		}
	}
}

// later does an errand unless there are too many.
func (s *Swim) later(errand func()) {
	select {
	case s.errands <- errand:
	default:
	}
}

// suspectTwin has a claim to this node's name by another process looked into.
func (s *Swim) suspectTwin(d description) {
	s.later(func() { s.lookInto(d.addrs.Gossip) })
}

// NotifyConflict implements memberlist.ConflictDelegate: a living member is
// claimed to be elsewhere. If both live, whoever lives there learns of the other
// from this node's state; and when the one known here has ended, the other is
// called.
func (s *Swim) NotifyConflict(_, other *memberlist.Node) {
	id, addr := p2p.NodeID(other.Name), other.Address()
	if id == s.cfg.Self {
		return // NotifyAlive saw to it
	}
	s.mu.Lock()
	if m := s.members[id]; m != nil {
		m.elsewhere = addr
	}
	s.mu.Unlock()
	s.later(func() { s.introduce.Do(func() { _, _ = s.list.Join([]string{addr}) }) })
}

// lookInto asks who runs at an address that was claimed for this node's name.
func (s *Swim) lookInto(addr string) {
	before := time.Since(s.started)
	twin, uptime, err := s.ask(addr)
	after := time.Since(s.started)
	switch {
	case err != nil:
		s.log.Debug("nobody runs with this node's identity where it was claimed", "address", addr, "error", err)
	case twin.boot == s.boot: // this very process, by another address
	case s.yields(twin.boot, uptime, before, after):
		s.displace(fmt.Errorf("%w: %s has been running at %s for %s. A data directory must not be copied: give this node an empty --data directory and join it anew (--join, --secret-file), or stop the other one for good first",
			ErrIdentityInUse, s.cfg.Self, twin.addrs.Gossip, uptime.Round(time.Second)))
	default:
		s.seldom.Do(func() {
			s.log.Error("another process runs with this node's identity, from a copied data directory; it has to end", "peer", s.cfg.Self, "addrs", twin.addrs)
		})
	}
}

// yields says whether this process ends for another that had been up for uptime at
// some time between before and after of this one's life. Where that does not
// decide, the greater boot yields.
func (s *Swim) yields(boot uint64, uptime, before, after time.Duration) bool {
	switch {
	case uptime > after:
		return true
	case uptime < before:
		return false
	default:
		return s.boot > boot
	}
}

func (s *Swim) displace(err error) {
	select {
	case <-s.displaced:
	default:
		s.displacedBy = err
		close(s.displaced)
	}
}

// ask has the process at an address prove that it holds this node's identity.
func (s *Swim) ask(addr string) (d description, uptime time.Duration, err error) {
	deadline := time.Now().Add(askTimeout)
	conn, err := s.transport.DialTimeout(addr, askTimeout)
	if err != nil {
		return d, 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(deadline)
	challenge := make([]byte, challengeSize)
	rand.Read(challenge) // never fails
	question := append(append([]byte{kindWho}, challenge...), s.meta...)
	raw := conn.(*sealedConn)
	head, err := s.transport.send(raw.Conn, question, aboutRequest())
	if err != nil {
		return d, 0, err
	}
	answer, _, err := s.transport.receive(raw.Conn, aboutReply(head))
	if err != nil {
		return d, 0, err
	}
	return s.verifyAnswer(answer, challenge)
}

// answer replies to a question of who this is, and has the asker looked into if it
// goes by the same name.
func (s *Swim) answer(question []byte) []byte {
	if len(question) < 1+challengeSize {
		return nil
	}
	challenge, meta := question[1:1+challengeSize], question[1+challengeSize:]
	if d, err := verifyMeta(meta, s.label, s.cfg.Self); err == nil && d.boot != s.boot {
		s.suspectTwin(d)
	}
	return s.signAnswer(challenge, time.Since(s.started))
}

func (s *Swim) signAnswer(challenge []byte, uptime time.Duration) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kindWho}, uint64(uptime.Microseconds()))
	b = append(b, ed25519.Sign(s.cfg.Key, s.signedAnswer(challenge, b[1:], s.meta))...)
	return append(b, s.meta...)
}

func (s *Swim) verifyAnswer(b, challenge []byte) (d description, uptime time.Duration, err error) {
	if len(b) < answerHeader || b[0] != kindWho {
		return d, 0, errBadMessage
	}
	up, signature, meta := b[1:9], b[9:answerHeader], b[answerHeader:]
	public, err := publicKey(s.cfg.Self)
	if err != nil {
		return d, 0, err
	}
	if !ed25519.Verify(public, s.signedAnswer(challenge, up, meta), signature) {
		return d, 0, errForged
	}
	d, err = verifyMeta(meta, s.label, s.cfg.Self)
	return d, time.Duration(binary.BigEndian.Uint64(up)) * time.Microsecond, err
}

// signedAnswer gives the bytes that an answer's signature covers: all but the last
// of bounded or fixed length.
func (s *Swim) signedAnswer(challenge, uptime, meta []byte) []byte {
	b := append([]byte("grapevine swim who\x00"+s.label+"\x00"), challenge...)
	return append(append(b, uptime...), meta...)
}
