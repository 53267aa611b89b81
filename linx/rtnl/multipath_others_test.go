package rtnl

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

const (
	dst4 = "10.1.0.0/16"
	dst6 = "2001:db8:1::/48"
)

// lead gives a state of one route of metric 10 with those ways.
func lead(dst string, hops ...NextHop) State {
	return State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")},
		Routes:    []Route{{Dst: pfx(dst), Metric: 10, NextHops: hops}},
	}
}

// newPairs is newKernel with another veth pair, w0 and w1, and all up.
func newPairs(t *testing.T, opts Options) *kernel {
	k := newKernel(t, opts)
	k.Veth("w0", "w1")
	for _, name := range []string{"v0", "v1", "w0", "w1"} {
		k.run("link set " + name + " up")
	}
	return k
}

func overBoth(dst string) State {
	gateways := []string{"10.0.0.1", "10.9.0.1"}
	if strings.Contains(dst, ":") {
		gateways = []string{"fe80::1", "fe80::9"}
	}
	return lead(dst, NextHop{Gateway: ipa(gateways[0]), Interface: "v0"}, NextHop{Gateway: ipa(gateways[1]), Interface: "w0", OnLink: true})
}

// TestWayWaits: a route waits for each interface that it leads over, as a whole.
func TestWayWaits(t *testing.T) {
	for _, dst := range []string{dst4, dst6} {
		k := newKernel(t, Options{})
		state := overBoth(dst)
		r := k.pass(state)
		for _, f := range r.Pending {
			if f.Op.Object.String() == state.Routes[0].String() && !strings.Contains(f.Err.Error(), "interface w0 does not exist") {
				t.Error(f)
			}
		}
		if len(r.Pending) == 0 || len(r.Failed) > 0 || len(k.led(dst)) > 0 {
			t.Error(show(r), k.led(dst))
		}
		k.Veth("w0", "w1")
		k.sysctl("net/ipv6/conf/w0/accept_dad", "0")
		k.run("link set w1 up")
		k.converge(state)
		if got := k.led(dst); len(got) != 2 {
			t.Error(got)
		}
	}
}

// TestWayGoesDown: a route of which one interface goes down stays as it is. What the kernel does with it when
// one goes away is undone once the interface is back, and waited for until then.
func TestWayGoesDown(t *testing.T) {
	for _, dst := range []string{dst4, dst6} {
		k := newPairs(t, Options{})
		state := overBoth(dst)
		k.converge(state)
		k.run("link set w1 down") // takes the carrier of w0
		k.settled(state)
		k.run("link set w0 down")
		k.settled(state) // it is kept, dead
		k.run("link set w1 up")
		k.run("link set w0 up")
		k.converge(state)
		if got := k.led(dst); len(got) != 2 {
			t.Error(got)
		}
		k.run("link del w0") // IPv4: with it goes all of the route
		if r := k.pass(state); len(r.Pending) != 1 || len(r.Failed) > 0 {
			t.Error(show(r))
		}
		k.Veth("w0", "w1")
		k.run("link set w1 up")
		k.converge(state)
		k.settled(state)
		if got := k.led(dst); len(got) != 2 {
			t.Error(got)
		}
	}
}

// TestWaysInDisorder: an IPv4 route with the same ways in another order is as desired, ours or another's.
func TestWaysInDisorder(t *testing.T) {
	for _, protocol := range []string{"76", "static"} {
		k := newPairs(t, Options{})
		k.converge(State{Addresses: lead(dst4).Addresses})
		k.run("route add " + dst4 + " metric 10 proto " + protocol + " nexthop via 10.0.0.4 weight 3 nexthop via 10.0.0.1")
		k.settled(lead(dst4, ways("10.0.0.1", "10.0.0.4*3")...))
		r := k.pass(lead(dst4, ways("10.0.0.1*3", "10.0.0.4")...))
		if (protocol == "76") != r.Converged {
			t.Error(show(r))
		}
		var conflict *ConflictError
		if protocol == "static" && (len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) ||
			conflict.Holder.String() != "route 10.1.0.0/16 metric 10 nexthop via 10.0.0.4 dev v0 weight 3 nexthop via 10.0.0.1 dev v0") {
			t.Error(show(r))
		}
	}
}

// TestSharedWays: of an IPv6 route one way is another's. It is enough, is not touched, and stays behind.
func TestSharedWays(t *testing.T) {
	k := newPairs(t, Options{})
	state := lead(dst6, ways("2001:db8::1", "2001:db8::4", "2001:db8::5")...)
	k.converge(state)
	for _, gateway := range []string{"2001:db8::1", "2001:db8::5"} { // the first, and the last by then
		k.run("-6 route del " + dst6 + " via " + gateway + " metric 10")
		k.run("-6 route append " + dst6 + " via " + gateway + " metric 10 proto static")
		k.converge(state)
		k.settled(state)
		if text, err := json.Marshal(k.last); err != nil || json.Unmarshal(text, &k.last) != nil { // as another process has it
			t.Error(string(text), err)
		}
	}
	less := lead(dst6, ways("2001:db8::1", "2001:db8::5")...)
	k.wantApplied(k.converge(less), "delete route 2001:db8:1::/48 via 2001:db8::4 dev v0 metric 10")
	k.settled(less)
	k.converge(state) // ours again, beside
	k.converge(State{Addresses: state.Addresses})
	k.want("left", k.led(dst6), "2001:db8::1 v0 1", "2001:db8::5 v0 1")
}

// TestWaysThatStay: only what is missing of an IPv6 route is made, and what is there is not touched.
func TestWaysThatStay(t *testing.T) {
	k := newPairs(t, Options{})
	state := lead(dst6, ways("2001:db8::1*3", "2001:db8::4", "2001:db8::5")...)
	k.converge(state)
	w := k.watchRoutes()
	for _, lost := range [][]string{{"2001:db8::5"}, {"2001:db8::4", "2001:db8::5"}} {
		for _, gateway := range lost {
			k.run("-6 route del " + dst6 + " via " + gateway + " metric 10")
		}
		w.mustDrain()
		k.converge(state)
		k.settled(state)
		for _, e := range w.mustDrain() {
			if e.typ == unix.RTM_DELROUTE {
				t.Errorf("without %v: deleted %v", lost, e.unpack(""))
			}
		}
	}
}

// TestForeignWays: another's ways in the place of ours.
func TestForeignWays(t *testing.T) {
	for _, c := range []struct {
		policy ConflictPolicy
		theirs string
		ok     bool
	}{
		{Refuse, "nexthop via %1 nexthop via %4", true},
		{Refuse, "via %1", false}, // would become another route by our doing
		{Refuse, "nexthop via %1 nexthop via %4 weight 2", false},
		{Adopt, "nexthop via %1 nexthop via %4", true},
		{Adopt, "via %1", false},
		{TakeOver, "via %1", true},
		{TakeOver, "nexthop via %1 weight 9 nexthop via %7", true},
	} {
		for dst, gateway := range map[string]string{dst4: "10.0.0.", dst6: "2001:db8::"} {
			k := newPairs(t, Options{Conflict: c.policy})
			state := lead(dst, ways(gateway+"1", gateway+"4")...)
			k.converge(State{Addresses: state.Addresses})
			family := "-4"
			if dst == dst6 {
				family = "-6"
			}
			k.run(family + " route add " + dst + " metric 10 proto static " + strings.ReplaceAll(c.theirs, "%", gateway))
			before := k.led(dst)
			if !c.ok {
				var conflict *ConflictError
				if r := k.pass(state); len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) {
					t.Errorf("%+v %s: %s", c, dst, show(r))
				}
				k.want("theirs", k.led(dst), before...)
				continue
			}
			k.converge(state)
			k.settled(state)
			k.want("ways", k.led(dst), gateway+"1 v0 1", gateway+"4 v0 1")
			k.converge(State{Addresses: state.Addresses})
			if left := k.led(dst); (c.policy == Refuse) != (len(left) == 2) || c.policy != Refuse && len(left) != 0 {
				t.Errorf("%+v %s: left %q", c, dst, left)
			}
		}
	}
}

// TestWaysAfterCrash: what was claimed and half made by a process that died is completed, or removed, by the
// next.
func TestWaysAfterCrash(t *testing.T) {
	for dst, gateway := range map[string]string{dst4: "10.0.0.", dst6: "2001:db8::"} {
		for _, next := range []int{0, 1, 2} { // ways that are desired then
			k := newPairs(t, Options{})
			state := lead(dst, ways(gateway+"1", gateway+"4*7")...)
			var claimed []byte
			k.converge(State{Addresses: state.Addresses})
			r, err := k.src.Reconcile(t.Context(), state, k.last, func(l LastApplied) error {
				claimed, _ = json.Marshal(l)
				return nil
			})
			if err != nil || !r.Converged {
				t.Fatal(err, show(r))
			}
			k.src.Close()
			k.src = New(k.Namespace(), Options{})
			if err := json.Unmarshal(claimed, &k.last); err != nil {
				t.Fatal(err)
			}
			want := State{Addresses: state.Addresses}
			if next > 0 {
				want = lead(dst, state.Routes[0].NextHops[:next]...)
			}
			k.converge(want)
			k.settled(want)
			if got := k.led(dst); len(got) != next {
				t.Errorf("%s, %d: %q", dst, next, got)
			}
		}
	}
}

// TestWaysFoughtOver: a route that another keeps removing is left alone after a while, whatever it holds.
func TestWaysFoughtOver(t *testing.T) {
	k := newPairs(t, Options{})
	state := lead(dst4, ways("10.0.0.1", "10.0.0.4")...)
	state.Nexthops = []NexthopObject{viaObject(5, "10.0.0.1")}
	k.converge(state)
	var fight *reconcile.FightError
	for range 10 {
		k.run("route del " + dst4)
		k.run("nexthop del id 5")
		if r := k.pass(state); len(r.Pending) == 2 && errors.As(r.Pending[0].Err, &fight) && errors.As(r.Pending[1].Err, &fight) {
			again := State{Addresses: state.Addresses, Nexthops: slices.Clone(state.Nexthops), Routes: slices.Clone(state.Routes)}
			if r := k.pass(again); len(r.Pending) != 2 || len(r.Applied) > 0 { // known again in another state
				t.Error(show(r))
			}
			return
		}
		k.run("route replace " + dst4 + " metric 10 via 10.0.0.1 proto 76")
		k.run("nexthop replace id 5 via 10.0.0.1 dev v0 proto 76")
	}
	t.Error("no fight")
}
