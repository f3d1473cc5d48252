package replica

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"

	"grapevine/p2p"
)

// halfReachable is a transport on which the way to one peer cannot be opened.
type halfReachable struct {
	p2p.Transport
	dark p2p.NodeID
	sent chan []byte
}

func (t halfReachable) Send(ctx context.Context, to p2p.NodeID, _ string, message []byte) error {
	if to == t.dark {
		<-ctx.Done()
		return ctx.Err()
	}
	t.sent <- message
	return nil
}

// TestACoordinatorThatCannotBeReachedHoldsNobodyUp: its batches may come by way
// of others all the same.
func TestACoordinatorThatCannotBeReachedHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan []byte, 10)
		s := &Store{cfg: Config{Transport: halfReachable{dark: "dark", sent: sent}}, log: slog.New(slog.DiscardHandler)}
		s.ctx, s.cancel = context.WithCancel(t.Context())
		for number := range uint64(3) {
			s.acks.add(ackTo{peer: "dark"}, number)
			s.acks.add(ackTo{peer: "bright"}, number)
			s.flushAcks()
			synctest.Wait()
			if want := []byte{ackCopy, 0, 0, 0, 0, 0, 0, 0, byte(number)}; !slices.Equal(<-sent, want) {
				t.Errorf("acknowledgement %d is another", number)
			}
		}
		if waiting := len(s.acks.take(ackTo{peer: "dark"})); waiting != 17 {
			t.Errorf("%d bytes wait for the other, want what came while the first was under way", waiting)
		}
		s.cancel()
		s.done.Wait()
	})
}
