package testns

import (
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/linx"
)

// Main is a package's TestMain: it starts the test binary again inside fresh network, mount, UTS and IPC
// namespaces (and a user namespace that maps the caller to root, where the caller is not root), so that no test can touch the
// machine, runs the tests there, and checks with goleak that no goroutine is left.
// Where no namespaces are to be had, the tests run all the same, and Require skips or fails.
func Main(m *testing.M) { panic("not yet") }

// Require skips the test where there are no namespaces, or fails it with LINX_REQUIRE_NETNS=1.
func Require(t testing.TB) { panic("not yet") }

// Net is a network namespace that goes when its test ends, bind-mounted at Path.
type Net struct{}

// New makes one, with lo up. It calls Require.
func New(t testing.TB) *Net { panic("not yet") }

// Path is the file that names it, as under /run/netns.
func (n *Net) Path() string { panic("not yet") }

// Namespace is linx.Path of Path.
func (n *Net) Namespace() linx.Namespace { panic("not yet") }

// Do runs fn on a thread inside, one that is thrown away.
func (n *Net) Do(fn func()) { panic("not yet") }

// Netlink is another library's handle, inside: the witness that is always there. Closed when the test ends.
func (n *Net) Netlink() *netlink.Handle { panic("not yet") }

// Veth adds the pair name and peer, both up, both inside.
func (n *Net) Veth(name, peer string) { panic("not yet") }

// IP runs ip(8) inside and gives what it prints; it fails the test if ip fails. Without ip on the machine it
// skips the test: HasIP asks first.
func (n *Net) IP(args ...string) string { panic("not yet") }

// HasIP tells whether ip(8) is installed.
func HasIP() bool { panic("not yet") }

// Unmount and Remount take the file of Path away, as ip netns del does, and bind the same, still living namespace
// again; Replace binds a new one at the same path.
func (n *Net) Unmount() { panic("not yet") }
func (n *Net) Remount() { panic("not yet") }
func (n *Net) Replace() { panic("not yet") }

// Process starts a process that lives inside n and does nothing; it is killed when the test ends.
func (n *Net) Process() *Process { panic("not yet") }

// Process is a process to be somebody else.
type Process struct{}

// PID is its id.
func (p *Process) PID() int { panic("not yet") }

// Kill ends it and waits until it is reaped.
func (p *Process) Kill() { panic("not yet") }
