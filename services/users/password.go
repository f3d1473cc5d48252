package users

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"

	"grapevine/services/social"
)

// Cost is the work of one Argon2id hash.
type Cost struct {
	Memory  uint32 // KiB, 8 to 65536 and at least 8 for each thread
	Time    uint32 // passes, 1 to 10
	Threads uint8  // 1 to 4
}

// DefaultCost is OWASP's recommendation for Argon2id: 19 MiB, 2 passes.
var DefaultCost = Cost{Memory: 19 << 10, Time: 2, Threads: 1}

func (c Cost) verify() error {
	if c.Threads < 1 || c.Threads > 4 || c.Time < 1 || c.Time > 10 || c.Memory < 8*uint32(c.Threads) || c.Memory > 64<<10 {
		return fmt.Errorf("argon2id cost out of range: %+v", c)
	}
	return nil
}

const (
	saltBytes      = 16
	hashBytes      = 32
	defaultWaiting = 256
)

// hasher hashes a bounded number of passwords at once and keeps a bounded number
// waiting: each takes tens of milliseconds of a core and megabytes of memory.
type hasher struct {
	cost    Cost
	waiting chan struct{}
	running chan struct{}
}

func newHasher(cfg Config) (*hasher, error) {
	if cfg.HashParallel == 0 {
		cfg.HashParallel = runtime.GOMAXPROCS(0)
	}
	if cfg.HashWaiting == 0 {
		cfg.HashWaiting = defaultWaiting
	}
	if cfg.HashCost == (Cost{}) {
		cfg.HashCost = DefaultCost
	}
	if cfg.HashParallel < 0 || cfg.HashWaiting < 0 {
		return nil, errors.New("bounds of password hashing must be positive")
	}
	return &hasher{
		cost:    cfg.HashCost,
		waiting: make(chan struct{}, cfg.HashWaiting+cfg.HashParallel),
		running: make(chan struct{}, cfg.HashParallel),
	}, cfg.HashCost.verify()
}

// derive computes a hash when it is its turn.
func (h *hasher) derive(ctx context.Context, password string, salt []byte, c Cost, size uint32) ([]byte, error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, social.Errorf(social.Overloaded, "too many log-ins are waiting; try again shortly")
	}
	defer func() { <-h.waiting }()
	select {
	case h.running <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
	defer func() { <-h.running }()
	return argon2.IDKey([]byte(password), salt, c.Time, c.Memory, c.Threads, size), nil
}

// hash gives a password's hash in PHC string format.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	hash, err := h.derive(ctx, password, salt, h.cost, hashBytes)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.cost.Memory, h.cost.Time, h.cost.Threads, b64.EncodeToString(salt), b64.EncodeToString(hash)), nil
}

// verify says whether a password is the one of a PHC string. An empty string is
// of no password, and takes as long as a wrong one.
func (h *hasher) verify(ctx context.Context, password, phc string) (bool, error) {
	if phc == "" {
		_, err := h.derive(ctx, password, make([]byte, saltBytes), h.cost, hashBytes)
		return false, err
	}
	cost, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	got, err := h.derive(ctx, password, salt, cost, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// parsePHC reads an Argon2id PHC string and checks its parameters, which decide
// how much work the string makes.
func parsePHC(phc string) (c Cost, salt, hash []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errors.New("not an argon2id PHC string")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Time, &c.Threads); err != nil {
		return c, nil, nil, fmt.Errorf("PHC parameters: %w", err)
	}
	if err := c.verify(); err != nil {
		return c, nil, nil, err
	}
	if salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return c, nil, nil, fmt.Errorf("PHC salt: %w", err)
	}
	if hash, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil {
		return c, nil, nil, fmt.Errorf("PHC hash: %w", err)
	}
	if len(salt) < 8 || len(salt) > 64 || len(hash) < 16 || len(hash) > 64 {
		return c, nil, nil, errors.New("PHC salt or hash of a length out of range")
	}
	return c, salt, hash, nil
}
