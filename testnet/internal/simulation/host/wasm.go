package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"grapevine/testnet/internal/simulation"
)

// wasm is a program in WebAssembly.
type wasm struct {
	cache   wazero.CompilationCache
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// compile makes machine code of a program, which it keeps in a directory.
func compile(ctx context.Context, path, dir string) (*wasm, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w := &wasm{}
	if w.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
		return nil, err
	}
	w.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(w.cache))
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, w.runtime); err == nil {
		w.module, err = w.runtime.CompileModule(ctx, program)
	}
	if err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

func (w *wasm) close(ctx context.Context) error {
	return errors.Join(w.runtime.Close(ctx), w.cache.Close(ctx))
}

func (w *wasm) run(ctx context.Context, seed uint64, mutation string, input []byte) (string, error) {
	var out bytes.Buffer
	cfg := alone(seed).
		WithArgs(append([]string{"simulation"}, arguments...)...).
		WithEnv(simulation.JobVariable, "1").WithEnv(mutationVariable, mutation).
		WithStdin(bytes.NewReader(input)).WithStdout(&out).WithStderr(&out)
	instance, err := w.runtime.InstantiateModule(ctx, w.module, cfg)
	if instance != nil {
		err = errors.Join(err, instance.Close(ctx))
	}
	var exit *sys.ExitError // says no more than the output does
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	return out.String(), nil
}

// alone is the world of a program in which time and chance are a function of the
// seed.
func alone(seed uint64) wazero.ModuleConfig {
	const tick = 1000 // nanoseconds from one reading of a clock to the next
	wall := int64(1_000_000_000_000_000_000)
	mono := int64(0)
	return wazero.NewModuleConfig().WithName("").
		WithRandSource(random(seed)).
		WithWalltime(func() (int64, int32) {
			wall += tick
			return wall / int64(time.Second), int32(wall % int64(time.Second))
		}, sys.ClockResolution(tick)).
		WithNanotime(func() int64 { mono += tick; return mono }, sys.ClockResolution(tick)).
		WithNanosleep(func(ns int64) { mono += ns; wall += ns }).
		WithOsyield(func() {}).
		WithEnv("GOGC", "400") // collections cost more than memory here
}

func random(seed uint64) io.Reader {
	return rand.NewChaCha8(sha256.Sum256(binary.BigEndian.AppendUint64(nil, seed)))
}
