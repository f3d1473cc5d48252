package torture

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestAShutGateHoldsTheLoadAndWaitsForActsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		if !g.enter(ctx) {
			t.Fatal("an open gate holds the load")
		}
		var shut, entered atomic.Bool
		go func() { g.shut(); shut.Store(true) }()
		synctest.Wait()
		go func() { entered.Store(g.enter(ctx)) }()
		synctest.Wait()
		if shut.Load() || entered.Load() {
			t.Errorf("with an act under way: shut %t, entered %t", shut.Load(), entered.Load())
		}
		g.leave()
		synctest.Wait()
		if !shut.Load() || entered.Load() {
			t.Errorf("with none under way: shut %t, entered %t", shut.Load(), entered.Load())
		}
		g.reopen()
		synctest.Wait()
		if !entered.Load() {
			t.Error("an open gate holds the load")
		}
		g.leave()
		g.shut()
		cancel()
		if g.enter(ctx) {
			t.Error("entered after the end")
		}
	})
}
