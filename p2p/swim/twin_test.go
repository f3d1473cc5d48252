package swim

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// copyOf gives the settings of a process that was started on a copy of a node's
// data directory.
func copyOf(original *Swim, join ...*Swim) func(*Config) {
	return func(c *Config) {
		c.Self, c.Key = original.cfg.Self, original.cfg.Key
		joining(join...)(c)
	}
}

// grown waits until a process is older than a question can take, so that its age
// decides between it and one that starts now.
func grown(t *testing.T, s *Swim) *Swim {
	t.Helper()
	eventually(t, "the first process has been up for a while", func() bool {
		return time.Since(s.started) > askTimeout
	})
	return s
}

func isDisplaced(s *Swim) bool { return s.DisplacedBy() != nil }

func TestASecondProcessWithOneIdentityIsRefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3)
	original := grown(t, nodes[1])
	second := start(t, copyOf(original, nodes[0]))
	if err := second.Meet(within(t)); !errors.Is(err, ErrIdentityInUse) {
		t.Errorf("got %v, want ErrIdentityInUse", err)
	}
	_ = second.Close()
	if err := original.DisplacedBy(); err != nil {
		t.Errorf("the first was displaced: %v", err)
	}
	eventually(t, "the members see one another", func() bool { return allAlive(nodes) })
	if m, _ := nodes[0].Member(original.cfg.Self); m.Addrs.Gossip != original.GossipAddr() {
		t.Errorf("the name moved to %s", m.Addrs.Gossip)
	}
}

func TestACopyThatJoinsItsOriginalIsRefused(t *testing.T) {
	t.Parallel()
	original := grown(t, start(t, nil))
	second := start(t, copyOf(original, original))
	if err := second.Meet(within(t)); !errors.Is(err, ErrIdentityInUse) {
		t.Errorf("got %v, want ErrIdentityInUse", err)
	}
}

// TestANodeThatWasKilledIsTakenBackAtOnce restarts it before the others have missed
// it, so that it is still claimed to be alive where it was.
func TestANodeThatWasKilledIsTakenBackAtOnce(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(s *Swim) string{
		"at other ports":    func(*Swim) string { return "127.0.0.1:0" },
		"at the same ports": (*Swim).GossipAddr,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := cluster(t, 3)
			killed := nodes[2]
			_ = killed.Close()
			began := time.Now()
			returned := start(t, func(c *Config) {
				copyOf(killed, nodes[0])(c)
				c.Listen = at(killed)
			})
			if err := returned.Meet(within(t)); err != nil {
				t.Fatal(err)
			}
			t.Logf("met after %v", time.Since(began))
			for _, s := range nodes[:2] {
				eventually(t, "the return is noticed", func() bool {
					m, _ := s.Member(killed.cfg.Self)
					return m.Alive && m.Addrs.Gossip == returned.GossipAddr()
				})
			}
			if err := returned.DisplacedBy(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMeetingNobodyTakesAMomentAtMost(t *testing.T) {
	t.Parallel()
	gone := start(t, nil)
	_ = gone.Close()
	s := start(t, joining(gone))
	began := time.Now()
	if err := s.Meet(within(t)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*meetTimeout {
		t.Errorf("took %v", took)
	}
}

// TestOfTwoProcessesThatMeetTheLaterEnds has each run in a cluster half until the
// halves meet.
func TestOfTwoProcessesThatMeetTheLaterEnds(t *testing.T) {
	t.Parallel()
	one, other := start(t, nil), start(t, nil)
	earlier := grown(t, start(t, joining(one)))
	later := start(t, copyOf(earlier, other))
	eventually(t, "each half is whole", func() bool {
		return allAlive([]*Swim{one, earlier}) && allAlive([]*Swim{other, later})
	})
	if err := later.Meet(within(t)); err != nil {
		t.Fatalf("the halves know of one another: %v", err)
	}
	if _, err := one.list.Join([]string{other.GossipAddr()}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-later.Displaced():
	case <-time.After(patience):
		t.Fatal("both go on")
	}
	_ = later.Close()
	eventually(t, "all see the earlier", func() bool {
		m, _ := other.Member(earlier.cfg.Self)
		return m.Alive && m.Addrs.Gossip == earlier.GossipAddr()
	})
	if isDisplaced(earlier) {
		t.Error("both ended")
	}
}

// TestAnOldClaimDisplacesNobody replays, with the secret, how a node described
// itself in an earlier life, from where a process answers.
func TestAnOldClaimDisplacesNobody(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	victim := nodes[1]
	liar := start(t, nil)
	old := &Swim{cfg: victim.cfg, label: victim.label, boot: victim.boot + 1}
	addrs := victim.cfg.Addrs
	addrs.Gossip = liar.GossipAddr()
	var err error
	if old.meta, err = signMeta(victim.cfg.Key, victim.label, victim.cfg.Self, description{addrs, old.boot}); err != nil {
		t.Fatal(err)
	}
	question := append(append([]byte{kindWho}, make([]byte, challengeSize)...), old.meta...)
	if victim.answer(question) == nil {
		t.Error("the question was not answered")
	}
	if err := victim.Meet(within(t)); err != nil {
		t.Errorf("displaced by words alone: %v", err)
	}
}

func TestAnAnswerIsOfItsChallengeAndItsSigner(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	challenge := random(challengeSize)
	answer := s.signAnswer(challenge, 90*time.Second)
	d, uptime, err := s.verifyAnswer(answer, challenge)
	if err != nil || d.boot != s.boot || uptime != 90*time.Second {
		t.Errorf("got %+v, %v, %v", d, uptime, err)
	}
	if _, _, err := s.verifyAnswer(answer, random(challengeSize)); !errors.Is(err, errForged) {
		t.Errorf("to another challenge: got %v", err)
	}
	if _, _, err := start(t, nil).verifyAnswer(answer, challenge); !errors.Is(err, errForged) {
		t.Errorf("of another node: got %v", err)
	}
}

func TestOfTwoProcessesExactlyOneYields(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond // of a question and its answer together
	for _, apart := range []time.Duration{0, delay / 4, delay, time.Second, time.Hour} {
		a, b := &Swim{boot: 1}, &Swim{boot: 2}
		upA := time.Minute
		upB := upA + apart
		aYields := a.yields(b.boot, upB+delay/2, upA, upA+delay)
		bYields := b.yields(a.boot, upA+delay/2, upB, upB+delay)
		if aYields == bYields {
			t.Errorf("%v apart: %v and %v", apart, aYields, bYields)
		}
		if apart > delay && !aYields {
			t.Errorf("%v apart: the younger goes on", apart)
		}
	}
}

func FuzzVerifyAnswer(f *testing.F) {
	key, self := identity(f)
	s := &Swim{cfg: Config{Self: self, Key: key}, label: label}
	var err error
	if s.meta, err = signMeta(key, label, self, description{addrs, 7}); err != nil {
		f.Fatal(err)
	}
	challenge := random(challengeSize)
	answer := s.signAnswer(challenge, time.Second)
	f.Add(answer)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := s.verifyAnswer(data, challenge); err == nil && string(data) != string(answer) {
			t.Errorf("%x was believed", data)
		}
	})
}

func TestWhereADeadMemberWasClaimedToBeIsCalledToo(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	s, id := nodes[0], nodes[1].cfg.Self
	s.NotifyConflict(nil, &memberlist.Node{Name: string(id), Addr: net.IPv4(127, 0, 0, 1), Port: 9})
	if addrs, _ := s.absent(); slices.Contains(addrs, "127.0.0.1:9") {
		t.Error("called while the member is alive")
	}
	_ = nodes[1].Close()
	eventually(t, "it is called", func() bool {
		addrs, _ := s.absent()
		return slices.Contains(addrs, "127.0.0.1:9")
	})
}
