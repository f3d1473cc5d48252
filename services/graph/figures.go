package graph

import "grapevine/services/coherent"

// Caches gives the service's caches, by the names that metrics have of them.
func (s *Service) Caches() map[string]coherent.Measured {
	return map[string]coherent.Measured{"blocks": s.barred, "follows": s.followed, "relation_counts": s.counts}
}
