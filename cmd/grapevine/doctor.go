package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"grapevine/node/client"
	"grapevine/node/verdict"
)

type doctorVerb struct {
	operator `embed:""`

	Timeout time.Duration `default:"5s" help:"How long to wait for each node. (${default})"`
	Bundle  string        `type:"path" placeholder:"FILE" help:"Write what was found, and what it was found from, to a .tar.gz for who is to help."`
}

// Help implements kong.HelpProvider.
func (doctorVerb) Help() string {
	return `Looks at every node for what status shows and for what wears on a cluster: clocks that differ, links
that work one way only, slow or nearly full disks, nodes of different versions, zones and addresses
that cannot be meant so, work that piles up, and confirmations that never come. Every finding comes
with what to do. Exit code 0 means that nothing was found. Clocks and links are looked at with the
operator token alone; what was not looked at is said.

The bundle holds the answers of all nodes and their metrics. It holds no secret, token, text or name of
a user: hot keys are told without whose they are. It does hold addresses of nodes; read it before you
send it.

  grapevine doctor --secret-file secret
  grapevine doctor --secret-file secret --bundle help.tar.gz
  grapevine doctor -o json | jq -r '.findings[] | "\(.check): \(.what)"'`
}

func (v *doctorVerb) Run(c *console) error {
	c, operates, err := v.within(c)
	if err != nil {
		return err
	}
	x, err := examine(c, v.Timeout, operates)
	if err != nil {
		return c.asked(err)
	}
	r := x.diagnose()
	if v.Bundle != "" {
		if err := writeBundle(c, v.Bundle, x, r); err != nil {
			return err
		}
		r.Bundle = v.Bundle
	}
	if c.json {
		err = c.encode(r)
	} else {
		r.print(c)
	}
	if err == nil && len(r.Findings) > 0 {
		return errQuiet
	}
	return err
}

// examination is all that the nodes say.
type examination struct {
	sight sight
	links []answer[client.Links] // nil when the operator token is not at hand
	loads []answer[client.Load]
}

func examine(c *console, wait time.Duration, operates bool) (examination, error) {
	var x examination
	var err error
	if x.sight, err = look(c.ctx, c.client, wait); err != nil {
		return x, err
	}
	var both sync.WaitGroup
	var failed [2]error
	if operates {
		both.Go(func() { x.links, failed[0] = linksOf(c, wait) })
	}
	both.Go(func() { x.loads, failed[1] = loads(c, wait) })
	both.Wait()
	for _, err := range failed {
		if err != nil {
			return x, err
		}
	}
	return x, nil
}

// diagnosis is what doctor answers.
type diagnosis struct {
	Well     bool        `json:"well"`
	Cluster  string      `json:"cluster"`
	Findings []diagnosed `json:"findings"`
	Checks   []string    `json:"checks"`        // that found nothing
	Unlooked []string    `json:"not_looked_at"` // for want of the operator token
	Bundle   string      `json:"bundle,omitempty"`
}

// diagnosed is a finding, with the check that made it.
type diagnosed struct {
	Check string `json:"check"`
	client.Finding
}

// check is one thing that is looked for.
type check struct {
	name string
	look func(examination) []client.Finding
	// measured says that it looks at what nodes measure for the operator alone.
	measured bool
}

// checks lists what is looked for, in the order of how much it hurts.
func checks() []check {
	return []check{
		{"status", func(x examination) []client.Finding { return verdict.Of(x.sight.judged()).Problems }, false},
		{"disks: space", examination.fullDisks, false},
		{"disks: speed", examination.slowDisks, false},
		{"clocks", examination.clocks, true},
		{"links", examination.missing, true},
		{"versions", examination.versions, false},
		{"configuration", examination.misconfigured, false},
		{"backlogs", examination.backlogs, false},
		{"stability", examination.stuck, false},
	}
}

// diagnose looks for everything. It is pure.
func (x examination) diagnose() diagnosis {
	d := diagnosis{Cluster: x.sight.ring.Cluster, Findings: []diagnosed{}, Checks: []string{}, Unlooked: []string{}}
	for _, check := range checks() {
		if check.measured && x.links == nil {
			d.Unlooked = append(d.Unlooked, check.name)
			continue
		}
		found := check.look(x)
		for _, f := range found {
			f.Severity = cmp.Or(f.Severity, client.HealthDegraded)
			d.Findings = append(d.Findings, diagnosed{check.name, f})
		}
		if len(found) == 0 {
			d.Checks = append(d.Checks, check.name)
		}
	}
	d.Well = len(d.Findings) == 0
	return d
}

func (d diagnosis) print(c *console) {
	for _, f := range d.Findings {
		fmt.Fprintf(c.out, "%s %s: %s\n", c.paint(red, "✗"), f.Check, f.What)
		for _, more := range f.Follows {
			fmt.Fprintf(c.out, "    so that %s\n", more)
		}
		fmt.Fprintf(c.out, "    To do: %s\n", f.Do)
	}
	for _, name := range d.Checks {
		fmt.Fprintf(c.out, "%s %s\n", c.paint(green, "✓"), name)
	}
	for _, name := range d.Unlooked {
		fmt.Fprintf(c.out, "- %s: not looked at, which needs the operator token: name it with --token, or the secret with --secret-file FILE or --data DIR\n", name)
	}
	switch {
	case d.Well:
		fmt.Fprintln(c.out, "\nNothing was found.")
	default:
		fmt.Fprintf(c.out, "\n%s.\n", count(len(d.Findings), "finding"))
	}
	if d.Bundle != "" {
		fmt.Fprintf(c.out, "The bundle is in %s; read it before you send it.\n", d.Bundle)
	}
}

// What a check takes for unwell.
const (
	littleFree   = 2 << 30         // bytes: below 256 MiB a node takes no writes
	slowSync     = 0.1             // seconds, the 99th percentile
	enoughSyncs  = 20              // for a percentile to mean something
	skewed       = 500.0           // milliseconds ahead of the median
	refusedAhead = 60_000.0        // milliseconds: the bound of hybrid clocks (crdt/hlc)
	farAway      = 250.0           // milliseconds of round trip
	manyWaiting  = 10_000          // changes
	manyUnacked  = 64 << 20        // bytes
	muchLogged   = 1_000_000       // writes
	young        = 5 * time.Minute // a node that is still settling
)

func (x examination) fullDisks() (found []client.Finding) {
	for _, a := range x.loads {
		if free := a.said.Disk.FreeBytes; a.err == nil && free > 0 && free < littleFree {
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s has %s of disk left; below 256 MiB it takes no writes", short(a.member.ID), size(int64(free))),
				Do:   "free space in the file system of its --data, give it a larger one, or spread the data with another node (`grapevine ring plan --add 100`)",
			})
		}
	}
	return found
}

func (x examination) slowDisks() (found []client.Finding) {
	for _, a := range x.loads {
		p99 := quantile(0.99, a.said.Disk.Buckets, a.said.Disk.Syncs)
		if a.err == nil && a.said.Disk.Syncs >= enoughSyncs && p99 > slowSync {
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s syncs its disk slowly: 1 in 100 of %.0f syncs took over %.0f ms", short(a.member.ID), a.said.Disk.Syncs, 1000*p99),
				Do:   "every write waits for it: put --data on a local SSD, and look for other programs on that disk with `iostat -x 1`",
			})
		}
	}
	return found
}

func (x examination) clocks() (found []client.Finding) {
	offsets := clocks(x.links)
	for _, id := range slices.Sorted(maps.Keys(offsets)) {
		offset := offsets[id]
		if math.Abs(offset) < skewed {
			continue
		}
		way := "ahead of"
		if offset < 0 {
			way = "behind"
		}
		what := fmt.Sprintf("the clock of node %s is %s %s the others", short(id), apart(offset), way)
		if math.Abs(offset) > refusedAhead {
			what += ", beyond the 60 s up to which the clocks of nodes follow one another: the later of two changes may lose"
		}
		found = append(found, client.Finding{What: what, Do: "set the clock and keep it so: `timedatectl set-ntp true`, or chrony; `chronyc tracking` shows how well"})
	}
	return found
}

// apart words a difference of clocks.
func apart(millis float64) string {
	return time.Duration(math.Abs(millis) * float64(time.Millisecond)).Round(time.Millisecond).String()
}

func (x examination) missing() (found []client.Finding) {
	r := matrix(x.links)
	judged := x.sight.judged()
	for _, l := range r.Missing {
		oneWay := slices.Contains(r.OneWay, l)
		if judged.Apart(l.From, l.To) || !oneWay && l.From > l.To {
			continue // status has it, or the other way round is told
		}
		what := fmt.Sprintf("nodes %s and %s get no answer from one another over the streams that data goes over: %s", short(l.From), short(l.To), l.Error)
		if oneWay {
			what = fmt.Sprintf("the link between %s and %s works one way only: %s gets no answer: %s", short(l.From), short(l.To), short(l.From), l.Error)
		}
		found = append(found, client.Finding{What: what, Do: fmt.Sprintf("let TCP through from %s to the --p2p address of %s, and see that --advertise of %s names a host that %s reaches", short(l.From), short(l.To), short(l.To), short(l.From))})
	}
	for _, l := range r.Links {
		if l.Works && l.RTT > farAway && l.From < l.To {
			found = append(found, client.Finding{
				What: fmt.Sprintf("a round trip between nodes %s and %s takes %.0f ms", short(l.From), short(l.To), l.RTT),
				Do:   "writes wait for it: keep the owners of a row nearer to one another, or see what loads the link; `grapevine rtt --watch` shows all of them",
			})
		}
	}
	return found
}
