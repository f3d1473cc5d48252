package libp2pnet

import (
	"context"
	"log/slog"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/gologshim"
)

// quiet passes a library's log on lower: its warnings become debugging, its errors
// information. gossipsub warns of each message it delivers that the host, which
// trims no connections, keeps no tags for it; what matters of its troubles is
// counted in metrics.
type quiet struct{ slog.Handler }

const quieter = slog.LevelWarn - slog.LevelDebug

// logQuietly has libp2p log where this node does: left alone it writes to standard
// error. It has one log per process, so the first host that has something to say
// gives it its place.
func logQuietly(log *slog.Logger) { gologshim.SetDefaultHandler(quiet{log.Handler()}) }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, l-quieter)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level -= quieter
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

// rpcLog is gossipsub's log of what peers send. A warning there says that a peer
// sent what no gossipsub does, and there is no other word of it.
type rpcLog struct {
	slog.Handler
	host *Host
}

// Enabled implements slog.Handler.
func (l rpcLog) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || l.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l rpcLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		r.Attrs(func(a slog.Attr) bool {
			if from, ok := a.Value.Any().(peer.ID); ok {
				l.host.offend(nodeID(from), gossipProtocol, weightMalformed, errBadFrame)
			}
			return true
		})
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l rpcLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return rpcLog{l.Handler.WithAttrs(attrs), l.host}
}

// WithGroup implements slog.Handler.
func (l rpcLog) WithGroup(name string) slog.Handler { return rpcLog{l.Handler.WithGroup(name), l.host} }

// forged says which of gossipsub's reasons to reject a message an honest peer
// gives no cause for: messages here are neither signed nor named.
func forged(reason string) bool {
	switch reason {
	case pubsub.RejectUnexpectedSignature, pubsub.RejectUnexpectedAuthInfo,
		pubsub.RejectMissingSignature, pubsub.RejectInvalidSignature:
		return true
	}
	return false
}
