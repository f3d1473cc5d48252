package users

import "grapevine/services/coherent"

// openedBytes is about what a decrypted token takes in memory: its hash, ids and
// names, and the cache's own share.
const openedBytes = 512

// Caches gives the service's caches, by the names that metrics have of them.
func (s *Service) Caches() map[string]coherent.Measured {
	return map[string]coherent.Measured{"tokens": s.tokens}
}

// Figures implements coherent.Measured.
func (c *tokenCache) Figures() coherent.Figures {
	s, entries := c.opened.Stats(), c.opened.EstimatedSize()
	return coherent.Figures{
		Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions,
		Entries: entries, Bytes: uint64(entries) * openedBytes,
	}
}
