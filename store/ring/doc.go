// Package ring says who owns what: it turns a replicated view of the cluster's
// members into owners of partitions. It is pure, without I/O, goroutine or clock.
//
// A View is the membership that nodes gossip and persist: a state-based CRDT
// with one entry a node. Being in the view is not being alive; entries change
// by explicit acts only: join, leave, forget. A Ring is the placement that
// follows from a view, and equal views give equal rings on every machine.
//
// # Placement
//
// Owners are chosen by rendezvous hashing (Thaler and Ravishankar, "Using
// name-based mappings to increase hit rates", 1998): every member draws a number
// for every partition, and the members with the best draws own it. A new member
// therefore takes over only what it now draws best, and nothing moves between the
// others. Weights enter as in Schindelhauer and Schomaker, "Weighted Distributed
// Hash Tables" (2005), with the logarithm method that Mosko's draft on weighted
// HRW describes: a member of weight w that hashes to the uniform u draws
// -ln(u)/w, and the least draw wins, which makes shares proportional to weights.
//
// # Transitions
//
// Owners count for reads and acknowledgements: they come from members that are
// Active or Leaving. Joining members, and those that take over from Leaving ones,
// are Coming: they receive every write while they copy what came before. A
// partition's Coming members are all that may own it in whatever order the steps
// under way end, so no step makes an owner of a node that was not told to prepare.
// The price is that each of several joiners prepares as if it joined alone, which
// is more than it keeps: it is cheaper to let members join in turn.
//
// A new weight or zone of an Active member moves ownership at once, unprepared: who
// owns by it serves no reads before it has caught up, and who owned keeps its copy
// until then. To change few members at a time keeps enough caught-up owners.
//
// Plan tells beforehand what moves between two views.
package ring
