package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// StateFile is the name of the state file in a run directory.
const StateFile = "testnet.json"

// State is what a run directory knows of its testnet.
type State struct {
	Supervisor Process `json:"supervisor"` // the command that brought it up
	Binary     string  `json:"binary"`
	Secret     string  `json:"secret_file"`
	Nodes      []Node  `json:"nodes"`
	Groups     [][]int `json:"groups,omitempty"` // the cut in force, by index
}

// Node is one node. Its addresses are HOST:PORT.
type Node struct {
	Index   int     `json:"index"` // counted from 1
	Process Process `json:"process"`
	ID      string  `json:"id"`
	HTTP    string  `json:"http"`
	P2P     string  `json:"p2p"`
	Gossip  string  `json:"gossip"`
	Gone    bool    `json:"gone,omitempty"` // it has left the cluster and stays away
}

// URL is the base of the node's API.
func (n Node) URL() string { return "http://" + n.HTTP }

// running says whether any process of the testnet lives.
func (s State) running() bool {
	if s.Supervisor.Alive() {
		return true
	}
	return len(s.Living()) > 0
}

// Living gives the nodes that run.
func (s State) Living() []Node {
	var living []Node
	for _, n := range s.Nodes {
		if n.Process.Alive() {
			living = append(living, n)
		}
	}
	return living
}

// Find gives the node of a 1-based index or of the end of an id.
func (s State) Find(name string) (Node, error) {
	if i, err := strconv.Atoi(name); err == nil && i >= 1 && i <= len(s.Nodes) {
		return s.Nodes[i-1], nil
	}
	var found []Node
	for _, n := range s.Nodes {
		if name != "" && strings.HasSuffix(n.ID, name) {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return Node{}, fmt.Errorf("cluster: %q names %d nodes: give 1 to %d or the end of an id", name, len(found), len(s.Nodes))
	}
	return found[0], nil
}

// State reads the state file; without one the state is zero.
func (c *Cluster) State() (State, error) {
	var s State
	b, err := os.ReadFile(filepath.Join(c.dir, StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("cluster: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("cluster: %s: %w", filepath.Join(c.dir, StateFile), err)
	}
	return s, nil
}

// update changes the state file. Commands that run at the same time take turns.
func (c *Cluster) update(change func(*State) error) error {
	lock, err := os.OpenFile(filepath.Join(c.dir, StateFile+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("cluster: lock state: %w", err)
	}
	s, err := c.State()
	if err != nil {
		return err
	}
	if err := change(&s); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("cluster: encode state: %w", err)
	}
	next := filepath.Join(c.dir, StateFile+".next")
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return os.Rename(next, filepath.Join(c.dir, StateFile))
}
