package timeline

import "grapevine/services/coherent"

// Caches gives the service's caches, by the names that metrics have of them.
func (s *Service) Caches() map[string]coherent.Measured {
	return map[string]coherent.Measured{"home_pages": s.caches.homes, "merged_authors": s.caches.merged, "author_pages": s.caches.authors}
}
