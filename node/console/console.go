// Package console serves the page at / of every node: a place for newcomers to try
// the social services, and for operators to look into the cluster. It is plain HTML,
// CSS and ES modules that speak to the public API of the node that served them; all of
// it is embedded, and nothing is loaded from elsewhere.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var embedded embed.FS

// Prefix begins the paths of what the page loads.
const Prefix = "/console/"

// policy lets the page run its own modules and speak to its own node, and nothing else.
// Trusted types make a browser refuse to parse any string as markup, so that what users
// wrote stays text even where a line of ours forgets.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// asset is a file as it is sent.
type asset struct {
	contentType, tag string
	plain, packed    []byte
}

// New makes the handlers of / and of what is under Prefix, by path. It fails only when
// the embedded files cannot be read.
func New() (map[string]http.Handler, error) {
	h := map[string]http.Handler{}
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		url := Prefix + path.Base(name)
		if path.Base(name) == "index.html" {
			url = "/"
		}
		h[url], err = newAsset(name, content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("console: reading the embedded files: %w", err)
	}
	return h, nil
}

func newAsset(name string, content []byte) (asset, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return asset{}, err
	}
	if _, err := w.Write(content); err != nil {
		return asset{}, err
	}
	if err := w.Close(); err != nil {
		return asset{}, err
	}
	sum := sha256.Sum256(content)
	return asset{mime.TypeByExtension(path.Ext(name)), hex.EncodeToString(sum[:12]), content, packed.Bytes()}, nil
}

// ServeHTTP implements http.Handler. A browser asks anew each time, and is told in a
// few bytes that what it has is current.
func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header, content, tag := w.Header(), a.plain, `"`+a.tag+`"`
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		content, tag = a.packed, `"`+a.tag+`-gzip"`
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method != http.MethodHead {
		w.Write(content) //nolint:errcheck // the client went away
	}
}

func acceptsGzip(r *http.Request) bool {
	for offer := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if coding == "gzip" {
			weight = strings.ReplaceAll(weight, " ", "")
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}

func matches(wanted, tag string) bool {
	for candidate := range strings.SplitSeq(wanted, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}
