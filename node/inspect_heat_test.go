package node

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/store"
)

func noteHome(h *heat, reader string) {
	h.note(7, []store.Entry{{Key: store.Key{Family: schema.FamilyHome, Sort: reader + "/post"}}})
}

func TestAHotKeyIsFoundAmongMoreKeysThanAreCounted(t *testing.T) {
	t.Parallel()
	h := newHeat()
	for i := range 4 * heatKeys {
		noteHome(h, fmt.Sprint("reader", i))
		noteHome(h, "hot")
	}
	told := h.told()
	if len(told.Keys) != heatTold || len(h.present.keys) > heatKeys {
		t.Fatalf("%d keys are told and %d counted", len(told.Keys), len(h.present.keys))
	}
	if k := told.Keys[0]; k.Owner != "hot" || k.Writes-k.Over > 4*heatKeys || k.Writes < 4*heatKeys || k.Kind != "home timeline" {
		t.Errorf("%+v", k)
	}
	if told.Partitions[0].Partition != 7 || told.Partitions[0].Writes != 8*heatKeys {
		t.Errorf("%+v", told.Partitions)
	}
}

func TestHeatCools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHeat()
		noteHome(h, "ada")
		time.Sleep(heatWindow)
		if told := h.told(); len(told.Keys) != 1 || told.Seconds != heatWindow.Seconds() {
			t.Errorf("after one window: %+v", told)
		}
		time.Sleep(2 * heatWindow)
		if told := h.told(); len(told.Keys) != 0 {
			t.Errorf("after three: %+v", told)
		}
	})
}
