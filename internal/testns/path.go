package testns

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// create makes a new namespace, with lo up, and binds it to Path, where there is a file and nothing on it.
func (n *Net) create() error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("testns: making a namespace: %w", err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		return bind("/proc/thread-self/ns/net", n.path)
	})
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("testns: binding a namespace to %s: %w", to, err)
	}
	return nil
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("setting %s up: %w", name, err)
	}
	return nil
}

// Unmount takes the file of Path away, as ip netns del does, but keeps the namespace alive for Remount.
func (n *Net) Unmount() {
	n.t.Helper()
	f, err := n.open()
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.held = f
	n.mu.Unlock()
	n.detach()
}

// Remount binds the same, still living namespace to Path again.
func (n *Net) Remount() {
	n.t.Helper()
	f, err := os.OpenFile(n.path, os.O_CREATE|os.O_RDONLY, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	f.Close()
	n.mu.Lock()
	held := n.held
	n.held = nil
	n.mu.Unlock()
	if held == nil {
		n.t.Fatal("testns: Remount without Unmount")
	}
	defer held.Close()
	if err := bind(fmt.Sprintf("/proc/self/fd/%d", held.Fd()), n.path); err != nil {
		n.t.Fatal(err)
	}
}

// Remove does what ip netns del does, and keeps nothing: the namespace ends unless others hold it, such as
// the processes in it. What Netlink gave is closed.
func (n *Net) Remove() {
	n.mu.Lock()
	if n.witness != nil {
		n.witness.Close()
		n.witness = nil
	}
	if n.held != nil {
		n.held.Close()
		n.held = nil
	}
	n.mu.Unlock()
	n.detach()
}

// Replace binds a new namespace, with lo up, at the same path. The old one is let go of, as by Remove.
func (n *Net) Replace() {
	n.t.Helper()
	n.Remove()
	f, err := os.OpenFile(n.path, os.O_CREATE|os.O_RDONLY, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	f.Close()
	if err := n.create(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *Net) detach() {
	_ = unix.Unmount(n.path, unix.MNT_DETACH) // EINVAL or ENOENT: not mounted, and that is all that is wanted
	_ = os.Remove(n.path)
}
