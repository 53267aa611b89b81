package rtnl

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"
	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// peerGone waits until the other end of a veth pair has gone with its namespace: nobody holds that any more.
func (k *kernel) peerGone(name string) {
	k.t.Helper()
	k.eventually(func() bool {
		_, err := k.Netlink().LinkByName(name)
		return errors.As(err, new(netlink.LinkNotFoundError))
	})
}

// TestPathGoesAndComes: a removed path is let go of, down to the veth peer that is freed by it; when there
// is a namespace again the loop converges there, from empty ownership, and hears it.
func TestPathGoesAndComes(t *testing.T) {
	for name, cfg := range map[string]Config{
		"by the timer":   {Interval: 20 * time.Millisecond},
		"by the monitor": {Interval: reconcile.Never, Debounce: reconcile.Immediate},
	} {
		t.Run(name, func(t *testing.T) {
			linxtest.CheckLeaks(t)
			outer, k := newKernel(t, Options{}), newKernel(t, Options{})
			state := State{
				Addresses: []Address{on("w0", "10.0.0.2/24")},
				Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")}},
			}
			outer.VethTo("out", k.Net, "w0")
			loop, _ := k.serve(state, cfg)
			k.waitConverged(loop)
			serves := loop.Status().Serves

			k.Remove()
			outer.peerGone("out")
			k.eventually(func() bool { return errors.Is(loop.Status().LastError, linx.ErrNamespaceGone) })

			k.Replace()
			outer.VethTo("out", k.Net, "w0")
			k.addAddress("w0", "10.0.0.9/24")
			k.eventually(func() bool {
				s := loop.Status()
				return s.Converged && s.Monitor == reconcile.MonitorJoined
			})
			k.delAddress("w0", "10.0.0.2/24")
			k.eventually(func() bool { return slices.Contains(k.addresses("w0"), "10.0.0.2/24") })
			if s := loop.Status(); s.Serves != serves {
				t.Errorf("restarted: %d serves, then %d", serves, s.Serves)
			}
		})
	}
}

// TestPathReplacedAtOnce: the same inode may come again; the cookie tells that it is another namespace,
// where nothing is ours.
func TestPathReplacedAtOnce(t *testing.T) {
	k := newKernel(t, Options{})
	k.src.untagged = true // so that ownership is by record alone
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	k.converge(state)
	index := k.link("v0").Attrs().Index
	k.Replace()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0", Index: index, TxQLen: -1}, PeerName: "v1"}
	if err := k.Netlink().LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	k.addAddress("v0", "10.0.0.2/24") // another's
	_, err := k.src.Reconcile(t.Context(), State{}, k.last, nil)
	if !errors.Is(err, linx.ErrNamespaceGone) || errors.Is(err, suture.ErrDoNotRestart) {
		t.Fatal(err)
	}
	k.src.Close()
	k.settled(State{})
	if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.2/24"}) {
		t.Error("left:", got)
	}
}

// TestPathMissingAtTheStart: no crash; it is looked for again.
func TestPathMissingAtTheStart(t *testing.T) {
	k := newKernel(t, Options{})
	k.Unmount()
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.eventually(func() bool { return loop.Status().LastError != nil })
	k.Remount()
	k.waitConverged(loop)
	if s := loop.Status(); s.Serves != 1 {
		t.Errorf("%d serves", s.Serves)
	}
	k.delAddress("v0", "10.0.0.2/24")
	k.eventually(func() bool { return len(k.addresses("v0")) == 1 })
}

// TestProcessExits: the loop ends for good, and the namespace with it.
func TestProcessExits(t *testing.T) {
	linxtest.CheckLeaks(t)
	outer, n := newKernel(t, Options{}), testns.New(t)
	n.Veth("v0", "v1")
	outer.VethTo("out", n, "w0")
	p := n.Process()
	n.Remove() // the process alone keeps it
	loop, err := reconcile.New(New(linx.PID(p.PID()), Options{}),
		State{Addresses: []Address{on("w0", "10.0.0.2/24")}}, Config{Interval: reconcile.Never})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Serve(context.Background()) }()
	outer.waitConverged(loop)
	p.Kill()
	select {
	case err := <-ended:
		if !errors.Is(err, linx.ErrNamespaceGone) || !errors.Is(err, suture.ErrDoNotRestart) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	outer.peerGone("out")
}

// TestCloseAndGoOn: Close is no end.
func TestCloseAndGoOn(t *testing.T) {
	linxtest.CheckLeaks(t)
	k := newKernel(t, Options{})
	for range 3 {
		k.converge(claimState())
		k.settled(claimState())
		if err := errors.Join(k.src.Close(), k.src.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKernelOnlyKnows: what only the kernel can tell is the first pass's error.
func TestKernelOnlyKnows(t *testing.T) {
	testns.Require(t)
	for _, ns := range []linx.Namespace{linx.Path("/nowhere"), linx.Path("/dev/null"), linx.Path("/proc/self/ns/uts"), linx.PID(4194303)} {
		src := New(ns, Options{})
		if err := src.Validate(claimState()); err != nil {
			t.Error(ns, err)
		}
		r, err := src.Reconcile(t.Context(), claimState(), LastApplied{}, nil)
		if err == nil || len(r.Applied) != 0 || r.Converged {
			t.Error(ns, show(r))
		}
		if err := src.Close(); err != nil {
			t.Error(ns, err)
		}
	}
}

// TestInterfaceMovesAway: an interface that is moved to another namespace is waited for, and nothing of
// ours goes with it; when it comes back, so does all that is desired on it.
func TestInterfaceMovesAway(t *testing.T) {
	k, elsewhere := newKernel(t, Options{}), testns.New(t)
	move := func(from, to *testns.Net) {
		f, err := os.Open(to.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		link, err := from.Netlink().LinkByName("v1")
		if err := errors.Join(err, from.Netlink().LinkSetNsFd(link, int(f.Fd())), to.Netlink().LinkSetUp(link)); err != nil {
			t.Fatal(err)
		}
	}
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v1", "10.5.0.2/24")},
		Routes:    []Route{{Dst: pfx("10.6.0.0/16"), Interface: "v1"}},
	}
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	move(k.Net, elsewhere)
	k.eventually(func() bool { r, _ := loop.LastReport(); return len(r.Pending) == 2 && len(r.Failed) == 0 })
	link, err := elsewhere.Netlink().LinkByName("v1")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := elsewhere.Netlink().AddrList(link, netlink.FAMILY_V4); err != nil || len(list) != 0 {
		t.Error("it took along", list, err)
	}
	move(elsewhere, k.Net)
	k.waitConverged(loop)
	if got := append(k.ipRoutes("main"), k.addresses("v1")...); len(got) != 2 {
		t.Error(got)
	}
}

// TestSubscriptionsLeaveNothing: neither one that is refused, nor one whose loop has ended before it could
// be served.
func TestSubscriptionsLeaveNothing(t *testing.T) {
	linxtest.CheckLeaks(t)
	k := newKernel(t, Options{})
	ended, end := context.WithCancel(t.Context())
	end()
	for range 20 {
		service, err := k.src.Subscribe(t.Context(), func() {})
		if err != nil {
			t.Fatal(err)
		}
		service.Serve(ended)
	}
	if len(k.src.listeners) != 0 {
		t.Error(len(k.src.listeners), "are still told")
	}
	k.Unmount()
	for range 20 {
		if _, err := k.src.Subscribe(t.Context(), func() {}); !errors.Is(err, linx.ErrNamespaceGone) {
			t.Fatal(err)
		}
		if err := k.src.Close(); err != nil {
			t.Fatal(err)
		}
	}
	k.Remount()
}
