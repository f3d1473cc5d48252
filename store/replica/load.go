package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"grapevine/crdt"
	"grapevine/store"
)

// loadPartitions reads what is durable of all partitions. A version vector is the
// base of the record and the log of dots together: each dot is in one of them if
// and only if its effects are in the engine.
func (s *Store) loadPartitions(pl *placement) error {
	partitions := make([]*partition, pl.ring.Partitions())
	for i := range partitions {
		partitions[i] = newPartition(s.started)
	}
	err := s.engine.View(func(snapshot store.Snapshot) error {
		for _, load := range []func(store.Snapshot, *placement, []*partition) error{loadRecords, loadLog, loadRows} {
			if err := load(snapshot, pl, partitions); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.partitions = partitions
	return s.loadLastChange()
}

func loadRecords(snapshot store.Snapshot, _ *placement, partitions []*partition) error {
	return scanAll(snapshot, spaceRecords, func(key, value []byte) error {
		p, err := parseRecordKey(key)
		if err == nil && int(p) >= len(partitions) {
			err = errors.New("a record is of no partition")
		}
		if err != nil {
			return err
		}
		if partitions[p].rec, err = decodeRecord(value); err != nil {
			return err
		}
		partitions[p].vector = partitions[p].rec.base.Clone()
		return nil
	})
}

func loadLog(snapshot store.Snapshot, _ *placement, partitions []*partition) error {
	return scanAll(snapshot, spaceDots, func(key, _ []byte) error {
		id, d, err := parseDotKey(key)
		if err == nil && int(id) >= len(partitions) {
			err = errors.New("a logged dot lies in no partition")
		}
		if err != nil {
			return err
		}
		if p := partitions[id]; !p.rec.dropping {
			p.vector.Add(d)
			p.tally.logged++
		}
		return nil
	})
}

// loadRows counts the rows.
func loadRows(snapshot store.Snapshot, pl *placement, partitions []*partition) error {
	return scanAll(snapshot, spaceData, func(key, value []byte) error {
		if len(key) < 4 {
			return errMalformed
		}
		p := partitions[pl.ring.PartitionOf(store.Slot(binary.BigEndian.Uint16(key[1:])))]
		if p.rec.dropping {
			return nil
		}
		row, _, err := crdt.ConsumeRow(value)
		if err != nil {
			return fmt.Errorf("row %x: %w", key, err)
		}
		p.tally.add(tally{rows: 1, marks: one(len(row.Removed) > 0), bytes: int64(len(key) + len(value))})
		return nil
	})
}

// scanAll visits all entries of a space until visit fails.
func scanAll(snapshot store.Snapshot, space byte, visit func(key, value []byte) error) error {
	var failed error
	err := snapshot.Scan([]byte{space}, nil, false, func(key, value []byte) bool {
		failed = visit(key, value)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

func (s *Store) loadLastChange() error {
	return s.engine.View(func(snapshot store.Snapshot) error {
		return snapshot.Scan([]byte{spaceChanges}, nil, true, func(key, _ []byte) bool {
			if len(key) == 9 {
				s.lastChange.Store(binary.BigEndian.Uint64(key[1:]))
			}
			return false
		})
	})
}
