package testns

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		}
	}
}

// cookie is what tells the namespace of the calling thread from all others since boot.
func cookie(t *testing.T) uint64 {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	c, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (n *Net) cookie(t *testing.T) (c uint64) {
	n.Do(func() { c = cookie(t) })
	return c
}

func TestNetIsItsOwn(t *testing.T) {
	a, b := New(t), New(t)
	if ca, cb, here := a.cookie(t), b.cookie(t), cookie(t); ca == cb || ca == here || cb == here {
		t.Errorf("cookies of two namespaces and the outer one: %d, %d, %d", ca, cb, here)
	}
	if a.Path() == b.Path() || a.Namespace().String() != a.Path() {
		t.Errorf("paths %q, %q, namespace %v", a.Path(), b.Path(), a.Namespace())
	}
	links, err := a.Netlink().LinkList()
	if err != nil || len(links) != 1 || links[0].Attrs().Name != "lo" || links[0].Attrs().Flags&1 == 0 {
		t.Errorf("want lo alone, up: %v, %v", links, err)
	}
}

func TestVeth(t *testing.T) {
	a, b := New(t), New(t)
	a.Veth("v0", "v1")
	a.VethTo("w0", b, "w1")
	for name, n := range map[string]*Net{"v0": a, "v1": a, "w0": a, "w1": b} {
		link, err := n.Netlink().LinkByName(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		eventually(t, name+" is up", func() bool {
			link, err = n.Netlink().LinkByName(name)
			return err == nil && link.Attrs().OperState == netlink.OperUp
		})
	}
	if HasIP() && !strings.Contains(a.IP("-o", "link"), "v1") {
		t.Error("ip does not see v1")
	}
}

func TestDoCarriesThePanicOver(t *testing.T) {
	n := New(t)
	defer func() {
		if v := recover(); v != "boo" {
			t.Errorf("recovered %v", v)
		}
	}()
	n.Do(func() { panic("boo") })
}

func TestDoCarriesGoexitOver(t *testing.T) {
	n := New(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		n.Do(runtime.Goexit) // as t.Fatal does
		done <- true
	}()
	if <-done {
		t.Error("Do returned")
	}
}

func TestUnmountAndRemountKeepTheNamespace(t *testing.T) {
	n := New(t)
	before := n.cookie(t)
	n.Unmount()
	if _, err := os.Stat(n.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Unmount: %v", err)
	}
	if between := n.cookie(t); between != before {
		t.Errorf("Do is elsewhere after Unmount: %d, want %d", between, before)
	}
	n.Remount()
	if after := n.cookie(t); after != before {
		t.Errorf("another namespace after Remount: %d, want %d", after, before)
	}
}

func TestReplaceMakesAnother(t *testing.T) {
	n := New(t)
	before, path := n.cookie(t), n.Path()
	n.Netlink()
	n.Replace()
	if after := n.cookie(t); after == before || n.Path() != path {
		t.Errorf("cookie %d was %d, path %s was %s", after, before, n.Path(), path)
	}
	if links, err := n.Netlink().LinkList(); err != nil || len(links) != 1 {
		t.Errorf("the new one has %v, %v", links, err)
	}
}

func TestRemoveLetsTheNamespaceEnd(t *testing.T) {
	a, b := New(t), New(t)
	a.VethTo("v0", b, "v1")
	b.Netlink() // would hold it
	b.Unmount() // likewise
	b.Remove()
	eventually(t, "the peer is gone", func() bool {
		_, err := a.Netlink().LinkByName("v0")
		return errors.As(err, &netlink.LinkNotFoundError{})
	})
}

func TestNothingIsLeft(t *testing.T) {
	count := func(path string) int {
		entries, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	mounts := func() string {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// strays are threads in another namespace than the process.
	strays := func() (n int) {
		tasks, _ := filepath.Glob("/proc/self/task/*/ns/net")
		for _, task := range tasks {
			if name, err := os.Readlink(task); err == nil && name != netnsName() {
				n++
			}
		}
		return n
	}
	Require(t)
	fds, mounted, files := count("/proc/self/fd"), mounts(), count(dir)
	for range 20 {
		t.Run("round", func(t *testing.T) {
			a, b := New(t), New(t)
			a.VethTo("v0", b, "v1")
			a.Netlink()
			b.Netlink()
			a.Process()
			b.Process().Kill()
			a.Unmount()
			b.Replace()
		})
	}
	if got := count("/proc/self/fd"); got != fds {
		t.Errorf("file descriptors: %d, were %d", got, fds)
	}
	if got := mounts(); got != mounted {
		t.Errorf("mounts were\n%s\nand are\n%s", mounted, got)
	}
	if got := count(dir); got != files {
		t.Errorf("files in %s: %d, were %d", dir, got, files)
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("there are children left: wait4 says %v", err)
	}
	eventually(t, "no thread in another namespace", func() bool { return strays() == 0 })
}
