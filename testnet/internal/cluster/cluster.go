// Package cluster runs the nodes of a testnet as processes on loopback and does
// to them what a testnet is for: it starts, kills, restarts and cuts them off.
//
// What it knows lies in a state file in the run directory, so that a later
// command acts on the nodes that an earlier one started. It needs a Unix: nodes
// are ended with signals and files are locked.
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cluster acts on the nodes of one run directory. The processes it started
// itself are its children; it takes up others by the state file.
type Cluster struct {
	dir    string
	exited func(index int, err error)
	place  Placement
	wait   sync.WaitGroup // a goroutine for each child
}

// Bounds of waiting.
const (
	readyTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
	startTries   = 3 // a port may be taken for a moment by an outgoing connection
)

// Errors of Open, Create and Find.
var (
	ErrLiving     = errors.New("a testnet is running here")
	ErrNotRunning = errors.New("no testnet is running here")
)

// Create makes dir ready for a testnet, with a new secret unless it holds one.
// exited, which may be nil, is called when a child ends. It returns ErrLiving
// when a testnet runs there.
func Create(dir, binary string, exited func(index int, err error)) (*Cluster, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if exited == nil {
		exited = func(int, error) {}
	}
	c := &Cluster{dir: dir, exited: exited, place: loopback{}}
	secret := filepath.Join(dir, "secret")
	if err := ensureSecret(secret); err != nil {
		return nil, err
	}
	return c, c.update(func(s *State) error {
		if s.running() {
			return fmt.Errorf("%s: %w", dir, ErrLiving)
		}
		s.Supervisor, s.Binary, s.Secret, s.Groups = identify(os.Getpid()), binary, secret, nil
		return nil
	})
}

// Open takes up the testnet that runs in dir, or returns ErrNotRunning.
func Open(dir string) (*Cluster, error) {
	c := &Cluster{dir: dir, exited: func(int, error) {}, place: loopback{}}
	s, err := c.State()
	if err != nil {
		return nil, err
	}
	if !s.running() {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	return c, nil
}

func ensureSecret(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	var b [32]byte
	rand.Read(b[:])
	_, err = f.WriteString(hex.EncodeToString(b[:]) + "\n")
	return errors.Join(err, f.Close())
}

// Dir is the run directory.
func (c *Cluster) Dir() string { return c.dir }

// Start starts n nodes one after another, first those that the directory already
// holds. The first founds the cluster, the others join.
func (c *Cluster) Start(ctx context.Context, n int, progress func(Node)) error {
	s, err := c.State()
	if err != nil {
		return err
	}
	for index := 1; index <= max(n, len(s.Nodes)); index++ {
		node, err := c.Restart(ctx, index)
		if err != nil {
			return err
		}
		progress(node)
	}
	return nil
}

// Restart starts node index, counted from 1, where it last was: with its data
// and at its addresses. A node that there is not yet is made. A cut that is in
// force holds for it too.
func (c *Cluster) Restart(ctx context.Context, index int) (Node, error) {
	s, err := c.State()
	if err != nil {
		return Node{}, err
	}
	if index > len(s.Nodes)+1 || index < 1 {
		return Node{}, fmt.Errorf("cluster: there is no node %d", index)
	}
	anywhere := c.place.Host(index) + ":0"
	node := Node{Index: index, HTTP: anywhere, P2P: anywhere, Gossip: anywhere}
	if index <= len(s.Nodes) {
		node = s.Nodes[index-1]
	}
	if node.Process.Alive() {
		return Node{}, fmt.Errorf("cluster: node %d is running", index)
	}
	if node.Gone {
		return Node{}, fmt.Errorf("cluster: node %d has left", index)
	}
	for try := 1; ; try++ {
		node, err = c.launch(ctx, s, node)
		if err == nil || try == startTries || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return Node{}, err
	}
	if len(s.Groups) == 0 {
		return node, nil
	}
	return node, c.cut(ctx)
}

// launch runs the node's process until it is ready and records it.
func (c *Cluster) launch(ctx context.Context, s State, node Node) (Node, error) {
	var child *child
	err := c.place.Enter(node.Index, func() (err error) {
		child, err = spawn(s.Binary, c.arguments(s, node), c.log(node.Index), c.out(node.Index))
		return err
	})
	if err != nil {
		return node, err
	}
	c.wait.Go(func() {
		<-child.exited
		c.exited(node.Index, child.err)
	})
	node.Process = identify(child.pid)
	ready, err := child.awaitReady(ctx)
	if err != nil {
		child.kill()
		return node, fmt.Errorf("cluster: node %d: %w\n%s", node.Index, err, tail(c.log(node.Index)))
	}
	node.HTTP, node.P2P, node.Gossip, node.ID = ready.HTTP, ready.P2P, ready.Gossip, ready.ID
	return node, c.update(func(s *State) error {
		if node.Index > len(s.Nodes) {
			s.Nodes = append(s.Nodes, node)
		}
		s.Nodes[node.Index-1] = node
		return nil
	})
}

func (c *Cluster) arguments(s State, node Node) []string {
	args := []string{
		"node", "--data", c.DataDir(node.Index),
		"--http", node.HTTP, "--p2p", node.P2P, "--gossip", node.Gossip,
		"--secret-file", s.Secret, "--unsafe-faults",
	}
	var join []string
	for _, other := range s.Nodes {
		if other.Index != node.Index && !other.Gone {
			join = append(join, other.Gossip)
		}
	}
	if len(join) > 0 {
		args = append(args, "--join", strings.Join(join, ","))
	}
	return args
}

// DataDir is where a node keeps its data.
func (c *Cluster) DataDir(index int) string {
	return filepath.Join(c.dir, "node"+strconv.Itoa(index))
}

func (c *Cluster) log(index int) string {
	return filepath.Join(c.dir, "node"+strconv.Itoa(index)+".log")
}

func (c *Cluster) out(index int) string {
	return filepath.Join(c.dir, "node"+strconv.Itoa(index)+".ready")
}

// Kill ends a node as a crash would.
func (c *Cluster) Kill(node Node) error {
	if !node.Process.Alive() {
		return fmt.Errorf("cluster: node %d is not running", node.Index)
	}
	if err := node.Process.signalKill(); err != nil {
		return fmt.Errorf("cluster: kill node %d: %w", node.Index, err)
	}
	return node.Process.await(stopTimeout)
}

// Stop ends all nodes: it asks, waits, and after 10 s does not ask. Children are
// gone when it returns.
func (c *Cluster) Stop() error {
	s, err := c.State()
	if err != nil {
		return err
	}
	var stopping []Node
	for _, node := range s.Nodes {
		if node.Process.Alive() {
			// A process that is gone by now needs no signal.
			_ = node.Process.terminate()
			stopping = append(stopping, node)
		}
	}
	deadline := time.Now().Add(stopTimeout)
	for _, node := range stopping {
		if node.Process.await(time.Until(deadline)) != nil {
			err = errors.Join(err, c.Kill(node))
		}
	}
	c.wait.Wait()
	return errors.Join(err, c.update(func(s *State) error {
		s.Supervisor = Process{}
		return nil
	}))
}

// StopSupervisor asks the command that started the testnet to end it, and ends
// the nodes itself if that command is gone.
func (c *Cluster) StopSupervisor() error {
	s, err := c.State()
	if err != nil {
		return err
	}
	if s.Supervisor.Alive() && s.Supervisor.PID != os.Getpid() {
		if err := s.Supervisor.terminate(); err != nil {
			return fmt.Errorf("cluster: end process %d: %w", s.Supervisor.PID, err)
		}
		return s.Supervisor.await(2 * stopTimeout)
	}
	return c.Stop()
}
