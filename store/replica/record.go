package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// record is what is durable of a partition beside its rows and its log of dots.
// One that is installed is never changed; a transaction works on a copy.
type record struct {
	// base holds the dots whose log entries are gone. It is closed: the births that
	// its dots ended are in it too (stability.go says why).
	base *causal.Vector
	// last is the highest dot that this node used here before it dropped its copy,
	// so that none is used twice when it comes to store the partition again.
	last causal.Dot
	// complete says that this copy has once covered what the owners had. One that
	// never has must not pass for the whole, however alone this node is.
	complete bool
	// dropping says that this copy no longer exists, though some of its entries are
	// still in the engine.
	dropping bool
	// hinted counts the bytes of writes taken as a stand-in.
	hinted   int64
	snapshot *snapshotProgress
}

// snapshotProgress is how far a snapshot has been taken over.
type snapshotProgress struct {
	stable *causal.Vector // the sender's base when the snapshot began
	phase  snapshotPhase
	after  []byte // the last engine key that the phase is done with
}

// snapshotPhase is what is being done to the partition's keys, in order.
type snapshotPhase uint8

const (
	copying  snapshotPhase = iota // taking over rows
	settling                      // dropping marks that the new base has made needless
	purging                       // dropping log entries that the new base holds
)

func newRecord() *record { return &record{base: causal.NewVector()} }

func (r *record) clone() *record {
	c := *r
	c.base = r.base.Clone()
	return &c
}

// wireRecord is the encoding of a record.
type wireRecord struct {
	Base     []byte        `cbor:"1,keyasint"`
	Last     []byte        `cbor:"2,keyasint"`
	Complete bool          `cbor:"3,keyasint,omitempty"`
	Dropping bool          `cbor:"4,keyasint,omitempty"`
	Hinted   int64         `cbor:"5,keyasint,omitempty"`
	Stable   []byte        `cbor:"6,keyasint,omitempty"`
	Phase    snapshotPhase `cbor:"7,keyasint,omitempty"`
	After    []byte        `cbor:"8,keyasint,omitempty"`
}

func (r *record) encode() []byte {
	w := wireRecord{
		Base: r.base.Append(nil), Last: causal.AppendDot(nil, r.last),
		Complete: r.complete, Dropping: r.dropping, Hinted: r.hinted,
	}
	if sn := r.snapshot; sn != nil {
		w.Stable, w.Phase, w.After = sn.stable.Append(nil), sn.phase, sn.after
	}
	return must(cbor.Marshal(w))
}

func decodeRecord(b []byte) (*record, error) {
	var w wireRecord
	if err := decoding.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("record of a partition: %w", err)
	}
	r := &record{complete: w.Complete, dropping: w.Dropping, hinted: w.Hinted}
	var err error
	if r.base, _, err = causal.ConsumeVector(w.Base); err != nil {
		return nil, err
	}
	if r.last, _, err = causal.ConsumeDot(w.Last); err != nil {
		return nil, err
	}
	if w.Stable == nil {
		return r, nil
	}
	r.snapshot = &snapshotProgress{phase: w.Phase, after: w.After}
	r.snapshot.stable, _, err = causal.ConsumeVector(w.Stable)
	return r, err
}

func recordKey(p store.Partition) []byte {
	return binary.BigEndian.AppendUint16([]byte{spaceRecords}, uint16(p))
}

func parseRecordKey(b []byte) (store.Partition, error) {
	if len(b) != 3 || b[0] != spaceRecords {
		return 0, errMalformed
	}
	return store.Partition(binary.BigEndian.Uint16(b[1:])), nil
}
