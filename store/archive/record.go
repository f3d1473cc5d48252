package archive

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"grapevine/store"
)

// The records of a file, beside the rows, are CBOR.

// beginRecord is Partition as it is encoded.
type beginRecord struct {
	First  store.Slot `cbor:"1,keyasint"`
	Last   store.Slot `cbor:"2,keyasint"`
	Vector []byte     `cbor:"3,keyasint"`
}

// endRecord closes a partition.
type endRecord struct {
	Rows int64 `cbor:"1,keyasint"`
}

// trailerRecord closes a file. Frames is a hash over the checksums of all frames
// before it: a frame that is missing, or there twice, shows.
type trailerRecord struct {
	Partitions int    `cbor:"1,keyasint"`
	Rows       int64  `cbor:"2,keyasint"`
	Frames     []byte `cbor:"3,keyasint"`
}

// encode encodes a record. Times keep their precision.
func encode(record any) ([]byte, error) {
	mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	body, err := mode.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return body, nil
}

// decode reads a record, within bounds on what it may claim.
func decode(body []byte, out any) error {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 10, MaxMapPairs: 64, MaxNestedLevels: 4}.DecMode()
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if err := mode.Unmarshal(body, out); err != nil {
		return damagedf("a record cannot be read: %w", err)
	}
	return nil
}
