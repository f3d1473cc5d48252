//go:build !linux

package lab

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
)

var errLinux = errors.New("lab: network namespaces need Linux")

// Command returns an error: there are no namespaces here.
func Command(context.Context, ...string) (*exec.Cmd, error) { return nil, errLinux }

// MountProc returns an error: there are no namespaces here.
func MountProc() error { return errLinux }

// MountSmall returns an error: there are no namespaces here.
func MountSmall(string, int64) error { return errLinux }

type host struct {
	device *os.File
	leave  func()
}

func (*host) call(func() error) error { return errLinux }

func openHost(netip.Addr) (*host, error)      { return nil, errLinux }
func openDevice(netip.Addr) (*os.File, error) { return nil, errLinux }
func upLoopback() error                       { return errLinux }
