package config

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secret is what the nodes of a cluster share and nobody else knows. It prints
// as a row of stars.
type Secret [32]byte

// ErrNoSecret is returned when there is no secret where one should be.
var ErrNoSecret = errors.New("no cluster secret")

// String hides the secret.
func (Secret) String() string { return "********" }

// GoString hides the secret.
func (Secret) GoString() string { return "config.Secret(********)" }

// ParseSecret reads 64 hex digits; white space around them is ignored.
func ParseSecret(text string) (Secret, error) {
	var s Secret
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != len(s) {
		return Secret{}, errors.New("a cluster secret is 64 hex digits; `openssl rand -hex 32` makes one")
	}
	copy(s[:], b)
	return s, nil
}

// Key derives a key of 32 bytes. Keys of different purposes tell nothing of each
// other or of the secret.
func (s Secret) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s[:], nil, "grapevine "+purpose, 32)
	if err != nil {
		panic(err) // the length is within HKDF's bound
	}
	return key
}

// OperatorToken is the token that authorizes acts on the cluster.
func (s Secret) OperatorToken() string {
	return "gvop_" + base64.RawURLEncoding.EncodeToString(s.Key("operator token"))
}

// FindSecret reads the secret from SecretFile or else from the data directory.
// Without one the error is ErrNoSecret.
func (c Config) FindSecret() (Secret, error) {
	path := c.secretPath()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Secret{}, fmt.Errorf("%w: there is no %s", ErrNoSecret, path)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("reading the cluster secret: %w", err)
	}
	s, err := ParseSecret(string(text))
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// LoadSecret is FindSecret for a node that starts: the first node of a cluster,
// which joins nobody, makes a secret in its data directory when there is none. One
// that has data has a cluster, from which a new secret would cut it off.
func (c Config) LoadSecret() (Secret, error) {
	s, err := c.FindSecret()
	switch {
	case !errors.Is(err, ErrNoSecret):
		return s, err
	case c.SecretFile != "":
		return Secret{}, fmt.Errorf("%w; copy the file from a node of the cluster, or make one with `openssl rand -hex 32`", err)
	case len(c.Join) > 0:
		return Secret{}, fmt.Errorf("%w; a node that joins needs the secret of the cluster: copy DIR/secret from a running node to %s, or name a copy with --secret-file", err, c.secretPath())
	}
	if _, err := os.Stat(c.StoreDir()); err == nil {
		return Secret{}, fmt.Errorf("%w, but %s holds the data of a node that had one: name it with --secret-file, or copy it there from a running node", ErrNoSecret, c.Data)
	}
	return c.makeSecret()
}

// StoreDir is the directory of the node's rows.
func (c Config) StoreDir() string { return filepath.Join(c.Data, "store") }

func (c Config) secretPath() string {
	if c.SecretFile != "" {
		return c.SecretFile
	}
	return filepath.Join(c.Data, "secret")
}

// makeSecret writes a new secret whole or not at all.
func (c Config) makeSecret() (Secret, error) {
	var s Secret
	rand.Read(s[:])
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return Secret{}, fmt.Errorf("making the data directory: %w", err)
	}
	if err := writeFile(c.secretPath(), hex.EncodeToString(s[:])+"\n"); err != nil {
		return Secret{}, fmt.Errorf("writing the cluster secret: %w", err)
	}
	return s, nil
}

// writeFile writes a file readable by its owner only; os.CreateTemp makes it so.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
