package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"grapevine/node/client"
	"grapevine/node/config"
)

// Placement says where nodes run: on loopback, or each on a network of its own.
type Placement interface {
	// Host is the address that a node, counted from 1, listens on.
	Host(index int) string
	// Enter calls start where the processes of that node belong.
	Enter(index int, start func() error) error
}

// loopback is the placement of a testnet that is told nothing else.
type loopback struct{}

func (loopback) Host(int) string                       { return "127.0.0.1" }
func (loopback) Enter(_ int, start func() error) error { return start() }

// Place has the nodes that are started from now on run elsewhere than on
// loopback.
func (c *Cluster) Place(p Placement) { c.place = p }

// Pause stops a node's process in the middle of whatever it does, as a machine
// does that swaps or is moved. Resume lets it go on.
func (c *Cluster) Pause(node Node) error { return c.signal(node, syscall.SIGSTOP, "pause") }

// Resume ends a Pause.
func (c *Cluster) Resume(node Node) error { return c.signal(node, syscall.SIGCONT, "resume") }

func (c *Cluster) signal(node Node, s syscall.Signal, what string) error {
	if err := node.Process.signal(s); err != nil {
		return fmt.Errorf("cluster: %s node %d: %w", what, node.Index, err)
	}
	return nil
}

// Node gives node index, counted from 1, as the state file has it.
func (c *Cluster) Node(index int) (Node, error) {
	s, err := c.State()
	if err != nil {
		return Node{}, err
	}
	if index < 1 || index > len(s.Nodes) {
		return Node{}, fmt.Errorf("cluster: there is no node %d", index)
	}
	return s.Nodes[index-1], nil
}

// AwaitExit waits until a node's process has ended by itself.
func (c *Cluster) AwaitExit(node Node, timeout time.Duration) error {
	return node.Process.await(timeout)
}

// Retire notes that a node whose process has ended left the cluster for good.
func (c *Cluster) Retire(index int) error {
	return c.update(func(s *State) error {
		if index < 1 || index > len(s.Nodes) {
			return fmt.Errorf("cluster: there is no node %d", index)
		}
		s.Nodes[index-1].Gone = true
		return nil
	})
}

// Wipe empties the data directory of a node that is down, as a new disk does.
// The node comes back as another one, with an identity of its own.
func (c *Cluster) Wipe(index int) error {
	return c.offline(index, func(data string) error { return empty(data) })
}

// Save copies the data directory of a node that is down to dir, which is
// replaced.
func (c *Cluster) Save(index int, dir string) error {
	return c.offline(index, func(data string) error { return replace(dir, data) })
}

// Restore puts a copy that Save made in the place of the data of a node that is
// down.
func (c *Cluster) Restore(index int, dir string) error {
	return c.offline(index, func(data string) error { return replace(data, dir) })
}

// offline does something to the data directory of a node that is down.
func (c *Cluster) offline(index int, do func(data string) error) error {
	node, err := c.Node(index)
	if err != nil {
		return err
	}
	if node.Process.Alive() {
		return fmt.Errorf("cluster: the disk of node %d is in use: it is running", index)
	}
	return do(c.DataDir(index))
}

// replace keeps the directory to itself, which may be a mount point.
func replace(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if err := empty(to); err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("cluster: copy %s: %w", from, err)
	}
	return nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// Operator gives a client with the operator's rights at a node. Close it.
func (c *Cluster) Operator(node Node) (*client.Client, error) {
	token, err := c.OperatorToken()
	if err != nil {
		return nil, err
	}
	return client.New(node.URL(), client.WithToken(token)), nil
}

// OperatorToken gives the token of the operator's rights at every node.
func (c *Cluster) OperatorToken() (string, error) {
	s, err := c.State()
	if err != nil {
		return "", err
	}
	secret, err := config.Config{SecretFile: s.Secret}.FindSecret()
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	return secret.OperatorToken(), nil
}
