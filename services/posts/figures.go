package posts

import "grapevine/services/coherent"

// Caches gives the service's caches, by the names that metrics have of them.
func (s *Service) Caches() map[string]coherent.Measured {
	return map[string]coherent.Measured{"posts": s.cache, "post_counts": s.tallies, "post_marks": s.marksOf}
}
