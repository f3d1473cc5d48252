package swim

import (
	"bytes"
	"context"
	"log/slog"
)

// logWriter turns memberlist's log lines into slog records: its errors are
// warnings here, since the network's faults are all in a day's work, and the
// rest is for debugging.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("[ERR]")) {
		level = slog.LevelWarn
	}
	if _, text, ok := bytes.Cut(line, []byte("] memberlist: ")); ok {
		w.log.Log(context.Background(), level, "memberlist", "event", string(bytes.TrimSpace(text)))
	} else {
		w.log.Log(context.Background(), level, "memberlist", "event", string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}
