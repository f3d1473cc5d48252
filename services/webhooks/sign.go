package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"grapevine/services/schema"
)

// Signatures are those of the Standard Webhooks specification, version 1
// (standardwebhooks.com): HMAC-SHA256 over "ID.TIMESTAMP.BODY".
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"

	// FormerKey is how long after a rotation the former secret signs too.
	FormerKey = 24 * time.Hour

	nonceBytes = 16
)

// newNonce makes what the key of a webhook's signatures is derived from, with the key
// that only nodes have: what lies on disk and in backups signs nothing by itself.
func newNonce() []byte {
	b := make([]byte, nonceBytes)
	rand.Read(b)
	return b
}

func signingKey(key []byte, webhook string, nonce []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(webhook)) // of one length
	mac.Write(nonce)
	return mac.Sum(nil)
}

// secretText gives a key as receivers take it.
func secretText(key []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

// signed gives the headers of an attempt.
func signed(key []byte, h schema.Hook, id string, body []byte, now time.Time) map[string]string {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signature := func(nonce []byte) string {
		mac := hmac.New(sha256.New, signingKey(key, h.ID, nonce))
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	signatures := []string{signature(h.Keys.Current)}
	if len(h.Keys.Former) > 0 && now.Sub(h.Keys.Since) < FormerKey {
		signatures = append(signatures, signature(h.Keys.Former))
	}
	return map[string]string{
		headerID: id, headerTimestamp: timestamp, headerSignature: strings.Join(signatures, " "),
	}
}
