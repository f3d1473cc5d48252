package main

import "fmt"

type repairVerb struct {
	operator `embed:""`
}

// Help implements kong.HelpProvider.
func (repairVerb) Help() string {
	return `Nodes compare what they have with one another all the time, and copy what differs. This has the node
do so with all others at once. Nothing has to be repaired in ordinary operation.

  grapevine repair --data /var/lib/grapevine`
}

func (v *repairVerb) Run(c *console) error {
	asked, err := v.client(c)
	if err != nil {
		return err
	}
	if err := asked.Repair(c.ctx); err != nil {
		return c.asked(err)
	}
	if c.json {
		return c.encode(map[string]bool{"repairing": true})
	}
	fmt.Fprintln(c.out, "the node compares what it has with all others now")
	return nil
}
