package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// objectsByIP gives what ip(8) shows of nexthop objects: "7 via 10.0.0.1 dev v0 proto 76".
func (k *kernel) objectsByIP() (out []string) {
	k.t.Helper()
	var list []struct {
		ID        uint32
		Gateway   string
		Dev       string
		Blackhole any
		Flags     []string
		Protocol  string
		Group     []struct {
			ID, Weight uint32
		}
	}
	if err := json.Unmarshal([]byte(k.run("-json -details nexthop")), &list); err != nil {
		k.t.Fatal(err)
	}
	for _, o := range list {
		line := fmt.Sprint(o.ID)
		if o.Gateway != "" {
			line += " via " + o.Gateway
		}
		if o.Dev != "" {
			line += " dev " + o.Dev
		}
		if slices.Contains(o.Flags, "onlink") {
			line += " onlink"
		}
		for _, m := range o.Group {
			line += fmt.Sprintf(" %d*%d", m.ID, max(m.Weight, 1))
		}
		out = append(out, line+" proto "+o.Protocol)
	}
	return out
}

// following gives the routes that follow an object, by ip(8): "10.1.0.0/16 7".
func (k *kernel) following() (out []string) {
	k.t.Helper()
	var list []struct {
		Dst  string
		Nhid uint32
	}
	if err := json.Unmarshal([]byte(k.run("-4 -json route")), &list); err != nil {
		k.t.Fatal(err)
	}
	for _, r := range list {
		if r.Nhid != 0 {
			out = append(out, fmt.Sprint(r.Dst, " ", r.Nhid))
		}
	}
	return out
}

func newNexthops(t *testing.T, opts Options) *kernel {
	k := newKernel(t, opts)
	k.run("link set v0 up")
	k.run("link set v1 up")
	return k
}

var home = []Address{on("v0", "10.0.0.10/24")}

// follow gives a state of objects, and of a route for each id.
func follow(objects []NexthopObject, ids ...uint32) State {
	s := State{Addresses: home, Nexthops: objects}
	for i, id := range ids {
		s.Routes = append(s.Routes, Route{Dst: pfx(fmt.Sprintf("10.%d.0.0/16", i+1)), NextHopID: id})
	}
	return s
}

func viaObject(id uint32, gateway string) NexthopObject {
	return NexthopObject{ID: id, Gateway: ipa(gateway), Interface: "v0"}
}

// TestNexthops: objects of each kind, and the routes that follow them, come, change in place, and go.
func TestNexthops(t *testing.T) {
	for _, opts := range []Options{{}, {NexthopObjects: true}} {
		k := newNexthops(t, opts)
		state := follow([]NexthopObject{
			{ID: 9, Group: []NexthopMember{{ID: 7}, {ID: 5, Weight: 3}}}, // before its members
			viaObject(5, "10.0.0.1"),
			{ID: 7, Gateway: ipa("172.16.0.1"), Interface: "v0", OnLink: true},
			{ID: 6, Interface: "v1"},
			{ID: 8, Blackhole: true},
		}, 5, 9, 8, 6)
		r := k.converge(state)
		if got := applied(r); !slices.Equal(got[1:6], []string{
			"create nexthop id 5 via 10.0.0.1 dev v0", "create nexthop id 7 via 172.16.0.1 dev v0 onlink", "create nexthop id 6 dev v1",
			"create nexthop id 8 blackhole", "create nexthop id 9 group 7/5,3"}) {
			t.Errorf("applied %q", got)
		}
		k.settled(state)
		k.want("objects", k.objectsByIP(), "5 via 10.0.0.1 dev v0 proto 76", "6 dev v1 proto 76",
			"7 via 172.16.0.1 dev v0 onlink proto 76", "8 proto 76", "9 5*3 7*1 proto 76")
		routes := []string{"10.1.0.0/16 5", "10.2.0.0/16 9", "10.3.0.0/16 8", "10.4.0.0/16 6"}
		k.want("routes", k.following(), routes...)
		k.sysctl("net/ipv4/nexthop_compat_mode", "0")
		k.settled(state)

		// All change, and the routes do not.
		w := k.watchRoutes()
		changed := follow([]NexthopObject{
			{ID: 9, Group: []NexthopMember{{ID: 6}, {ID: 5, Weight: 256}}},
			viaObject(5, "10.0.0.2"),
			{ID: 7, Blackhole: true},
			viaObject(6, "10.0.0.3"),
			{ID: 8, Interface: "v1"},
		}, 5, 9, 8, 6)
		k.converge(changed)
		k.settled(changed)
		k.want("objects", k.objectsByIP(), "5 via 10.0.0.2 dev v0 proto 76", "6 via 10.0.0.3 dev v0 proto 76",
			"7 proto 76", "8 dev v1 proto 76", "9 5*256 6*1 proto 76")
		k.want("routes", k.following(), routes...)
		for _, e := range w.mustDrain() {
			if e.typ == 25 { // RTM_DELROUTE
				t.Errorf("deleted %v", e.unpack(""))
			}
		}

		// Some go, with their routes before them.
		less := follow(changed.Nexthops[1:2], 5)
		k.converge(less)
		k.settled(less)
		k.want("objects", k.objectsByIP(), "5 via 10.0.0.2 dev v0 proto 76")
		k.want("routes", k.following(), "10.1.0.0/16 5")
		k.converge(State{})
		k.settled(State{})
		k.want("objects", k.objectsByIP())
	}
}

// TestRouteToObject: routes change from plain to an object, from one object to another, and back, and there is
// always one.
func TestRouteToObject(t *testing.T) {
	k := newNexthops(t, Options{})
	objects := []NexthopObject{viaObject(5, "10.0.0.1"), viaObject(6, "10.0.0.2"), {ID: 9, Group: []NexthopMember{{ID: 5}, {ID: 6}}}}
	shapes := []Route{
		{NextHopID: 5}, {NextHopID: 9}, {Gateway: ipa("10.0.0.1")}, {NextHopID: 6, MTU: 1400}, {NextHops: ways("10.0.0.1", "10.0.0.2")},
	}
	w := k.watchRoutes()
	for _, from := range shapes {
		for _, to := range shapes {
			from.Dst, to.Dst = pfx("10.1.0.0/16"), pfx("10.1.0.0/16")
			if from.String() == to.String() {
				continue
			}
			k.converge(State{Addresses: home, Nexthops: objects, Routes: []Route{from}})
			w.mustDrain()
			state := State{Addresses: home, Nexthops: objects, Routes: []Route{to}}
			k.wantApplied(k.converge(state), "update "+to.String())
			k.settled(state)
			standing := 1
			for _, e := range w.mustDrain() {
				switch {
				case e.typ == 24:
					standing++
				case e.typ == 25:
					standing--
				}
				if standing < 1 {
					t.Errorf("%v to %v: a moment without a route", from, to)
				}
			}
		}
	}
}

// TestObjectOfOthers: a route follows another's object, which it waits for; the object is not touched.
func TestObjectOfOthers(t *testing.T) {
	k := newNexthops(t, Options{})
	state := follow(nil, 5)
	r := k.pass(state)
	if len(r.Pending) != 1 || r.Pending[0].String() != "create route 10.1.0.0/16 nhid 5: nexthop object 5 does not exist" {
		t.Error(show(r))
	}
	loop, _ := k.serve(state, Config{LastApplied: k.last, Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.eventually(func() bool { _, ok := loop.LastReport(); return ok })
	k.run("nexthop add id 5 via 10.0.0.1 dev v0 proto static")
	k.waitConverged(loop)
	k.want("routes", k.following(), "10.1.0.0/16 5")
	k.run("nexthop del id 5") // takes the route along, silently
	k.run("nexthop add id 5 via 10.0.0.2 dev v0 proto static")
	k.eventually(func() bool { return len(k.following()) == 1 })
	if err := loop.PutDesired(State{Addresses: home}); err != nil {
		t.Fatal(err)
	}
	k.waitConverged(loop)
	k.want("objects", k.objectsByIP(), "5 via 10.0.0.2 dev v0 proto static")
	k.want("routes", k.following())
}

// TestObjectConflict: what another has under the id of a desired object.
func TestObjectConflict(t *testing.T) {
	const other = "5 via 10.0.0.2 dev v0 proto static"
	for _, c := range []struct {
		policy ConflictPolicy
		theirs string // gateway
		use    string // another's use of it
		want   string
	}{
		{Refuse, "10.0.0.1", "", ""},
		{Refuse, "10.0.0.2", "", other},
		{Adopt, "10.0.0.1", "", ""},
		{Adopt, "10.0.0.1", "route add 10.99.0.0/16 nhid 5 proto static", ""},
		{Adopt, "10.0.0.2", "", other},
		{TakeOver, "10.0.0.2", "", ""},
		{TakeOver, "10.0.0.2", "route add 10.99.0.0/16 nhid 5 proto static", "route 10.99.0.0/16 nhid 5, of protocol 4 (static)"},
		{TakeOver, "10.0.0.2", "nexthop add id 50 group 5 proto bird", "nexthop id 50 group 5, of protocol 12 (bird)"},
	} {
		k := newNexthops(t, Options{Conflict: c.policy})
		state := follow([]NexthopObject{viaObject(5, "10.0.0.1")}, 5)
		k.converge(State{Addresses: home})
		k.run("nexthop add id 5 via " + c.theirs + " dev v0 proto static")
		if c.use != "" {
			k.run(c.use)
		}
		before := k.objectsByIP()
		var conflict *ConflictError
		switch r := k.pass(state); {
		case c.want == "":
			if !r.Converged {
				t.Errorf("%+v: %s", c, show(r))
			}
			k.settled(state)
		case len(r.Failed) != 1, !errors.As(r.Failed[0].Err, &conflict), len(r.Pending) != 1: // the route waits
			t.Errorf("%+v: %s", c, show(r))
		default:
			if !strings.Contains(strings.Replace(conflict.Error(), "nexthop id 5 via 10.0.0.2 dev v0, of protocol 4 (static)", other, 1), c.want) {
				t.Errorf("%+v: %v", c, conflict)
			}
			k.want("objects", k.objectsByIP(), before...)
			k.want("routes", without(k.following(), func(r string) bool { return strings.HasPrefix(r, "10.99") }))
			k.converge(State{Addresses: home})
			k.want("objects", k.objectsByIP(), before...)
		}
		if c.want == "" {
			want := "5 via 10.0.0.1 dev v0 proto 76"
			if c.policy == Refuse {
				want = "5 via 10.0.0.1 dev v0 proto static"
			}
			k.want(fmt.Sprint(c), k.objectsByIP(), want)
		}
	}
}

// TestUsedObject: an object of ours that others use is neither changed nor deleted, as long as they do.
func TestUsedObject(t *testing.T) {
	for use, leave := range map[string]string{
		"route add 10.99.0.0/16 nhid 5 proto static": "route del 10.99.0.0/16",
		"nexthop add id 50 group 5":                  "nexthop del id 50",
	} {
		k := newNexthops(t, Options{})
		k.converge(follow([]NexthopObject{viaObject(5, "10.0.0.1")}, 5))
		k.run(use)
		before := k.objectsByIP()
		for _, state := range []State{follow([]NexthopObject{viaObject(5, "10.0.0.2")}, 5), follow([]NexthopObject{{ID: 5, Blackhole: true}}), follow(nil)} {
			var conflict *ConflictError
			r := k.pass(state)
			if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || r.Converged {
				t.Error(show(r))
			}
			k.want("objects", k.objectsByIP(), before...)
		}
		k.run(leave)
		k.converge(follow(nil))
		k.want("objects", k.objectsByIP())
	}
}

// TestRegroup: a single object becomes a group only if nothing follows it.
func TestRegroup(t *testing.T) {
	k := newNexthops(t, Options{})
	single := []NexthopObject{viaObject(5, "10.0.0.1"), viaObject(6, "10.0.0.2")}
	group := []NexthopObject{{ID: 5, Group: []NexthopMember{{ID: 6}}}, viaObject(6, "10.0.0.2")}
	k.converge(follow(single, 5))
	r := k.pass(follow(group, 5))
	if len(r.Failed) != 1 || !errors.Is(r.Failed[0].Err, errRegroup) {
		t.Error(show(r))
	}
	k.want("routes", k.following(), "10.1.0.0/16 5")
	for _, objects := range [][]NexthopObject{group, single} {
		k.converge(follow(objects))
		k.settled(follow(objects))
	}
	k.converge(follow(group))
	k.want("objects", k.objectsByIP(), "5 6*1 proto 76", "6 via 10.0.0.2 dev v0 proto 76")
}

// TestObjectsFallWithTheirLink: the kernel drops objects whose interface goes down, and their routes, without
// a word. They are back when it is.
func TestObjectsFallWithTheirLink(t *testing.T) {
	k := newNexthops(t, Options{})
	state := follow([]NexthopObject{viaObject(5, "10.0.0.1"), {ID: 6, Interface: "v1"}, {ID: 9, Group: []NexthopMember{{ID: 5}, {ID: 6}}}}, 5, 9)
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	k.run("link set v0 down")
	k.eventually(func() bool {
		r, _ := loop.LastReport()
		return len(r.Pending) > 0 && len(r.Failed) == 0
	})
	k.run("link set v0 up")
	k.eventually(func() bool { r, _ := loop.LastReport(); return r.Converged && len(k.following()) == 2 })
	k.want("objects", k.objectsByIP(), "5 via 10.0.0.1 dev v0 proto 76", "6 dev v1 proto 76", "9 5*1 6*1 proto 76")
}

// TestObjectIsHeard: that another changes an object of ours does not show in any route.
func TestObjectIsHeard(t *testing.T) {
	k := newNexthops(t, Options{})
	state := follow([]NexthopObject{viaObject(5, "10.0.0.1")}, 5)
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	k.run("nexthop replace id 5 via 10.0.0.9 dev v0 proto 76")
	k.eventually(func() bool { return slices.Equal(k.objectsByIP(), []string{"5 via 10.0.0.1 dev v0 proto 76"}) })
}

// TestObjectsAreKnownByTheKernel: a process that knows nothing of the one before removes what that left.
func TestObjectsAreKnownByTheKernel(t *testing.T) {
	k := newNexthops(t, Options{})
	k.converge(follow([]NexthopObject{viaObject(5, "10.0.0.1"), {ID: 9, Group: []NexthopMember{{ID: 5}}}}, 9))
	k.src.Close()
	k.src, k.last = New(k.Namespace(), Options{}), LastApplied{}
	plan, err := k.src.Plan(t.Context(), State{Addresses: home}, k.last)
	if got := fmt.Sprint(plan); err != nil || got != "[delete route 10.1.0.0/16 nhid 9 delete nexthop id 9 group 5 delete nexthop id 5 via 10.0.0.1 dev v0]" {
		t.Error(got, err)
	}
	k.converge(State{Addresses: home})
	k.want("objects", k.objectsByIP())
}

// TestObjectAndMetrics: routes that follow one object have each their own metrics, which the kernel does not
// look at when it finds another that follows it.
func TestObjectAndMetrics(t *testing.T) {
	for _, opts := range []Options{{}, {NexthopObjects: true}} {
		k := newNexthops(t, opts)
		state := follow([]NexthopObject{viaObject(5, "10.0.0.1")}, 5, 5)
		if opts.NexthopObjects {
			state = via(2, "10.0.0.1")
		}
		for _, mtu := range [][2]uint32{{1400, 0}, {0, 0}, {0, 1400}, {1400, 1300}, {1400, 0}} {
			state.Routes = slices.Clone(state.Routes)
			state.Routes[0].MTU, state.Routes[1].MTU = mtu[0], mtu[1]
			k.converge(state)
			k.settled(state)
			for i, r := range state.Routes {
				got := k.run("route show " + r.Dst.String())
				if want := fmt.Sprint("mtu ", mtu[i]); strings.Contains(got, "mtu") != (mtu[i] != 0) || mtu[i] != 0 && !strings.Contains(got, want) {
					t.Errorf("%v: ip shows %q", r, got)
				}
			}
		}
	}
}
