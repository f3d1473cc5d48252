package badgerdb

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// logger hands Badger's messages to slog. What Badger calls information is of
// use only to who studies Badger, hence debug.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(format string, args ...any)   { l.print(slog.LevelError, format, args) }
func (l logger) Warningf(format string, args ...any) { l.print(slog.LevelWarn, format, args) }
func (l logger) Infof(format string, args ...any)    { l.print(slog.LevelDebug, format, args) }
func (l logger) Debugf(format string, args ...any)   { l.print(slog.LevelDebug-4, format, args) }

func (l logger) print(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return
	}
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	l.log.Log(ctx, level, "badger: "+text)
}
