package libp2pnet

import (
	"context"
	"log/slog"
)

// quiet passes a library's log on two levels lower. gossipsub warns of each
// message it delivers that the host, which trims no connections, keeps no tags
// for it; what matters of its troubles is counted in metrics.
type quiet struct{ slog.Handler }

const quieter = slog.LevelWarn - slog.LevelDebug

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, l-quieter)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level -= quieter
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
