package coherent_test

import (
	"testing"

	"grapevine/services/coherent"
)

func newCache(t *testing.T) *coherent.Cache[string] {
	t.Helper()
	c, err := coherent.New(1<<10, func(k, v string) uint32 { return uint32(len(k) + len(v)) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAValueIsServedUntilItIsDropped(t *testing.T) {
	t.Parallel()
	c := newCache(t)
	c.Put("k", "v", c.Drops("k"))
	if v, ok := c.Get("k"); !ok || v != "v" {
		t.Errorf("got %q, %v", v, ok)
	}
	c.Drop("k")
	if v, ok := c.Get("k"); ok {
		t.Errorf("dropped, and yet %q", v)
	}
}

func TestAValueReadBeforeADropIsNotPutAfterIt(t *testing.T) {
	t.Parallel()
	c := newCache(t)
	before := c.Drops("k")
	c.Drop("k")
	c.Put("k", "old", before)
	if v, ok := c.Get("k"); ok {
		t.Errorf("%q outlived the change", v)
	}
	c.Put("k", "new", c.Drops("k"))
	if v, _ := c.Get("k"); v != "new" {
		t.Errorf("got %q", v)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache(t)
	kept := 0
	for i := range 100 {
		k := string(rune('a' + i))
		c.Put(k, string(make([]byte, 100)), c.Drops(k))
	}
	for i := range 100 {
		if _, ok := c.Get(string(rune('a' + i))); ok {
			kept++
		}
	}
	if kept > 10 {
		t.Errorf("%d values of 100 bytes in 1 KiB", kept)
	}
}
