package coherent_test

import (
	"fmt"
	"testing"

	"grapevine/services/coherent"
)

func TestACacheTellsWhatItFoundAndWhatItHolds(t *testing.T) {
	t.Parallel()
	c, err := coherent.New(1000, func(string, string) uint32 { return 100 })
	if err != nil {
		t.Fatal(err)
	}
	c.Get("a")
	for i := range 5 {
		k := fmt.Sprint(i)
		c.Put(k, "", c.Drops(k))
	}
	c.Get("1")
	c.Get("2")
	c.Drop("1")
	want := coherent.Figures{Hits: 2, Misses: 1, Entries: 4, Bytes: 400}
	if got := c.Figures(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for i := range 100 {
		k := fmt.Sprint("more", i)
		c.Put(k, "", c.Drops(k))
	}
	if got := c.Figures(); got.Bytes > 1000 || got.Entries > 10 || got.Evictions < 90 {
		t.Errorf("%+v beyond its bound", got)
	}
}
