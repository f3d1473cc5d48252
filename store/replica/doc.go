// Package replica makes one replicated store out of many engines: it
// coordinates writes, spreads them, acknowledges them when enough owners have
// them on disk, and repairs by anti-entropy whatever did not arrive.
//
// A write lives through these files:
//
//	route.go    finds an owner to coordinate it            (write.go, serve.go)
//	applier.go  one goroutine merges waiting work (work.go) and commits it in one sync
//	txn.go      ... against a snapshot and an overlay; gives the write its dot
//	outbox.go   publishes batches to the owners, counts their acknowledgements,
//	            and pushes directly where none came
//	inbox.go    applies what other owners publish, and acknowledges it
//	sync.go     compares version vectors and fetches exactly the missing dots
//	trust.go    says from when on a partition may be read here
//	membership.go  keeps the ring view, and joins
//	stability.go  ends the bookkeeping of what all owners have
//	snapshot.go   takes over what is no longer logged anywhere
//	repair.go     compares rows where a disk was lost
//	hints.go      takes writes whose owners are all away
//	drop.go       gives up copies that do not count, once the owners have proved theirs
//	incarnation.go  sees to it that a restored or copied disk uses no dot twice
//	leave.go      leaves the ring, and gives up the dead
//	export.go, restore.go  read partitions for a backup, and write them back
//	changes.go  is the log of facts from which everything else follows
//
// DESIGN.md beside this file states the protocol and its invariants.
package replica
