package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"grapevine/node/client"
)

type restoreVerb struct {
	operator `embed:""`

	File  string `arg:"" help:"The backup."`
	Force bool   `help:"Restore though the cluster has users: to go on with a restore that broke off. What was deleted since the backup comes back."`
}

// Help implements kong.HelpProvider.
func (restoreVerb) Help() string {
	return `The cluster must be empty; it may have another number of nodes and of partitions than the one that
was backed up. The whole file is verified before anything is sent. Timelines fill up in the background.

  grapevine node --data new --secret-file secret-of-the-old-cluster
  grapevine restore monday.gvb --secret-file secret-of-the-old-cluster

People stay logged in when the cluster has the secret of the old one. With --node URL the rows go
through that node. What breaks off can be run again with --force: rows that exist are passed over.
Do not use --force on a cluster in use: what was deleted since the backup comes back.`
}

func (v *restoreVerb) Run(c *console) error {
	api, err := v.client(c)
	if err != nil {
		return err
	}
	f, err := os.Open(v.File)
	if err != nil {
		return &hinted{err, "name a file that `grapevine backup` has written"}
	}
	defer f.Close()
	summary, err := api.RestoreAll(c.ctx, f, v.Force, c.progress("rows"))
	if err != nil {
		return v.failed(c, err)
	}
	if c.json {
		return c.encode(map[string]any{"file": v.File, "rows": summary.Rows, "digest": summary.Digest})
	}
	fmt.Fprintf(c.out, "%d rows of %s are restored. Timelines and lists of followers fill up in the background.\n", summary.Rows, v.File)
	return nil
}

// failed explains why a restore did not come to its end.
func (v *restoreVerb) failed(c *console, err error) error {
	if explained := unfit(v.File, err); !errors.Is(err, explained) {
		return explained
	}
	var p *client.Problem
	switch {
	case client.StatusOf(err) == http.StatusConflict:
		return &hinted{err, "start an empty cluster; when this one holds nothing but part of the same backup, go on with --force, which puts back what was deleted since"}
	case errors.As(err, &p) && p.Status < 500:
		return c.asked(err)
	}
	return &hinted{err, "mend what the message names and go on with --force: rows that exist are passed over"}
}
