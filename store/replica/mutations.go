package replica

// mutation names a deliberate fault of the protocol. A build with the tag
// `mutation` has the one that GRAPEVINE_MUTATION names, so that the simulation
// can be shown to notice each.
type mutation string

const (
	dropHint            mutation = "drop-hint"              // a stand-in forgets what it took
	reuseDot            mutation = "reuse-dot"              // a restart begins its sequence below what it used
	ackBeforeFsync      mutation = "ack-before-fsync"       // a write is known before its commit
	dropMarksEarly      mutation = "drop-marks-early"       // a page forgets what its dots ended
	dropCopyEarly       mutation = "drop-copy-early"        // a moved copy goes before the owners have proved theirs
	skipStability       mutation = "skip-stability"         // the log of dots goes before all owners have them
	snapshotKeepsAbsent mutation = "snapshot-keeps-absent"  // a snapshot does not remove what its sender lacks
	serveBeforeCaughtUp mutation = "serve-before-caught-up" // reads are answered from a copy with holes
	trustOldDisk        mutation = "trust-old-disk"         // a restored disk goes on with its old replica id
)
