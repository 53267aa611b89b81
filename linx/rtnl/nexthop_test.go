package rtnl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// nexthops gives what ip(8) shows of nexthop objects, each as "1: via 10.0.0.1 proto 76" with ids counted
// from our first.
func (k *kernel) nexthops() []string {
	k.t.Helper()
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(k.run("nexthop")), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		word := func(after string) string {
			if i := slices.Index(f, after); i >= 0 {
				return f[i+1]
			}
			return "-"
		}
		out = append(out, fmt.Sprintf("%s via %s proto %s", nth(word("id")), word("via"), word("proto")))
	}
	return out
}

// nth is an id, counted from our first.
func nth(id string) string {
	var n int
	if fmt.Sscan(id, &n); n >= firstNexthop {
		return fmt.Sprintf("+%d", n-firstNexthop)
	}
	return id
}

// leading gives "10.1.0.0/16 +0 via 10.0.0.1" for each IPv4 route that is not the kernel's.
func (k *kernel) leading() []string {
	k.t.Helper()
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(k.run("-4 route")), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || slices.Contains(f, "kernel") {
			continue
		}
		id, via := "plain", slices.Index(f, "via")
		if i := slices.Index(f, "nhid"); i >= 0 {
			id = nth(f[i+1])
		}
		out = append(out, fmt.Sprintf("%s %s via %s", f[0], id, f[via+1]))
	}
	return out
}

func (k *kernel) want(what string, got []string, want ...string) {
	k.t.Helper()
	if !slices.Equal(got, want) {
		k.t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// via gives n routes through gateways, which are given for the first few and the last one for the rest.
func via(n int, gateways ...string) State {
	s := State{Addresses: []Address{on("v0", "10.0.0.10/24")}}
	for i := range n {
		s.Routes = append(s.Routes, Route{
			Dst: pfx(fmt.Sprintf("10.%d.0.0/16", 1+i)), Gateway: ipa(gateways[min(i, len(gateways)-1)]), Interface: "v0",
		})
	}
	return s
}

func newObjects(t *testing.T) *kernel {
	k := newKernel(t, Options{NexthopObjects: true})
	k.run("link set v0 up")
	return k
}

// TestNexthopObjects: routes share one where they lead the same way, and the rest is plain.
func TestNexthopObjects(t *testing.T) {
	k := newObjects(t)
	state := via(3, "10.0.0.1", "10.0.0.2", "10.0.0.1")
	state.Addresses = append(state.Addresses, on("v0", "2001:db8::2/64"))
	state.Routes = append(state.Routes,
		Route{Dst: pfx("10.4.0.0/16"), Gateway: ipa("10.0.0.1")}, // whatever reaches it
		Route{Dst: pfx("10.5.0.0/16"), Gateway: ipa("172.16.0.1"), Interface: "v0", OnLink: true},
		Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Interface: "v0"},
	)
	k.converge(state)
	k.settled(state)
	k.want("objects", k.nexthops(),
		"+0 via 10.0.0.1 proto 76", "+1 via 10.0.0.2 proto 76", "+2 via 172.16.0.1 proto 76")
	k.want("routes", k.leading(), "10.1.0.0/16 +0 via 10.0.0.1", "10.2.0.0/16 +1 via 10.0.0.2",
		"10.3.0.0/16 +0 via 10.0.0.1", "10.4.0.0/16 plain via 10.0.0.1", "10.5.0.0/16 +2 via 172.16.0.1")
	six := k.run("-6 route show 2001:db8:1::/48")
	if strings.Contains(six, "nhid") || !strings.Contains(six, "via 2001:db8::1") {
		t.Errorf("IPv6: %q", six)
	}
	k.sysctl("net/ipv4/nexthop_compat_mode", "0") // dumps no longer say where an object leads
	k.settled(state)
	k.converge(State{})
	k.settled(State{})
	k.want("objects", k.nexthops())
	k.want("routes", k.leading())
}

// TestGatewayOfAll: to lead all routes of an object elsewhere is one request, however many they are.
func TestGatewayOfAll(t *testing.T) {
	var calls []int
	for _, n := range []int{20, 200} {
		k := newObjects(t)
		k.converge(via(n, "10.0.0.1"))
		state := via(n, "10.0.0.2")
		var r Report
		calls = append(calls, k.measure(func() { r = k.converge(state) }).calls)
		if len(r.Applied) != n+1 || r.Applied[0].String() != "update nexthop id 1275068416 via 10.0.0.2 dev v0" {
			t.Error(show(r))
		}
		k.want("objects", k.nexthops(), "+0 via 10.0.0.2 proto 76")
		for _, route := range k.leading() {
			if !strings.HasSuffix(route, " +0 via 10.0.0.2") {
				t.Error(route)
			}
		}
		k.settled(state)
	}
	if calls[0] != calls[1] {
		t.Errorf("%v calls for 20 and for 200 routes", calls)
	}
}

// TestGatewayOfSome: routes that part ways get objects of their own; one that no route needs any more goes.
func TestGatewayOfSome(t *testing.T) {
	k := newObjects(t)
	k.converge(via(3, "10.0.0.1"))
	k.converge(via(3, "10.0.0.2", "10.0.0.1"))
	k.want("routes", k.leading(),
		"10.1.0.0/16 +1 via 10.0.0.2", "10.2.0.0/16 +0 via 10.0.0.1", "10.3.0.0/16 +0 via 10.0.0.1")
	k.converge(via(3, "10.0.0.2"))
	k.want("routes", k.leading(),
		"10.1.0.0/16 +1 via 10.0.0.2", "10.2.0.0/16 +1 via 10.0.0.2", "10.3.0.0/16 +1 via 10.0.0.2")
	k.want("objects", k.nexthops(), "+1 via 10.0.0.2 proto 76")
	k.converge(via(3, "10.0.0.1", "10.0.0.3")) // none goes along with another on the way
	k.want("objects", k.nexthops(), "+0 via 10.0.0.1 proto 76", "+2 via 10.0.0.3 proto 76")
	k.run("nexthop add id 1275068420 via 10.0.0.1 dev v0 proto 76")
	k.converge(via(3, "10.0.0.1", "10.0.0.3")) // one is enough
	k.want("objects", k.nexthops(), "+0 via 10.0.0.1 proto 76", "+2 via 10.0.0.3 proto 76")
}

// TestObjectReplaced: another's replacement of an object takes our routes along. They get a new one, and the
// other keeps what he made.
func TestObjectReplaced(t *testing.T) {
	for name, protocol := range map[string]string{"theirs": "static", "in our name": "76"} {
		t.Run(name, func(t *testing.T) {
			k := newObjects(t)
			state := via(2, "10.0.0.1")
			k.converge(state)
			k.run("nexthop replace id 1275068416 via 10.0.0.9 dev v0 proto " + protocol)
			k.converge(state)
			k.settled(state)
			if protocol == "static" {
				k.want("objects", k.nexthops(), "+0 via 10.0.0.9 proto static", "+1 via 10.0.0.1 proto 76")
				k.want("routes", k.leading(), "10.1.0.0/16 +1 via 10.0.0.1", "10.2.0.0/16 +1 via 10.0.0.1")
			} else { // it is led back
				k.want("objects", k.nexthops(), "+0 via 10.0.0.1 proto 76")
				k.want("routes", k.leading(), "10.1.0.0/16 +0 via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
			}
		})
	}
}

// TestObjectWithForeignUsers: an object that others' routes or groups use is neither changed nor deleted, as
// long as they do.
func TestObjectWithForeignUsers(t *testing.T) {
	for name, c := range map[string]struct{ use, leave string }{
		"route": {"route add 10.99.0.0/16 nhid 1275068416 proto static", "route del 10.99.0.0/16"},
		"group": {"nexthop add id 7 group 1275068416", "nexthop del id 7"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newObjects(t)
			k.converge(via(2, "10.0.0.1"))
			k.run(c.use)
			state := via(2, "10.0.0.2")
			k.converge(state)
			k.settled(state)
			if got := k.nexthops(); !slices.Contains(got, "+0 via 10.0.0.1 proto 76") {
				t.Errorf("the object that others use: %q", got)
			}
			k.want("our routes", k.leading()[:2], "10.1.0.0/16 +1 via 10.0.0.2", "10.2.0.0/16 +1 via 10.0.0.2")
			k.converge(State{})
			k.settled(State{})
			got := k.nexthops()
			if !slices.Contains(got, "+0 via 10.0.0.1 proto 76") || slices.Contains(got, "+1 via 10.0.0.2 proto 76") {
				t.Errorf("after ours are gone: %q", got)
			}
			k.run(c.leave)
			k.converge(State{})
			k.want("objects", k.nexthops())
		})
	}
}

// TestObjectsOfWhichOneHasForeignUsers: of two objects whose routes go the same new way, one is kept by
// others. The other one leads them, or goes, in the same pass.
func TestObjectsOfWhichOneHasForeignUsers(t *testing.T) {
	k := newObjects(t)
	k.converge(via(2, "10.0.0.1", "10.0.0.2"))
	k.run("route add 10.99.0.0/16 nhid 1275068416 proto static")
	state := via(2, "10.0.0.3")
	k.converge(state)
	k.settled(state)
	k.want("objects", k.nexthops(), "+0 via 10.0.0.1 proto 76", "+1 via 10.0.0.3 proto 76")
}

// TestObjectsGoWithTheirLink: the kernel drops objects, and the routes that use them, when their interface
// goes down.
func TestObjectsGoWithTheirLink(t *testing.T) {
	k := newObjects(t)
	state := via(2, "10.0.0.1")
	k.converge(state)
	k.run("link set v0 down")
	k.want("objects", k.nexthops())
	if r := k.pass(state); r.Converged || len(r.Failed) > 0 || len(r.Pending) == 0 {
		t.Errorf("not waiting for the interface: %s", show(r))
	}
	k.run("link set v0 up")
	k.converge(state)
	k.want("routes", k.leading(), "10.1.0.0/16 +0 via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
}

// TestObjectsOptedIntoAndOutOf: routes go over to the other kind without a moment without one, and nothing is
// left.
func TestObjectsOptedIntoAndOutOf(t *testing.T) {
	k := newKernel(t, Options{})
	state := via(2, "10.0.0.1")
	k.converge(state)
	for _, objects := range []bool{true, false} {
		k.src.Close()
		k.src = New(k.Namespace(), Options{NexthopObjects: objects})
		k.converge(state)
		k.settled(state)
		if objects {
			k.want("objects", k.nexthops(), "+0 via 10.0.0.1 proto 76")
			k.want("routes", k.leading(), "10.1.0.0/16 +0 via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
			k.run("nexthop add id 7 group 1275068416") // keeps the object
		} else {
			k.want("objects", k.nexthops(), "7 via - proto -", "+0 via 10.0.0.1 proto 76")
			k.want("routes", k.leading(), "10.1.0.0/16 plain via 10.0.0.1", "10.2.0.0/16 plain via 10.0.0.1")
			k.run("nexthop del id 7")
			k.converge(state)
			k.want("objects", k.nexthops())
		}
	}
	k.src.Close()
}

// TestForeignPlainRouteSatisfies: what leads the right way is as wanted, with an object or without, if it is
// another's.
func TestForeignPlainRouteSatisfies(t *testing.T) {
	k := newObjects(t)
	state := via(2, "10.0.0.1")
	k.converge(State{Addresses: state.Addresses})
	k.run("route add 10.1.0.0/16 via 10.0.0.1 dev v0 proto static")
	k.converge(state)
	k.settled(state)
	k.want("routes", k.leading(), "10.1.0.0/16 plain via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
}

// TestObjectsMeanwhile: what others do to objects between looking and changing is seen to in the same pass.
func TestObjectsMeanwhile(t *testing.T) {
	one, other := via(2, "10.0.0.1"), via(2, "10.0.0.2")
	three := via(3, "10.0.0.1")
	for name, c := range map[string]struct {
		before, after State
		meanwhile     string
		objects       []string
	}{
		"the id is taken": {State{Addresses: one.Addresses}, one,
			"nexthop add id 1275068416 via 10.0.0.7 dev v0 proto static",
			[]string{"+0 via 10.0.0.7 proto static", "+1 via 10.0.0.1 proto 76"}},
		"the object goes before a route comes": {one, three, "nexthop del id 1275068416",
			[]string{"+0 via 10.0.0.1 proto 76"}},
		"the object goes before it is changed": {one, other, "nexthop del id 1275068416",
			[]string{"+0 via 10.0.0.2 proto 76"}},
		"the object gets a user before it is changed": {one, other,
			"route add 10.99.0.0/16 nhid 1275068416 proto static",
			[]string{"+0 via 10.0.0.1 proto 76", "+1 via 10.0.0.2 proto 76"}},
		"the object gets a user before it is deleted": {one, State{Addresses: one.Addresses},
			"route add 10.99.0.0/16 nhid 1275068416 proto static", []string{"+0 via 10.0.0.1 proto 76"}},
		"the object becomes another's before it is deleted": {one, State{Addresses: one.Addresses},
			"nexthop replace id 1275068416 via 10.0.0.8 dev v0 proto static", []string{"+0 via 10.0.0.8 proto static"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newObjects(t)
			k.converge(c.before)
			claimed := 0
			r, err := k.src.Reconcile(t.Context(), c.after, k.last, func(LastApplied) error {
				if claimed++; claimed == 1 {
					k.run(c.meanwhile)
				}
				return nil
			})
			k.last = r.LastApplied
			if err != nil || !r.Converged {
				t.Errorf("%v: %s", err, show(r))
			}
			k.want("objects", k.nexthops(), c.objects...)
			k.settled(c.after)
		})
	}
}

// TestObjectsHeard: the end of an object takes routes along without an event of theirs, and is heard all the
// same.
func TestObjectsHeard(t *testing.T) {
	k := newObjects(t)
	state := via(2, "10.0.0.1")
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	k.run("nexthop del id 1275068416")
	k.eventually(func() bool { return len(k.leading()) == 2 })
	k.run("nexthop replace id 1275068416 via 10.0.0.9 dev v0 proto static")
	k.eventually(func() bool {
		return !slices.ContainsFunc(k.leading(), func(r string) bool { return !strings.HasSuffix(r, "10.0.0.1") })
	})
}

// TestObjectHeardToBeFree: that nothing uses an object any more is heard too.
func TestObjectHeardToBeFree(t *testing.T) {
	k := newObjects(t)
	k.converge(via(1, "10.0.0.1"))
	k.run("nexthop add id 7 group 1275068416")
	none := State{Addresses: via(0).Addresses}
	loop, _ := k.serve(none, Config{LastApplied: k.last, Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	k.run("nexthop del id 7")
	k.eventually(func() bool { return len(k.nexthops()) == 0 })
}

// TestForeignObjects: others' objects are neither used nor touched. Another's route that uses one is in the
// place of ours, and under TakeOver makes room for it.
func TestForeignObjects(t *testing.T) {
	for _, policy := range []ConflictPolicy{Refuse, TakeOver} {
		k := newKernel(t, Options{NexthopObjects: true, Conflict: policy})
		state := via(2, "10.0.0.1")
		k.converge(State{Addresses: state.Addresses})
		k.run("nexthop add id 5 via 10.0.0.1 dev v0 proto static")
		k.run("route add 10.1.0.0/16 nhid 5 proto static")
		if policy == TakeOver {
			k.converge(state)
			k.want("routes", k.leading(), "10.1.0.0/16 +0 via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
		} else {
			if r := k.pass(state); len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Err.Error(), "held by route 10.1.0.0/16 nhid 5, of") {
				t.Error(show(r))
			}
			k.want("routes", k.leading(), "10.1.0.0/16 5 via 10.0.0.1", "10.2.0.0/16 +0 via 10.0.0.1")
		}
		k.converge(State{})
		k.want("objects", k.nexthops(), "5 via 10.0.0.1 proto static")
	}
}

// TestObjectStaysUnderOurOwn: to delete an object deletes all routes that use it, so none may, not even of
// ours.
func TestObjectStaysUnderOurOwn(t *testing.T) {
	k := newObjects(t)
	k.converge(via(1, "10.0.0.1"))
	none := State{Addresses: via(0).Addresses}
	came := false
	r, err := k.src.Reconcile(t.Context(), none, k.last, func(LastApplied) error {
		if !came {
			k.run("route add 10.77.0.0/16 nhid 1275068416 proto 76")
		}
		came = true
		return nil
	})
	if err != nil || !r.Converged {
		t.Error(err, show(r))
	}
	k.wantApplied(r, "delete route 10.1.0.0/16 via 10.0.0.1 dev v0", "delete route 10.77.0.0/16 via 10.0.0.1 dev v0",
		"delete nexthop id 1275068416 via 10.0.0.1 dev v0")
}

// FuzzDecodeNexthop: whatever bytes come, nothing is read beyond them.
func FuzzDecodeNexthop(f *testing.F) {
	f.Add([]byte("\x02\x00\x4c\x00\x00\x00\x00\x00\x08\x00\x01\x00\x01\x00\x00\x4c\x08\x00\x05\x00\x03\x00\x00\x00\x08\x00\x06\x00\x0a\x00\x00\x01"))
	f.Add([]byte("\x02\x00\x4c\x00\x00\x00\x00\x00\x08\x00\x01\x00\x01\x00\x00\x4c\x0c\x00\x02\x00\x03\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if o, ok := decodeNexthop(body); ok {
			_ = o.unpack(func(int32) string { return "v0" }).String()
		}
	})
}
