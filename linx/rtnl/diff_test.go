package rtnl

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// model is a kernel for the diff: routes as a FIB keeps them, addresses, and two interfaces.
type model struct {
	routes    []route
	addresses []address
}

const us = DefaultProtocol

var modelLinks = map[string]int32{"v0": 2, "v1": 3}

func modelName(index int32) string {
	for name, i := range modelLinks {
		if i == index {
			return name
		}
	}
	return ""
}

func isTagged(a *address) bool { return a.protocol == us }

// survey shows the model's content as dumps would: IPv6 next hops of one identity as one route, with the
// protocol of the first.
func (m *model) survey(x *index) *survey {
	s := &survey{want: x, last: new(LastApplied), protocol: us}
	s.reset()
	for name, i := range modelLinks {
		s.seeLink([]byte(name), link{index: i, up: true})
	}
	for i := range m.addresses {
		s.seeAddress(&m.addresses[i])
	}
	shown := make(map[routeKey]bool)
	show := func() {
		for i := range m.routes {
			r := m.routes[i]
			var hops []hop
			if r.v6 && r.gateway != (ip{}) {
				if shown[r.routeKey] {
					continue
				}
				shown[r.routeKey] = true
				for _, other := range m.routes {
					if other.routeKey == r.routeKey && other.gateway != (ip{}) {
						hops = append(hops, other.hop)
					}
				}
			}
			if len(hops) < 2 {
				hops = nil
			}
			if s.reread || r.protocol == us {
				s.seeRoute(&r, hops)
			}
		}
	}
	show()
	if s.missing != [2]int{} {
		s.reread = true
		clear(shown)
		show()
	}
	return s
}

func (m *model) drop(f *found) bool {
	n := slices.IndexFunc(m.routes, func(r route) bool {
		return r.routeKey == f.routeKey && r.hop == f.hop && r.protocol == f.protocol && r.kind == f.kind
	})
	if n >= 0 {
		m.routes = slices.Delete(m.routes, n, n+1)
	}
	return n >= 0
}

func (m *model) apply(t *rapid.T, s *survey, d *difference) {
	wanted := func(i int32) route {
		r := s.wanted(i)
		r.protocol = us
		return r
	}
	for i := range d.unsureRoutes {
		m.drop(&d.unsureRoutes[i])
	}
	for _, i := range d.newRoutes {
		r := wanted(i)
		if slices.ContainsFunc(m.routes, func(o route) bool { return o.routeKey == r.routeKey }) {
			t.Fatalf("EEXIST: %v", s.want.state.Routes[i])
		}
		m.routes = append(m.routes, r)
	}
	for _, u := range d.updates {
		for i := range u.olds {
			if !m.drop(&u.olds[i]) && !u.olds[i].merged {
				t.Fatalf("updating what is not there: %+v", u.olds[i])
			}
		}
		m.routes = append(m.routes, wanted(u.at))
	}
	for i := range d.oldRoutes {
		if !m.drop(&d.oldRoutes[i]) && !d.oldRoutes[i].merged {
			t.Fatalf("deleting what is not there: %+v", d.oldRoutes[i])
		}
	}
	for _, a := range d.oldAddresses {
		m.addresses = slices.DeleteFunc(m.addresses, func(o address) bool { return o.bare() == a.bare() })
	}
	for _, w := range d.swaps {
		m.addresses = slices.DeleteFunc(m.addresses, func(o address) bool { return o.bare() == w.old.bare() })
		d.newAddresses = append(d.newAddresses, w.at)
	}
	for _, i := range d.newAddresses {
		a := s.wantedAddress(i)
		a.protocol = us
		m.addresses = append(m.addresses, a)
	}
}

func drawRoute(t *rapid.T) Route {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	v6 := rapid.Bool().Draw(t, "v6")
	r := Route{
		Metric: rapid.SampledFrom([]uint32{0, 7, 1024}).Draw(t, "metric"),
		Table:  rapid.SampledFrom([]uint32{0, 100, 70000}).Draw(t, "table"),
	}
	if v6 {
		r.Dst = netip.MustParsePrefix(pick("dst", "2001:db8:1::/64", "::/0", "2001:db8::/32"))
	} else {
		r.Dst = netip.MustParsePrefix(pick("dst", "10.1.0.0/16", "0.0.0.0/0", "10.0.0.0/8"))
		r.TOS = rapid.SampledFrom([]uint8{0, 16}).Draw(t, "tos")
	}
	switch pick("shape", "gateway", "both", "device", "blackhole") {
	case "gateway":
		r.Gateway = drawGateway(t, v6)
	case "both":
		r.Gateway = drawGateway(t, v6)
		r.Interface = pick("interface", "v0", "v1")
		r.OnLink = rapid.Bool().Draw(t, "onlink")
	case "device":
		r.Interface = pick("interface", "v0", "v1")
	case "blackhole":
		r.Type = Blackhole
		return r
	}
	r.Encap = drawEncap(t, v6)
	if v6 && r.Gateway.IsValid() {
		return r // of merged routes the kernel shows the first one's metrics alone
	}
	drawDetail(t, &r)
	return r
}

func drawGateway(t *rapid.T, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(rapid.SampledFrom([]string{"2001:db8::1", "2001:db8::2", "2001:db8::3"}).Draw(t, "gateway"))
	}
	return netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}).Draw(t, "gateway"))
}

func drawAddress(t *rapid.T) Address {
	return Address{
		Interface: rapid.SampledFrom([]string{"v0", "v1"}).Draw(t, "interface"),
		Prefix: netip.MustParsePrefix(rapid.SampledFrom([]string{
			"10.0.0.1/24", "10.0.0.1/16", "10.0.0.2/24", "127.0.0.5/8", "2001:db8::1/64", "2001:db8::1/128", "2001:db8::2/64",
		}).Draw(t, "prefix")),
	}
}

// drawState gives a valid one.
func drawState(t *rapid.T) *index {
	addresses := rapid.SliceOfN(rapid.Custom(drawAddress), 0, 6).Draw(t, "addresses")
	routes := rapid.SliceOfN(rapid.Custom(drawRoute), 0, 8).Draw(t, "routes")
	var state State
	for _, a := range addresses {
		if with := append(slices.Clone(state.Addresses), a); valid(State{Addresses: with}) {
			state.Addresses = with
		}
	}
	for _, r := range routes {
		if with := append(slices.Clone(state.Routes), r); valid(State{Routes: with}) {
			state.Routes = with
		}
	}
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func valid(s State) bool {
	_, err := newIndex(s)
	return err == nil
}

// holds gives what the kernel would show of a state that a protocol's owner made.
func holds(x *index, protocol uint8, m *model) {
	s := &survey{want: x, last: new(LastApplied)}
	s.reset()
	for name, i := range modelLinks {
		s.seeLink([]byte(name), link{index: i})
	}
	for i := range x.routes {
		r := s.wanted(int32(i))
		if r.link == 0 && r.gateway != (ip{}) {
			r.link = 2 // what reaches it
		}
		r.protocol = protocol
		taken := func(o route) bool {
			return o.routeKey == r.routeKey && (!r.v6 || o.hop == r.hop || o.gateway == ip{} || r.gateway == ip{})
		}
		if !slices.ContainsFunc(m.routes, taken) {
			m.routes = append(m.routes, r)
		}
	}
	for i := range x.addresses {
		a := s.wantedAddress(int32(i))
		a.protocol = protocol
		if !slices.ContainsFunc(m.addresses, func(o address) bool { return o.key() == a.key() }) {
			m.addresses = append(m.addresses, a)
		}
	}
}

// TestDiffOfItself: what is in place needs no change.
func TestDiffOfItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawState(t)
		var m model
		holds(x, us, &m)
		if d := m.survey(x).diff(Refuse, isTagged, modelName); !d.converged() {
			t.Fatalf("state %+v\nkernel %+v\nwants changes: %+v", x.state, m, d)
		}
	})
}

// TestDiffConverges: from whatever mix of ours and others', one application gives what is desired, but for
// conflicts, deletes of ours just what is not desired, and leaves others' as they are.
func TestDiffConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, old, foreign := drawState(t), drawState(t), drawState(t)
		var m model
		order := rapid.Bool().Draw(t, "foreign first")
		if order {
			holds(foreign, unix.RTPROT_STATIC, &m)
		}
		holds(old, us, &m)
		if !order {
			holds(foreign, unix.RTPROT_STATIC, &m)
		}
		others := func() (n int) {
			for _, r := range m.routes {
				if r.protocol != us {
					n++
				}
			}
			for _, a := range m.addresses {
				if a.protocol != us {
					n++
				}
			}
			return n
		}
		before := others()

		s := m.survey(want)
		d := s.diff(Refuse, isTagged, modelName)
		for _, f := range slices.Concat(d.oldRoutes, d.unsureRoutes) {
			if f.protocol != us {
				t.Fatalf("deletes another's: %+v", f)
			}
			if j, _ := want.findRoute(&f.routeKey); j >= 0 {
				if want.routes[j].is(&f.route, s.linkOf(j)) {
					t.Fatalf("deletes what is desired: %+v", f)
				}
			}
		}
		for i := range d.oldAddresses {
			if a := &d.oldAddresses[i]; a.protocol != us {
				t.Fatalf("deletes another's: %+v", a)
			}
		}
		conflicts := len(d.failed)
		m.apply(t, s, d)
		if after := others(); after != before {
			t.Fatalf("others had %d objects, and have %d", before, after)
		}

		s = m.survey(want)
		again := s.diff(Refuse, isTagged, modelName)
		again.unsureRoutes = nil // next hops merged into ours, whose protocol does not show
		if again.changes() || len(again.failed) != conflicts {
			t.Fatalf("want %+v\nkernel %+v\nstill wants %+v\nafter %+v", want.state, m, again, d)
		}
		for i := range m.routes {
			r := &m.routes[i]
			if j, _ := want.findRoute(&r.routeKey); r.protocol == us && j < 0 && !(r.v6 && r.gateway != ip{}) {
				t.Fatalf("ours, not desired, and not deleted: %+v", r)
			}
		}
		wanted := make(map[addressKey]bool)
		for i := range want.addresses {
			a := s.wantedAddress(int32(i))
			wanted[a.key()] = true
		}
		for i := range m.addresses {
			if a := &m.addresses[i]; a.protocol == us && !wanted[a.key()] {
				t.Fatalf("ours, not desired, and not deleted: %+v", a)
			}
		}
	})
}
