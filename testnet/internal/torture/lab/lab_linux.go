package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command gives a command that runs this program with args in namespaces of its
// own: processes, mounts and network. The kernel ends all processes of it when
// the first one ends, and what was mounted and made there goes with them. Where
// the caller is not root, it is root inside only; a machine may forbid that.
func Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
		cmd.SysProcAttr.Unshareflags = 0
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd, nil
}

// MountProc gives the process a view of its own processes, which it needs to
// tell those that live from those that have ended.
func MountProc() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("lab: keep mounts to this process: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("lab: mount /proc: %w", err)
	}
	return nil
}

// MountSmall makes dir a disk of its own, in memory, of so many bytes.
func MountSmall(dir string, bytes int64) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return fmt.Errorf("lab: mount a small disk on %s: %w", dir, err)
	}
	return nil
}

// host is the network of one node: a thread inside its namespace, which the
// namespace lives as long as, and its device.
type host struct {
	device *os.File
	calls  chan func()
	leave  func() // ends the thread
}

// openHost makes a namespace and its device. The thread belongs to the Lab until
// leave.
func openHost(addr netip.Addr) (*host, error) {
	h := &host{calls: make(chan func())}
	h.leave = func() { close(h.calls) }
	made := make(chan error)
	go func() {
		// Never unlocked: a thread that has been elsewhere must not be used again.
		runtime.LockOSThread()
		err := h.open(addr)
		made <- err
		if err != nil {
			return
		}
		for call := range h.calls {
			call()
		}
	}()
	return h, <-made
}

func (h *host) open(addr netip.Addr) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	if err := upLoopback(); err != nil {
		return err
	}
	h.device, err = openDevice(addr)
	return err
}

// call runs fn on the thread inside the namespace.
func (h *host) call(fn func() error) error {
	done := make(chan error)
	h.calls <- func() { done <- fn() }
	return <-done
}

// openDevice makes the TUN device of the calling thread's network namespace, by
// which the whole network is reached.
func openDevice(addr netip.Addr) (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := setUp(fd, addr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// mtu lets a batch of writes pass as one packet, as on the loopback device.
const mtu = 65000

func setUp(fd int, addr netip.Addr) error {
	const name = "lab"
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("make a TUN device: %w", err)
	}
	mask := addressMask()
	ip := addr.As4()
	return configure(name,
		setting{"address", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(ip[:]) }},
		setting{"mask", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		setting{"MTU", unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }},
		up,
	)
}

// addressMask is of 16 bits.
func addressMask() [4]byte { return [4]byte{255, 255, 0, 0} }

// setting is one thing to set about a device.
type setting struct {
	what  string
	ioctl uint
	fill  func(*unix.Ifreq) error
}

var up = setting{"flags", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return nil
}}

func upLoopback() error { return configure("lo", up) }

func configure(device string, settings ...setting) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	for _, s := range settings {
		ifr, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		if err := s.fill(ifr); err != nil {
			return fmt.Errorf("%s of %s: %w", s.what, device, err)
		}
		if err := unix.IoctlIfreq(socket, s.ioctl, ifr); err != nil {
			return fmt.Errorf("set the %s of %s: %w", s.what, device, err)
		}
	}
	return nil
}
