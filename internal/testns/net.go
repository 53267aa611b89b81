package testns

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// Net is a network namespace, bind-mounted at Path, that goes when its test ends. Its methods fail the test
// that made it; those of one made by Open panic. They are safe for concurrent use, but for those that change
// what Path names.
type Net struct {
	path string
	t    failer

	mu      sync.Mutex
	held    *os.File // between Unmount and Remount
	witness *netlink.Handle
	procs   []*Process
}

// failer is what is needed of a testing.TB.
type failer interface {
	Helper()
	Fatal(args ...any)
	Skip(args ...any)
}

// panicker stands in for a test where there is none.
type panicker struct{}

func (panicker) Helper()           {}
func (panicker) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (panicker) Skip(args ...any)  { panic(fmt.Sprint(args...)) }

// New makes one, with lo up. It calls Require.
func New(t testing.TB) *Net {
	t.Helper()
	Require(t)
	n, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	n.t = t
	t.Cleanup(n.Close)
	return n
}

// Open makes one where there is no test, as in an Example. Close it.
func Open() (*Net, error) {
	if err := available(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "net")
	if err != nil {
		return nil, fmt.Errorf("testns: naming a namespace: %w", err)
	}
	f.Close()
	n := &Net{path: f.Name(), t: panicker{}}
	if err := n.create(); err != nil {
		os.Remove(n.path)
		return nil, err
	}
	return n, nil
}

// Close kills the processes that Process started, and lets go of the namespace, as Remove does. Closing
// twice is fine.
func (n *Net) Close() {
	n.mu.Lock()
	procs := n.procs
	n.procs = nil
	n.mu.Unlock()
	for _, p := range procs {
		p.Kill()
	}
	n.Remove()
}

// Path is the file that names it, as under /run/netns.
func (n *Net) Path() string { return n.path }

// Namespace is linx.Path of Path.
func (n *Net) Namespace() linx.Namespace { return linx.Path(n.path) }

// Do runs fn on a thread inside, one that is thrown away. A panic in fn, or a t.Fatal, ends the caller.
func (n *Net) Do(fn func()) {
	n.t.Helper()
	if err := n.do(func() error { fn(); return nil }); err != nil {
		n.t.Fatal(err)
	}
}

func (n *Net) do(fn func() error) error {
	f, err := n.open()
	if err != nil {
		return err
	}
	return enter(f, fn)
}

// open opens the namespace, wherever it is to be had.
func (n *Net) open() (*os.File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.openLocked()
}

func (n *Net) openLocked() (*os.File, error) {
	if n.held != nil {
		return os.Open(fmt.Sprintf("/proc/self/fd/%d", n.held.Fd()))
	}
	return os.Open(n.path)
}

// enter runs fn inside the namespace that f is of, and closes f.
func enter(f *os.File, fn func() error) error {
	defer f.Close()
	return onThread(func() error {
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("testns: entering %s: %w", f.Name(), err)
		}
		return fn()
	})
}

// Netlink is another library's handle, inside: the witness that is always there. It is the same one at each
// call, and not safe for concurrent use. It is closed when the test ends.
func (n *Net) Netlink() *netlink.Handle {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.witness != nil {
		return n.witness
	}
	f, err := n.openLocked()
	if err == nil {
		err = enter(f, func() (err error) {
			n.witness, err = netlink.NewHandle(unix.NETLINK_ROUTE)
			return err
		})
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return n.witness
}

// Veth adds the pair name and peer, both up, both inside.
func (n *Net) Veth(name, peer string) {
	n.t.Helper()
	n.VethTo(name, n, peer)
}

// VethTo adds the pair name, inside, and peer, inside other, both up.
func (n *Net) VethTo(name string, other *Net, peer string) {
	n.t.Helper()
	f, err := other.open()
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	err = n.do(func() error {
		veth := &netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: name, TxQLen: -1}, // -1: the kernel's default
			PeerName:      peer,
			PeerNamespace: netlink.NsFd(f.Fd()),
		}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("adding veth pair %s, %s: %w", name, peer, err)
		}
		return linkUp(name)
	})
	if err == nil {
		err = other.do(func() error { return linkUp(peer) })
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// IP runs ip(8) inside and gives what it prints; it fails the test if ip fails. Without ip on the machine it
// skips the test: HasIP asks first.
func (n *Net) IP(args ...string) string {
	n.t.Helper()
	if !HasIP() {
		n.t.Skip("ip(8) is not installed")
	}
	var out []byte
	err := n.do(func() (err error) {
		out, err = exec.Command("ip", args...).CombinedOutput()
		return err
	})
	if err != nil {
		n.t.Fatal(fmt.Sprintf("ip %q: %v\n%s", args, err, out))
	}
	return string(out)
}

// HasIP tells whether ip(8) is installed.
func HasIP() bool {
	_, err := exec.LookPath("ip")
	return err == nil
}
