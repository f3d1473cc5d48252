package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"grapevine/node/client"
)

// bundle is the archive that doctor writes.
type bundle struct {
	tar *tar.Writer
	at  time.Time
}

// writeBundle writes all that is known of the cluster, without what is its users'.
func writeBundle(c *console, path string, x examination, d diagnosis) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &hinted{fmt.Errorf("writing the bundle: %w", err), "name a file that is not there yet, in a directory that you may write to"}
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path) // half a bundle is of no use
		}
	}()
	packed := gzip.NewWriter(f)
	b := bundle{tar.NewWriter(packed), time.Now()}
	err = b.fill(c, x, d)
	if err = errors.Join(err, b.tar.Close(), packed.Close(), f.Close()); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

func (b bundle) fill(c *console, x examination, d diagnosis) error {
	err := errors.Join(
		b.json("findings.json", d),
		b.json("status.json", x.sight.status()),
		b.json("ring.json", x.sight.ring),
		b.json("command.json", map[string]any{"at": b.at.UTC(), "go": runtime.Version(), "os": runtime.GOOS + "/" + runtime.GOARCH, "environment": environment()}),
	)
	if x.links != nil {
		err = errors.Join(err, b.json("rtt.json", matrix(x.links)))
	}
	for _, v := range x.sight.nodes {
		if v.err != nil {
			continue
		}
		dir := "nodes/" + short(v.member.ID) + "/"
		err = errors.Join(err,
			b.json(dir+"health.json", v.health), b.json(dir+"members.json", v.members), b.json(dir+"partitions.json", v.partitions))
		figures, failed := metricsOf(c, v.member)
		if failed != nil {
			figures = []byte("# " + failed.Error() + "\n")
		}
		err = errors.Join(err, b.file(dir+"metrics.txt", figures))
	}
	for _, a := range x.loads {
		if a.err == nil {
			err = errors.Join(err, b.json("nodes/"+short(a.member.ID)+"/load.json", redacted(a.said)))
		}
	}
	return err
}

// redacted leaves out whose the hot keys are.
func redacted(l client.Load) client.Load {
	l.Hot.Keys = slices.Clone(l.Hot.Keys)
	for i := range l.Hot.Keys {
		l.Hot.Keys[i].Owner = ""
	}
	return l
}

// environment gives the settings in the environment, without those that are or may
// be secret.
func environment() []string {
	out := []string{}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch {
		case !strings.HasPrefix(name, "GRAPEVINE_"):
		case strings.Contains(name, "TOKEN") || strings.Contains(name, "SECRET") || strings.Contains(name, "PASSWORD"):
			out = append(out, name+"=********")
		default:
			out = append(out, pair)
		}
	}
	return out
}

func (b bundle) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return b.file(name, append(text, '\n'))
}

func (b bundle) file(name string, content []byte) error {
	header := &tar.Header{Name: "grapevine/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: b.at}
	if err := b.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := b.tar.Write(content)
	return err
}

// metricsOf gives the metrics of a node that answers.
func metricsOf(c *console, m client.Member) ([]byte, error) {
	to := c.client
	if !m.Self {
		to = c.client.At(client.URL(m.HTTP))
	}
	body, err := to.Metrics(c.ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}
