package coherent

// Figures are what a cache has done since it was made, and what it holds.
type Figures struct {
	Hits      uint64 // values that were found
	Misses    uint64 // values that were not
	Evictions uint64 // values that went for want of room
	Entries   int    // values that it holds
	Bytes     uint64 // what they weigh
}

// Measured is a cache, whatever it holds.
type Measured interface {
	// Figures may be called at any time, and costs no more than a few look-ups.
	Figures() Figures
}

// Figures implements Measured.
func (c *Cache[V]) Figures() Figures {
	s := c.values.Stats()
	return Figures{
		Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions,
		Entries: c.values.EstimatedSize(), Bytes: c.values.WeightedSize(),
	}
}
