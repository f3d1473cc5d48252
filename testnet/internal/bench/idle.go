package bench

import (
	"context"
	"fmt"
	"time"

	"grapevine/testnet/internal/api"
)

// settleTime is how long after the load idleness begins: consequences and
// compaction under way are not idleness.
const settleTime = 5 * time.Second

// idle measures what the nodes take while nobody asks them anything.
func (b *bench) idle(ctx context.Context) error {
	b.Say("idleness")
	if err := api.Pause(ctx, settleTime); err != nil {
		return err
	}
	before, _, err := b.usages()
	if err != nil {
		return err
	}
	if err := api.Pause(ctx, idlePeriod); err != nil {
		return err
	}
	after, rss, err := b.usages()
	if err != nil {
		return err
	}
	for i, n := range b.Nodes {
		percent := 100 * (after[i] - before[i]).Seconds() / idlePeriod.Seconds()
		b.report.add(Line{What: fmt.Sprintf("idle CPU of node %d", n.Index), Value: percent, Unit: "% of a core",
			Goal: fmt.Sprintf("<= %g", goalIdleCPU), Met: percent <= goalIdleCPU, Note: "over " + idlePeriod.String()})
		memory := float64(rss[i]) / (1 << 20)
		b.report.add(Line{What: fmt.Sprintf("memory of node %d", n.Index), Value: memory, Unit: "MiB",
			Goal: fmt.Sprintf("<= %d", goalMemory), Met: memory <= goalMemory, Note: "resident, after the load"})
	}
	return nil
}

func (b *bench) usages() (cpu []time.Duration, rss []int64, err error) {
	for _, n := range b.Nodes {
		c, r, err := usage(n.PID)
		if err != nil {
			return nil, nil, err
		}
		cpu, rss = append(cpu, c), append(rss, r)
	}
	return cpu, rss, nil
}
