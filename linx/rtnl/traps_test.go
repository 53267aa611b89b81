package rtnl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// The traps of this domain, each met by somebody.

// TestIPv6MetricZero: the kernel makes it 1024, and a route asked for with either is the same route.
func TestIPv6MetricZero(t *testing.T) {
	k := newKernel(t, Options{})
	state := func(metric uint32) State {
		return State{
			Addresses: []Address{on("v0", "2001:db8::2/64")},
			Routes:    []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: metric}},
		}
	}
	k.converge(state(0))
	for _, metric := range []uint32{0, 1024, 0} {
		k.settled(state(metric))
	}
}

// TestAbsentTable: the kernel has no table before its first route, nor after its last one, and says ENOENT of
// it. To a pass that is an empty one.
func TestAbsentTable(t *testing.T) {
	k := newKernel(t, Options{})
	for _, dst := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		state := State{Routes: []Route{{Dst: pfx(dst), Type: Blackhole, Table: 100}}}
		k.converge(state)
		k.settled(state)
		if err := k.Netlink().RouteDel(k.route(state.Routes[0], us)); err != nil {
			t.Fatal(err)
		}
		k.wantApplied(k.converge(state), "create route blackhole "+dst+" table 100")
		k.converge(State{})
	}
}

// TestLinkDown: it takes IPv4 routes without an event, and IPv6 addresses; a pass puts back what can be,
// and waits for the rest.
func TestLinkDown(t *testing.T) {
	k := newKernel(t, Options{})
	state := everyShape()
	k.converge(state)
	if err := k.Netlink().LinkSetDown(k.link("v0")); err != nil {
		t.Fatal(err)
	}
	r := k.pass(state)
	if r.Converged || len(r.Pending) == 0 || len(r.Failed) != 0 {
		t.Error(show(r))
	}
	if err := k.Netlink().LinkSetUp(k.link("v0")); err != nil {
		t.Fatal(err)
	}
	k.converge(state)
	k.settled(state)
}

// TestMissingInterface: what needs it waits, and holds up nothing else.
func TestMissingInterface(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("w0", "10.0.1.2/24"), on("v0", "10.0.0.2/24")},
		Routes: []Route{
			{Dst: pfx("10.1.0.0/16"), Interface: "w0"},
			{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.1.1")}, // over w0, which it does not say
			{Dst: pfx("10.3.0.0/16"), Gateway: ipa("10.0.0.1")},
		},
	}
	for range 2 {
		r := k.pass(state)
		if r.Converged || len(r.Pending) != 3 || len(r.Failed) != 0 {
			t.Fatal(show(r))
		}
		if text := r.Pending[0].Err.Error(); !strings.Contains(text, "interface w0 does not exist") {
			t.Error(text)
		}
		if err := r.Pending[2].Err; !errors.Is(err, unix.ENETUNREACH) {
			t.Error(err)
		}
	}
	k.Veth("w0", "w1")
	k.converge(state)
	k.settled(state)
}

// TestRenamedInterface: state follows the name.
func TestRenamedInterface(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: []Route{{Dst: pfx("10.1.0.0/16"), Interface: "v0"}}}
	k.converge(state)
	rename := func(from, to string) {
		link := k.link(from)
		if err := errors.Join(k.Netlink().LinkSetDown(link), k.Netlink().LinkSetName(link, to), k.Netlink().LinkSetUp(link)); err != nil {
			t.Fatal(err)
		}
	}
	rename("v0", "old")
	if r := k.pass(state); len(r.Pending) != 2 || !slices.Contains(applied(r), "delete address 10.0.0.2/24 dev old") {
		t.Error(show(r))
	}
	rename("v1", "v0")
	k.converge(state)
	if got := append(k.addresses("old"), k.addresses("v0")...); !slices.Equal(got, []string{"10.0.0.2/24"}) {
		t.Error(got)
	}
}

// TestTentative: an IPv6 address is not there before duplicate address detection has ended, nor is what has
// it for a source.
func TestTentative(t *testing.T) {
	k := newKernel(t, Options{})
	k.sysctl("net/ipv6/conf/v0/accept_dad", "1")
	k.sysctl("net/ipv6/conf/v0/dad_transmits", "1")
	state := State{
		Addresses: []Address{on("v0", "2001:db8::2/64")},
		Routes:    []Route{{Dst: pfx("2001:db8:1::/48"), Interface: "v1", Source: ipa("2001:db8::2")}},
	}
	r := k.pass(state)
	if r.Converged || len(r.Failed) != 0 || len(r.Pending) != 2 {
		t.Fatal(show(r))
	}
	for _, f := range r.Pending {
		if !strings.Contains(f.Err.Error(), "duplicate address detection") {
			t.Error(f)
		}
	}
	k.eventually(func() bool { return k.pass(state).Converged })
	k.settled(state)
}

// TestDuplicate: an address that another host has fails, and says so.
func TestDuplicate(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v1", "2001:db8::2/64")
	k.sysctl("net/ipv6/conf/v0/accept_dad", "1")
	k.sysctl("net/ipv6/conf/v0/dad_transmits", "1")
	state := State{Addresses: []Address{on("v0", "2001:db8::2/64")}}
	k.eventually(func() bool {
		r := k.pass(state)
		return len(r.Failed) == 1 && errors.Is(r.Failed[0].Err, errDuplicate) && !r.Converged
	})
	if r := k.pass(state); len(r.Applied) != 0 {
		t.Error(show(r))
	}

	// Once the other host has gone, the address is tried again, after a while.
	k.delAddress("v1", "2001:db8::2/64")
	if r := k.pass(state); len(r.Failed) != 1 {
		t.Error(show(r))
	}
	k.src.now = func() time.Time { return time.Now().Add(fight.LastTruce) }
	k.converge(state)
	k.converge(State{})
}

// TestDeleteIsExact: each deletion of ours has another's twin, which differs in what a careless deletion
// leaves out.
func TestDeleteIsExact(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v0", "10.0.0.2/24")
	k.addAddress("v0", "2001:db8::2/64")
	state := State{Routes: []Route{
		{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")},
		{Dst: pfx("10.2.0.0/16"), Interface: "v1"},
		{Dst: pfx("10.3.0.0/16"), Type: Blackhole, Metric: 5},
		{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1")},
		{Dst: pfx("2001:db8:2::/48"), Interface: "v0"},
		{Dst: pfx("2001:db8:3::/48"), Gateway: ipa("2001:db8::1"), Metric: 9},
	}}
	k.converge(state)
	for _, twin := range []string{
		"-4 route add 10.1.0.0/16 via 10.0.0.1 metric 9", "-4 route append 10.1.0.0/16 via 10.0.0.1",
		"-4 route append 10.2.0.0/16 dev v1", "-4 route append 10.2.0.0/16 dev v1 scope global",
		"-4 route append 10.3.0.0/16 dev v0 metric 5", "-4 route add 10.3.0.0/16 dev v0 metric 6",
		"-6 route append 2001:db8:1::/48 via 2001:db8::9", "-6 route add 2001:db8:1::/48 via 2001:db8::1 metric 9",
		"-6 route append 2001:db8:2::/48 dev v1", "-6 route append 2001:db8:2::/48 via 2001:db8::1 dev v0",
		"-6 route append 2001:db8:3::/48 via 2001:db8::8 metric 9", "-6 route append 2001:db8:3::/48 via 2001:db8::9 metric 9",
	} {
		k.run(twin + " proto static")
	}
	k.settled(state)
	w := k.watchRoutes()
	k.converge(State{})
	for _, e := range w.mustDrain() {
		if e.typ != unix.RTM_DELROUTE || e.protocol != us {
			t.Errorf("event %d: %v of protocol %d", e.typ, e.unpack(""), e.protocol)
		}
	}
	if got := k.ipRoutes("main"); strings.Contains(strings.Join(got, "\n"), "protocol 76") {
		t.Error("left:", got)
	}
	for dst, want := range map[string]int{
		"10.1.0.0/16": 2, "10.2.0.0/16": 2, "10.3.0.0/16": 2, "2001:db8:1::/48": 2, "2001:db8:2::/48": 2, "2001:db8:3::/48": 1,
	} {
		if got := k.protocols(254, dst); len(got) != want || slices.Contains(got, us) {
			t.Errorf("%s has protocols %v", dst, got)
		}
	}
}

// TestBehindForeignHead: IPv6 shows merged routes under the first one's protocol. Ours behind another's is
// found, is not made again, and goes when it is not desired.
func TestBehindForeignHead(t *testing.T) {
	k := newKernel(t, Options{})
	addresses := []Address{on("v0", "2001:db8::2/64")}
	ours := Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}
	state := State{Addresses: addresses, Routes: []Route{ours}}
	behind := func() {
		k.run("-6 route add 2001:db8:1::/48 via 2001:db8::8 metric 5 proto static")
		k.run("-6 route append 2001:db8:1::/48 via 2001:db8::1 metric 5 proto 76")
	}
	k.converge(state)
	k.run("-6 route del 2001:db8:1::/48 via 2001:db8::1 metric 5")
	behind()
	k.settled(state)
	k.settled(state)

	moved := State{Addresses: addresses, Routes: []Route{{Dst: ours.Dst, Gateway: ipa("2001:db8::9"), Metric: 5}}}
	k.wantApplied(k.converge(moved), "update "+moved.Routes[0].String())
	k.settled(moved)
	k.converge(State{Addresses: addresses})
	if got := k.ipRoutes("main"); !slices.Equal(got, []string{"2001:db8:1::/48 gateway 2001:db8::8 dev v0 metric 5 protocol static"}) {
		t.Error(got)
	}
	k.settled(State{Addresses: addresses})
}

// TestIPv6Churn: an IPv6 dump lacks routes that never moved when others change. That is no reason to do
// anything.
func TestIPv6Churn(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{}
	for n := range 3000 {
		state.Routes = append(state.Routes, Route{Dst: pfx(fmt.Sprintf("2001:db8:%x::/48", n)), Interface: "v0"})
	}
	k.converge(state)
	w := k.watchRoutes()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var writer sync.WaitGroup
	h := k.writer()
	foreign := k.route(Route{Dst: pfx("2001:db8:8000::/33"), Interface: "v0"}, unix.RTPROT_STATIC)
	writer.Go(func() {
		defer h.Close()
		for ctx.Err() == nil {
			h.RouteAdd(foreign)
			h.RouteDel(foreign)
		}
	})
	for ctx.Err() == nil {
		if r := k.pass(state); len(r.Applied) != 0 {
			t.Fatal(applied(r)[0], len(r.Applied))
		}
		events, _ := w.drain()
		for _, e := range events {
			if e.protocol == us {
				t.Fatalf("changed %v", e.unpack(""))
			}
		}
	}
	writer.Wait()
	k.settled(state)
}

// TestMany: more than any socket buffer holds of answers or events.
func TestMany(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}}
	for n := range 10000 {
		state.Routes = append(state.Routes,
			Route{Dst: pfx(fmt.Sprintf("10.%d.%d.0/24", 1+n/256, n%256)), Gateway: ipa("10.0.0.1")},
			Route{Dst: pfx(fmt.Sprintf("2001:db8:%x::/48", n+1)), Gateway: ipa("2001:db8::1"), Table: 100})
	}
	k.converge(state)
	k.settled(state)
	other := State{Addresses: state.Addresses, Routes: slices.Clone(state.Routes)}
	for i := range other.Routes {
		if r := &other.Routes[i]; r.Gateway.Is4() {
			r.Gateway = ipa("10.0.0.9")
		} else {
			r.Gateway = ipa("2001:db8::9")
		}
	}
	if r := k.converge(other); len(r.Applied) != len(other.Routes) {
		t.Error(len(r.Applied))
	}
	k.converge(State{})
}

// TestAddressStorm: address dumps are interrupted by others' changes, and read again.
func TestAddressStorm(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v1", "10.1.0.2/24")}}
	for n := range 1000 { // so that a dump takes several reads
		state.Addresses = append(state.Addresses, on("v0", fmt.Sprintf("10.9.%d.%d/32", n/250, n%250+1)))
	}
	k.converge(state)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var writer sync.WaitGroup
	h, link, a := k.writer(), k.link("v1"), k.addr("192.0.2.1/24")
	writer.Go(func() {
		defer h.Close()
		for ctx.Err() == nil {
			h.AddrAdd(link, a)
			h.AddrDel(link, a)
		}
	})
	passes, interrupted := 0, 0
	for ctx.Err() == nil {
		r, err := k.src.Reconcile(t.Context(), state, k.last, nil)
		passes++
		if err != nil {
			interrupted++
		}
		if len(r.Applied) != 0 || err != nil && !errors.Is(err, rtnetlink.ErrInterrupted) {
			t.Fatal(show(r), err)
		}
	}
	writer.Wait()
	t.Log(passes, "passes, interrupted each time that they tried:", interrupted)
	k.settled(state)
}

// TestNoPermission: EPERM names what is lacking.
func TestNoPermission(t *testing.T) {
	k := newKernel(t, Options{})
	k.settled(State{}) // so that the socket is open
	var r Report
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its capabilities
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err = unix.Capset(&header, &none[0]); err == nil {
			r, err = k.src.Reconcile(t.Context(), claimState(), k.last, nil)
		}
	})
	done.Wait()
	if err != nil || len(r.Failed) == 0 {
		t.Fatal(show(r), err)
	}
	for _, f := range r.Failed {
		if !errors.Is(f.Err, unix.EPERM) || !strings.Contains(f.Err.Error(), "CAP_NET_ADMIN") {
			t.Error(f)
		}
	}
}
