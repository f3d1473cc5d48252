package servicetest_test

import (
	"testing"

	"grapevine/services/servicetest"
	"grapevine/store"
)

func TestIncrementsOfARowAddUpUntilItIsPutAnew(t *testing.T) {
	t.Parallel()
	rows := servicetest.New(nil)
	k := store.Key{Slot: 1, Family: 1, Sort: "a"}
	put := store.Mutation{Key: k, Op: store.Put}
	add := store.Mutation{Key: k, Op: store.Add, Counts: []store.CountDelta{{ID: 2, N: 5}, {ID: 1, N: -1}}}
	for i, step := range []struct {
		m        store.Mutation
		one, two int64
	}{{add, 0, 0}, {put, 0, 0}, {add, -1, 5}, {add, -2, 10}, {put, 0, 0}, {add, -1, 5}} {
		if _, err := rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{step.m}}); err != nil {
			t.Fatal(err)
		}
		got, err := rows.GetMany(t.Context(), []store.Key{k})
		if err != nil {
			t.Fatal(err)
		}
		if one, two := got[0].Counter(1), got[0].Counter(2); one != step.one || two != step.two {
			t.Errorf("after step %d: %d and %d, want %d and %d", i, one, two, step.one, step.two)
		}
	}
}
