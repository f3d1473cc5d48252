package swim

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
)

// warnInterval is the least time between two warnings of what others do.
const warnInterval = 10 * time.Second

// logWriter turns memberlist's log lines into slog records: its errors are
// warnings here, since the network's faults are all in a day's work, and the
// rest is for debugging.
//
// A member could cause warnings at will, so all but one in a while are for
// debugging too.
type logWriter struct {
	log    *slog.Logger
	seldom *rate.Sometimes
}

func newLogWriter(l *slog.Logger) logWriter {
	return logWriter{l, &rate.Sometimes{Interval: warnInterval}}
}

// Write implements io.Writer. It is given whole lines.
func (w logWriter) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("[ERR]")) {
		w.seldom.Do(func() { level = slog.LevelWarn })
	}
	text := line
	if _, rest, ok := bytes.Cut(line, []byte("] memberlist: ")); ok {
		text = rest
	}
	w.log.Log(context.Background(), level, "memberlist", "event", string(bytes.TrimSpace(text)))
	return len(line), nil
}
