package rtnl

import (
	"fmt"
	"net/netip"
	"strings"
)

// wish is what may be desired, and what another may have instead: few places, and many shapes for each.
type wish struct {
	words string // as ip(8) takes them, behind the verb
	v6    bool
	put   func(*State)
	rule  ruleKey // of a rule: its identity, of which ip(8) shows nothing
	// What ip(8) shows where it has made that itself.
	thing
}

// pool is all wishes.
func pool() (list []*wish) {
	for _, l := range poolLinks() {
		list = append(list, &wish{words: words(l), put: func(s *State) { s.Links = append(s.Links, l) }})
	}
	for _, a := range poolAddresses() {
		list = append(list, &wish{words: words(a), v6: a.Prefix.Addr().Is6(),
			put: func(s *State) { s.Addresses = append(s.Addresses, a) }})
	}
	for _, n := range poolNeighbors() {
		list = append(list, &wish{words: words(n), v6: n.Destination.Is6(),
			put: func(s *State) { s.Neighbors = append(s.Neighbors, n) }})
	}
	for _, r := range poolRoutes() {
		list = append(list, &wish{words: words(r), v6: r.Dst.Addr().Is6(),
			put: func(s *State) { s.Routes = append(s.Routes, r) }})
	}
	for _, r := range poolRules() {
		list = append(list, &wish{words: words(r), v6: r.v6(), rule: packRule(&r).ruleKey,
			put: func(s *State) { s.Rules = append(s.Rules, r) }})
	}
	return list
}

// identity is what two wishes of one state cannot agree in.
func (w *wish) identity() any {
	if w.kind == "rule" {
		return w.rule
	}
	return w.place
}

func words(o fmt.Stringer) string { return o.String() }

// command is ip(8)'s for the wish: "route replace 10.50.0.0/16 dev v0".
func (w *wish) command(verb string) string {
	kind, rest, _ := strings.Cut(w.words, " ")
	command := kind + " " + verb + " " + rest
	if w.v6 && (kind == "route" || kind == "rule") {
		command = "-6 " + command
	}
	return command
}

// Others have these addresses all the time, so that no interface's last one is ours, and gateways and
// sources are there.
var anchors = []string{
	"addr add 192.0.2.1/24 dev v0",
	"addr add 198.51.100.1/24 dev v1",
	"addr add 2001:db8:a::1/64 dev v0 nodad",
	"addr add 2001:db8:b::1/64 dev v1 nodad",
}

// extra is an interface that comes and goes, and what is on it with it.
const extra = "x7"

func poolLinks() (list []Link) {
	for _, l := range []Link{
		{Kind: KindBridge, MTU: 1400, Group: 7},
		{Kind: KindBridge, MTU: 1300, Group: 8},
		{Kind: KindIFB, MTU: 1400, Group: 7},
		{Kind: KindMACVLAN, MTU: 1400, Group: 7, MACVLAN: MACVLAN{Link: "v1"}},
	} {
		l.Name, l.Admin, l.Address, l.Recreate = extra, Up, MAC{2, 0, 0, 0, 0, 7}, true
		list = append(list, l)
	}
	return list
}

func poolAddresses() (list []Address) {
	for _, at := range []struct {
		link string
		list []string
	}{
		{"v0", []string{"10.0.0.1/24", "10.0.0.2/24", "10.0.0.1/25", "10.1.0.1/24",
			"2001:db8::1/64", "2001:db8::1/80", "2001:db8::2/64"}},
		{"v1", []string{"10.0.0.1/24", "2001:db8::1/64"}},
		{extra, []string{"10.7.0.1/24"}},
	} {
		for _, prefix := range at.list {
			list = append(list, Address{Interface: at.link, Prefix: pfx(prefix)})
		}
	}
	// What is not asked for is no difference, so the shapes of one place ask for the same.
	four := Address{Interface: "v0", Prefix: pfx("10.2.0.1/24"), Label: "v0:a", Metric: 5, Broadcast: ipa("10.2.0.255")}
	six := Address{Interface: "v0", Prefix: pfx("2001:db8:2::1/64"), Metric: 300}
	for _, change := range []func(*Address){
		func(a *Address) {},
		func(a *Address) { a.Metric++ },
		func(a *Address) { a.Deprecated = true },
		func(a *Address) { a.Label, a.Broadcast = "v0:b", ipa("10.2.0.7") },
	} {
		a, b := four, six
		change(&a)
		change(&b)
		b.Label, b.Broadcast = "", netip.Addr{}
		list = append(list, a, b)
	}
	return append(list[:len(list)-1], // which is the first one again
		Address{Interface: "v1", Prefix: pfx("10.3.0.1/24"), Peer: ipa("10.4.0.1")},
		Address{Interface: "v1", Prefix: pfx("10.3.0.1/32"), Peer: ipa("10.4.0.1")},
		Address{Interface: "v1", Prefix: pfx("2001:db8:3::1/64"), Peer: ipa("2001:db8:3::2")},
		Address{Interface: "v1", Prefix: pfx("2001:db8:3::1/64"), Peer: ipa("2001:db8:4::1")},
	)
}

func poolNeighbors() (list []Neighbor) {
	for _, dst := range []string{"192.0.2.77", "2001:db8:a::77", "192.0.2.78"} {
		n := Neighbor{Interface: "v0", Destination: ipa(dst)}
		for _, shape := range []Neighbor{
			{LinkAddr: MAC{2, 0, 0, 0, 0, 1}},
			{LinkAddr: MAC{2, 0, 0, 0, 0, 2}},
			{LinkAddr: MAC{2, 0, 0, 0, 0, 1}, State: NoARP},
			{Proxy: true},
		} {
			shape.Interface, shape.Destination = n.Interface, n.Destination
			list = append(list, shape)
		}
	}
	return list
}

func poolRoutes() (list []Route) {
	four := []Route{
		{Gateway: ipa("192.0.2.9")},
		{Gateway: ipa("192.0.2.10"), Interface: "v0"},
		{Gateway: ipa("192.0.2.11")},
		{Gateway: ipa("198.51.100.9"), Interface: "v1"},
		{Gateway: ipa("192.0.2.9"), MTU: 1400},
		{Gateway: ipa("192.0.2.9"), Source: ipa("192.0.2.1")},
		{Gateway: ipa("203.0.113.1"), Interface: "v0", OnLink: true},
		{Interface: "v0"},
		{Interface: "v1", Source: ipa("198.51.100.1")},
		{Interface: "v0", Scope: ScopeGlobal},
		{NextHops: []NextHop{{Gateway: ipa("192.0.2.9"), Interface: "v0", Weight: 2}, {Gateway: ipa("198.51.100.9"), Interface: "v1"}}},
		{NextHops: []NextHop{{Gateway: ipa("192.0.2.9"), Interface: "v0"}, {Gateway: ipa("198.51.100.9"), Interface: "v1"}}},
		{NextHops: []NextHop{{Gateway: ipa("192.0.2.10"), Interface: "v0"}, {Interface: "v1"}}, MTU: 1400},
		{Gateway: ipa("192.0.2.9"), AdvMSS: 1200, HopLimit: 9},
		{Type: Blackhole},
		{Type: Prohibit},
		{Type: Local, Interface: "lo"},
		{NextHops: []NextHop{{Gateway: ipa("192.0.2.9"), Interface: "v0"}, {Gateway: ipa("192.0.2.10"), Interface: "v0"}}},
		{NextHops: []NextHop{{Gateway: ipa("203.0.113.1"), Interface: "v0", OnLink: true}, {Interface: "v0", Weight: 256}}},
	}
	six := []Route{
		{Gateway: ipa("2001:db8:a::9")},
		{Gateway: ipa("2001:db8:a::a"), Interface: "v0"},
		{Gateway: ipa("2001:db8:b::9"), Interface: "v1"},
		{Gateway: ipa("2001:db8:a::9"), MTU: 1400},
		{Gateway: ipa("2001:db8:a::9"), Source: ipa("2001:db8:a::1")},
		{Interface: "v0"},
		{Interface: "v1", MTU: 1400},
		{Type: Blackhole},
		{Type: Unreachable},
	}
	add := func(shapes []Route, place Route) {
		for _, r := range shapes {
			r.Dst, r.Table, r.Metric, r.TOS = place.Dst, place.Table, place.Metric, place.TOS
			// The kernel would look for the gateway in that table.
			if r.Table != 0 && r.Gateway.IsValid() && r.Interface == "" {
				r.Interface = "v0"
			}
			list = append(list, r)
		}
	}
	for _, metric := range []uint32{0, 1} {
		list = append(list, Route{Dst: pfx("10.57.0.0/16"), Interface: extra, Metric: metric})
	}
	any4, any6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	for _, place := range []Route{{Dst: pfx("10.50.0.0/16")}, {Dst: pfx("10.50.0.0/16"), Metric: 5},
		{Dst: pfx("10.50.0.0/16"), TOS: 16}, {Dst: pfx("10.50.0.0/16"), Table: 100}, {Dst: any4, Table: 100}} {
		add(four, place)
	}
	for _, place := range []Route{{Dst: pfx("2001:db8:50::/48")}, {Dst: pfx("2001:db8:50::/48"), Metric: 5},
		{Dst: pfx("2001:db8:50::/48"), Table: 100}, {Dst: any6, Table: 100}} {
		add(six, place)
	}
	return list
}

// poolRules are behind the kernel's, so that they say nothing about where a gateway is.
func poolRules() (list []Rule) {
	for _, from := range []string{"0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/32"} {
		for _, shape := range []Rule{
			{Table: 100},
			{Table: 101, Mark: 5},
			{Table: 100, Mark: 5, Mask: 0xff},
			{Action: RuleBlackhole, IIF: "v9"},
			{Action: RuleGoto, Goto: 50000},
			{Action: RuleGoto, Goto: 50001},
			{MinPrefixLength: 1},
		} {
			for _, priority := range []uint32{40000, 40001} {
				shape.From, shape.Priority = pfx(from), priority
				list = append(list, shape)
			}
		}
	}
	return list
}
