package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"grapevine/crdt/causal"
	"grapevine/node/client"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/archive"
)

// backups is the node as httpapi wants it for backups.
type backups Node

// Backup implements httpapi.Backups.
func (b *backups) Backup(ctx context.Context, w io.Writer, p store.Partition, asIs bool) error {
	ring := b.store.Ring()
	if ring == nil {
		return store.ErrUnavailable
	}
	if int(p) >= ring.Partitions() {
		return &social.Error{Kind: social.NotFound, Field: "partitions", Detail: fmt.Sprintf("there is no partition %d; there are %d", p, ring.Partitions())}
	}
	head := archive.Partition{ID: p}
	head.First, head.Last = ring.Slots(p)
	var out *archive.PartitionWriter
	err := b.store.Export(ctx, p, asIs, func(v *causal.Vector) (err error) {
		head.Vector = v
		out, err = archive.NewPartitionWriter(w, head)
		return err
	}, func(e store.Entry) error { return out.Add(e) })
	if err != nil {
		return err
	}
	return out.Close()
}

// Restore implements httpapi.Backups.
func (b *backups) Restore(ctx context.Context, block []byte, resume bool) (client.Restored, error) {
	rows, err := archive.Rows(block)
	if err != nil {
		return client.Restored{}, social.InvalidField("body", "%v; send the block as the file has it", err)
	}
	if !resume {
		if err := b.empty(ctx); err != nil {
			return client.Restored{}, err
		}
	}
	out := client.Restored{Rows: len(rows)}
	// Partitions are backed up one after another, and a follow may have ended
	// between its own and that of its mirror. The mirror is derived anew.
	rows = slices.DeleteFunc(rows, func(e store.Entry) bool { return e.Key.Family == schema.FamilyFollower })
	out.Restored, out.Copies, err = b.store.Restore(ctx, rows)
	return out, err
}

// empty refuses a cluster that has users: a backup of one cluster restored into
// another is a mixture of both.
func (b *backups) empty(ctx context.Context) error {
	users, coverage, err := b.store.ScanIndex(ctx, store.IndexRange{Family: schema.FamilyUser, Limit: 1})
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case len(users) > 0:
		return &social.Error{Kind: social.Conflict, Detail: "the cluster has users already; restore into an empty cluster, or set resume (grapevine restore --force) to go on with a restore that broke off"}
	case coverage.Answered < coverage.Asked:
		return fmt.Errorf("looking for users in all partitions: %w", store.ErrUnavailable)
	}
	return nil
}
