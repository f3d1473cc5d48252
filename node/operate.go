package node

import (
	"context"
	"errors"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/services/social"
	"grapevine/store"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// Leave implements httpapi.Cluster.
func (c *cluster) Leave(context.Context) (client.Departure, error) {
	switch err := c.store.Leave(); {
	case errors.Is(err, replica.ErrLastMember):
		return client.Departure{}, social.Errorf(social.Conflict, "no other node is active in the ring that could hold the data: start one with --join, or stop this one as it is")
	case err != nil:
		return client.Departure{}, err
	}
	c.log.Info("leaving the ring on the operator's word")
	return c.departure(c.deps.Transport.Self()), nil
}

// Forget implements httpapi.Cluster.
func (c *cluster) Forget(_ context.Context, name string) (client.Departure, error) {
	view := c.store.View()
	if view == nil {
		return client.Departure{}, store.ErrUnavailable
	}
	m, err := resolve(view, "node", name)
	if err != nil {
		return client.Departure{}, err
	}
	switch err := c.store.Forget(m.Node); {
	case errors.Is(err, replica.ErrAlive):
		return client.Departure{}, social.Errorf(social.Conflict, "node %s is alive: have it leave with `grapevine leave --node http://ITS-HTTP-ADDRESS`, or stop it first", m.Node.Short())
	case errors.Is(err, replica.ErrUnknownMember):
		return client.Departure{}, unknownMember("node", name)
	case err != nil:
		return client.Departure{}, err
	}
	c.log.Warn("a node was forgotten on the operator's word", "node", m.Node)
	return c.departure(m.Node), nil
}

// Repair implements httpapi.Cluster.
func (c *cluster) Repair(context.Context) error {
	if c.store.View() == nil {
		return store.ErrUnavailable
	}
	c.store.Repair()
	return nil
}

// departure says where a member stands now.
func (c *cluster) departure(id p2p.NodeID) client.Departure {
	m, _ := c.store.View().Member(id)
	return client.Departure{Node: string(id), State: m.State.String()}
}

// resolve finds the member that an id or a unique short id names. Field is the
// parameter that it came in.
func resolve(view *ring.View, field, name string) (ring.Member, error) {
	if m, ok := view.Member(p2p.NodeID(name)); ok {
		return m, nil
	}
	var found []ring.Member
	for _, m := range view.Members() {
		if m.Node.Short() == name {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return ring.Member{}, unknownMember(field, name)
	case 1:
		return found[0], nil
	}
	return ring.Member{}, social.InvalidField(field, "several members have the short id %q: give the whole id", name)
}

func unknownMember(field, name string) error {
	err := social.Errorf(social.NotFound, "no member of the ring is called %q", name)
	err.Field = field
	return err
}
