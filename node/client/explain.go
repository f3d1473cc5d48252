package client

import "time"

// Explanation says what every owner has of a thing. Contents are told by size and
// digest only: it is for those who run the cluster, not for those who read posts.
type Explanation struct {
	ID       string            `json:"id" doc:"What was asked for."`
	Kind     string            `json:"kind" doc:"How it was understood: user, post, name, follow, home entry, or unknown." enum:"user,post,name,follow,home entry,unknown"`
	Verdict  []string          `json:"verdict" nullable:"false" doc:"What is seen of it, where it is not yet seen, and why, in words."`
	Places   []ExplainedPlace  `json:"places" nullable:"false" doc:"The partitions that it lies in, with who has them."`
	Rows     []ExplainedRow    `json:"rows" nullable:"false"`
	Replicas map[string]string `json:"replicas" nullable:"false" doc:"Incarnations of disks that appear in dots, and the node that each is of, where that is known."`
}

// ExplainedPlace is a partition, with the nodes that have or should have it.
type ExplainedPlace struct {
	Slot      int              `json:"slot"`
	Partition int              `json:"partition"`
	Leader    string           `json:"leader,omitempty" doc:"The first reachable owner."`
	Holders   []ExplainedOwner `json:"holders" nullable:"false" doc:"Owners first, then nodes to come and others that keep something."`
}

// ExplainedOwner is how one node stands to a partition.
type ExplainedOwner struct {
	Node     string `json:"node"`
	Role     string `json:"role" enum:"owner,coming,other" doc:"other: it keeps writes for the owners, or a copy that moved away."`
	Alive    bool   `json:"alive"`
	Answers  bool   `json:"answers"`
	Error    string `json:"error,omitempty" doc:"Why it did not answer."`
	CaughtUp bool   `json:"caught_up" doc:"It answers reads from its copy."`
	Writes   uint64 `json:"writes" doc:"Writes that it has seen of the partition."`
}

// ExplainedRow is a row, merged from all answers.
type ExplainedRow struct {
	Name      string           `json:"name" doc:"What the row is for."`
	Key       string           `json:"key" doc:"SLOT/FAMILY/SORT."`
	Partition int              `json:"partition"`
	Exists    bool             `json:"exists" doc:"Readers see it once all owners have all that some have."`
	Agreed    bool             `json:"agreed" doc:"All who answered have the same."`
	Writes    []ExplainedWrite `json:"writes" nullable:"false"`
}

// ExplainedWrite is one write that a row shows, or one that removed or lost to
// another.
type ExplainedWrite struct {
	What    string    `json:"what" doc:"The row itself, or the field that was written."`
	Dot     string    `json:"dot" doc:"REPLICA:SEQUENCE of the write."`
	Time    time.Time `json:"time" doc:"By the hybrid clock of the node that coordinated it."`
	Bytes   int       `json:"bytes"`
	Digest  string    `json:"digest" doc:"Equal for equal contents."`
	Outcome string    `json:"outcome" doc:"wins, loses or removed." enum:"wins,loses,removed"`
	Why     string    `json:"why" doc:"By what rule."`
	Has     []string  `json:"has" nullable:"false" doc:"Nodes whose copy of the row shows it."`
	Ended   []string  `json:"ended" nullable:"false" doc:"Nodes that have seen the write and show it no more: it was removed or overwritten there."`
	Lacks   []string  `json:"lacks" nullable:"false" doc:"Nodes that the write has not reached."`
}
