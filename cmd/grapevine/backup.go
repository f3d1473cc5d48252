package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"grapevine/node/client"
	"grapevine/store/archive"
)

// backupVerbs makes backups, and looks at them.
type backupVerbs struct {
	Make   backupVerb `cmd:"" default:"withargs" help:"Write a backup to a file; make may be left out."`
	Verify verifyVerb `cmd:"" help:"Read a whole backup and say whether it is as it was written."`
}

// Help implements kong.HelpProvider.
func (backupVerbs) Help() string {
	return `Each partition is read, from an owner that is caught up, as of one moment, while the cluster serves.
Partitions are read one after another: what is written meanwhile may be in one and not yet in the
other, and an account that is made meanwhile may lack its name.

  grapevine backup monday.gvb --data a
  grapevine backup verify monday.gvb

Keep a copy of the cluster's secret (DIR/secret of any node) with it, but not beside it: with the same
secret, people who are logged in stay so after a restore; with another they log in again. Passwords
are in the backup as hashes. The file is not encrypted.`
}

type backupVerb struct {
	operator `embed:""`
	File     string `arg:"" help:"The file to write. It must not exist."`
	ThisNode bool   `help:"Back up what the asked node stores, as it stands there, and ask no other: to save what is on a last disk."`
}

// Help implements kong.HelpProvider.
func (backupVerb) Help() string { return backupVerbs{}.Help() }

func (v *backupVerb) Run(c *console) error {
	api, err := v.client(c)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(v.File); !errors.Is(err, fs.ErrNotExist) {
		return &hinted{fmt.Errorf("%s is there already", v.File), "name a file that does not exist"}
	}
	f, err := os.CreateTemp(filepath.Dir(v.File), filepath.Base(v.File)+".part-*")
	if err != nil {
		return &hinted{err, "name a file in a directory that you may write to"}
	}
	defer os.Remove(f.Name())
	summary, err := api.BackUp(c.ctx, f, v.ThisNode, c.progress("partitions"))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), v.File)
	}
	if err != nil {
		return c.unmade(err)
	}
	return c.summarize(v.File, summary)
}

// unmade explains why there is no backup.
func (c *console) unmade(err error) error {
	var local *fs.PathError
	if errors.As(err, &local) || errors.Is(err, archive.ErrWriting) {
		return &hinted{err, "see that the file system has room and that you may write to it"}
	}
	var p *client.Problem
	var unasked *url.Error
	if errors.As(err, &p) && p.RetryAfter > 0 || p == nil && !errors.As(err, &unasked) {
		return &hinted{err, "see `grapevine status`; when the owners of some data are lost for good, `--this-node` saves what a node has"}
	}
	return c.asked(err)
}

type verifyVerb struct {
	File string `arg:"" help:"The backup."`
}

// Help implements kong.HelpProvider.
func (verifyVerb) Help() string { return "  grapevine backup verify monday.gvb" }

func (v *verifyVerb) Run(c *console) error {
	f, err := os.Open(v.File)
	if err != nil {
		return &hinted{err, "name a file that `grapevine backup` has written"}
	}
	defer f.Close()
	summary, err := archive.Verify(f)
	if err != nil {
		return unfit(v.File, err)
	}
	return c.summarize(v.File, summary)
}

// unfit explains what is wrong with a backup. Errors of anything else it leaves.
func unfit(file string, err error) error {
	switch {
	case errors.Is(err, archive.ErrDamaged):
		return &hinted{fmt.Errorf("%s: %w", file, err), "use another copy of the file, or another backup"}
	case errors.Is(err, archive.ErrNoArchive):
		return &hinted{fmt.Errorf("%s: %w", file, err), "name a file that `grapevine backup` has written"}
	case errors.Is(err, archive.ErrVersion):
		return &hinted{fmt.Errorf("%s: %w", file, err), "use the release that has written it, or a later one"}
	}
	return err
}

// backupReport is a summary as it is shown.
type backupReport struct {
	File       string    `json:"file"`
	Cluster    string    `json:"cluster"`
	Node       string    `json:"node,omitempty"`
	Taken      time.Time `json:"taken"`
	Partitions int       `json:"partitions"`
	Of         int       `json:"of"`
	Rows       int64     `json:"rows"`
	Bytes      int64     `json:"bytes"`
	Digest     string    `json:"digest"`
}

func (c *console) summarize(file string, s archive.Summary) error {
	r := backupReport{
		File: file, Cluster: s.Header.Cluster, Node: s.Header.Node, Taken: s.Header.Taken,
		Partitions: s.Partitions, Of: s.Header.Partitions(), Rows: s.Rows, Bytes: s.Bytes, Digest: s.Digest,
	}
	if c.json {
		return c.encode(r)
	}
	of := "cluster " + r.Cluster
	if r.Node != "" {
		of = "node " + short(r.Node) + " of " + of
	}
	fmt.Fprintf(c.out, "%s is a whole backup of %s, taken %s: %d of %d partitions, %d rows, %d bytes, digest %s.\n",
		file, of, r.Taken.Format(time.RFC3339), r.Partitions, r.Of, r.Rows, r.Bytes, r.Digest)
	return nil
}

// progress shows how far something is on a terminal, and nothing elsewhere.
func (c *console) progress(what string) client.Progress {
	f, ok := c.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(done, total int, rows int64) {
		end := ""
		if done == total {
			end = "\n"
		}
		line := fmt.Sprintf("%d of %d %s, %d rows", done, total, what, rows)
		_, _ = io.WriteString(f, "\r"+line+strings.Repeat(" ", max(0, 60-len(line)))+end)
	}
}
