package rtnl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ways gives next hops over v0, each "10.0.0.1" or "10.0.0.1*3", of that weight.
func ways(list ...string) (hops []NextHop) {
	for _, s := range list {
		gateway, weight, _ := strings.Cut(s, "*")
		h := NextHop{Gateway: ipa(gateway)}
		fmt.Sscan(weight, &h.Weight)
		hops = append(hops, h)
	}
	return hops
}

// led gives how ip(8) shows the ways to a destination, of any metric, sorted: "10.0.0.1 v0 3".
func (k *kernel) led(dst string) (out []string) {
	k.t.Helper()
	family := "-4"
	if strings.Contains(dst, ":") {
		family = "-6"
	}
	type way struct {
		Gateway, Dev string
		Weight       int
		Nexthops     []way
	}
	var routes []way
	if err := json.Unmarshal([]byte(k.run(family+" -json route show "+dst)), &routes); err != nil {
		k.t.Fatal(err)
	}
	for _, r := range routes {
		for _, h := range append(r.Nexthops, r) {
			if h.Dev != "" && h.Dev != "lo" {
				out = append(out, fmt.Sprint(h.Gateway, " ", h.Dev, " ", max(h.Weight, 1)))
			}
		}
	}
	slices.Sort(out)
	return out
}

// ledBy gives how led shows a desired route over v0.
func ledBy(r Route) (out []string) {
	for _, h := range append(slices.Clone(r.NextHops), r.way()) {
		if h != (NextHop{}) {
			gateway := ""
			if h.Gateway.IsValid() {
				gateway = h.Gateway.String()
			}
			if len(r.NextHops) < 2 {
				h.Weight = 1
			}
			out = append(out, fmt.Sprint(gateway, " v0 ", max(h.Weight, 1)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stands is what there is, by events: each IPv4 route, and each next hop of IPv6 ones by metric. When one of
// those comes, the kernel shows it with all that it is merged with.
type stands map[string]bool

func (s stands) see(e *event) {
	names := []string{fmt.Sprint(e.metric, e.kind, e.detail, e.hop, e.hops)}
	if e.v6 {
		names = nil
		hops := e.hops
		if len(hops) == 0 {
			hops = []hop{e.hop}
		}
		for _, h := range hops {
			names = append(names, fmt.Sprint(e.metric, e.kind, h.gateway, h.link))
		}
	}
	for _, name := range names {
		if s[name] = true; e.typ == unix.RTM_DELROUTE {
			delete(s, name)
		}
	}
}

var multipathShapes = map[string][]Route{
	"10.1.0.0/16": {
		{Gateway: ipa("10.0.0.1")},
		{Gateway: ipa("10.0.0.5")},
		{NextHops: ways("10.0.0.1", "10.0.0.4")},
		{NextHops: ways("10.0.0.4*9", "10.0.0.1")},
		{NextHops: ways("10.0.0.1", "10.0.0.4", "10.0.0.5*2"), MTU: 1400},
		{NextHops: ways("10.0.0.5", "10.0.0.6*256")},
		{NextHops: []NextHop{{Gateway: ipa("172.16.0.1"), Interface: "v0", OnLink: true}, {Interface: "v0"}}},
		{Interface: "v0"},
		{Type: Blackhole},
	},
	"2001:db8:1::/48": {
		{Gateway: ipa("2001:db8::1")},
		{Gateway: ipa("2001:db8::5")},
		{NextHops: ways("2001:db8::1", "2001:db8::4")},
		{NextHops: ways("2001:db8::4*9", "2001:db8::1")},
		{NextHops: ways("2001:db8::1", "2001:db8::4", "2001:db8::5*2"), MTU: 1400},
		{NextHops: ways("2001:db8::5", "2001:db8::6*256")},
		{NextHops: []NextHop{{Gateway: ipa("2001:db8:ff::1"), Interface: "v0", OnLink: true}, {Gateway: ipa("2001:db8::4"), Interface: "v0"}}},
		{Interface: "v0"},
		{Type: Blackhole},
	},
}

// TestMultipathUpdate leads a route from each shape to each other, alone and beside another's of the same
// destination and metric. There is never a moment without it, and the other's stays.
func TestMultipathUpdate(t *testing.T) {
	for dst, shapes := range multipathShapes {
		for _, foreign := range []string{"", "10.0.0.9", "2001:db8::9"} {
			if foreign != "" && strings.Contains(foreign, ":") != strings.Contains(dst, ":") {
				continue
			}
			t.Run(strings.TrimSpace(dst+" "+foreign), func(t *testing.T) {
				k := newKernel(t, Options{})
				addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
				w := k.watchRoutes()
				for _, from := range shapes {
					for _, to := range shapes {
						if from.String() != to.String() {
							k.leadOver(w, addresses, dst, from, to, foreign)
						}
					}
				}
			})
		}
	}
}

// leadOver tests one pair of shapes.
func (k *kernel) leadOver(w *watcher, addresses []Address, dst string, from, to Route, foreign string) {
	k.t.Helper()
	from.Dst, from.Metric, to.Dst, to.Metric = pfx(dst), 10, pfx(dst), 10
	what := fmt.Sprint(from, " to ", to)
	s := make(stands)
	theirs := func(h hop) bool { return foreign != "" && h.gateway == packIP(ipa(foreign)) }
	follow := func(check bool) {
		for _, e := range w.mustDrain() {
			if e.dst != packIP(to.Dst.Addr()) || e.bits != uint8(to.Dst.Bits()) || len(e.hops) == 0 && theirs(e.hop) {
				continue
			}
			e.hops = slices.DeleteFunc(e.hops, theirs)
			if s.see(&e); check && len(s) == 0 {
				k.t.Errorf("%s: a moment without a route", what)
			}
			if e.flags&unix.NLM_F_REPLACE != 0 {
				k.t.Errorf("%s: replaced", what)
			}
		}
	}
	k.converge(State{Addresses: addresses})
	follow(false)
	clear(s)
	k.converge(State{Addresses: addresses, Routes: []Route{from}})
	follow(false)
	family := "-4"
	if to.Dst.Addr().Is6() {
		family = "-6"
	}
	want := ledBy(to)
	if foreign != "" {
		k.run(fmt.Sprint(family, " route append ", dst, " via ", foreign, " metric 10 proto static"))
		want = append(want, foreign+" v0 1")
		slices.Sort(want)
	}
	state := State{Addresses: addresses, Routes: []Route{to}}
	r := k.converge(state)
	if got := applied(r); len(got) == 0 || got[0] != "update "+to.String() && !strings.HasPrefix(got[0], "delete") {
		k.t.Errorf("%s: applied %v", what, got)
	}
	follow(true)
	if len(s) != 1 && !to.Dst.Addr().Is6() {
		k.t.Errorf("%s: %d routes", what, len(s))
	}
	k.settled(state)
	if got := k.led(dst); !slices.Equal(got, want) {
		k.t.Errorf("%s: ip shows %q, not %q", what, got, want)
	}
	if foreign != "" {
		k.run(fmt.Sprint(family, " route del ", dst, " via ", foreign, " metric 10 proto static"))
	}
}
