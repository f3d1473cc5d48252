package users

import (
	"context"
	"errors"
	"strings"
	"testing"

	"grapevine/services/social"
)

func TestAPHCStringVerifiesItsPasswordAlone(t *testing.T) {
	t.Parallel()
	h, err := newHasher(Config{})
	if err != nil {
		t.Fatal(err)
	}
	phc, err := h.hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q is not of the default cost", phc)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct horse ": false} {
		if got, err := h.verify(t.Context(), password, phc); err != nil || got != want {
			t.Errorf("verify %q = %v, %v", password, got, err)
		}
	}
	if ok, err := h.verify(t.Context(), "correct horse", ""); ok || err != nil {
		t.Errorf("verify without a hash = %v, %v", ok, err)
	}
}

func TestAPHCStringOutOfBoundsIsRefused(t *testing.T) {
	t.Parallel()
	const salt, hash = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if _, _, _, err := parsePHC("$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + hash); err != nil {
		t.Errorf("a valid string: %v", err)
	}
	for _, phc := range []string{
		"x", "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + hash,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=4000000,t=1,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=64,t=1000,p=1$" + salt + "$" + hash,
		"$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + hash,
		"$argon2id$v=19$m=64,t=1,p=1$AA$" + hash,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$AA",
		"$argon2id$v=19$m=64,t=1,p=1$!$" + hash,
	} {
		if _, _, _, err := parsePHC(phc); err == nil {
			t.Errorf("%q is accepted", phc)
		}
	}
}

func TestHashingIsBoundedAndSoIsItsWaitingLine(t *testing.T) {
	t.Parallel()
	h, err := newHasher(Config{HashParallel: 1, HashWaiting: 1, HashCost: Cost{Memory: 8, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	h.running <- struct{}{} // one hashes
	h.waiting <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := h.hash(ctx, "second")
		waits <- err
	}()
	for len(h.waiting) < cap(h.waiting) { // until the second waits
		select {
		case err := <-waits:
			t.Fatalf("the second did not wait: %v", err)
		default:
		}
	}
	if _, err := h.hash(t.Context(), "third"); social.KindOf(err) != social.Overloaded {
		t.Errorf("the third: %v, want Overloaded", err)
	}
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("the second, when its request ends: %v, want Canceled", err)
	}
	if len(h.waiting) != 1 {
		t.Errorf("%d in line, want the one that hashes", len(h.waiting))
	}
}
