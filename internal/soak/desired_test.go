package soak

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/rtnl"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// Each place has two rtnl loops, main and side. Main keeps to v0 but for a few addresses, side to w0.
const (
	mainProtocol = rtnl.DefaultProtocol
	sideProtocol = rtnl.DefaultProtocol + 1
	routes       = 8 // IPv4 routes that each may want
	routes6      = 4
	metric4      = 10
	metric6      = 20
	otherTable   = 100
)

// drawMain has addresses that become each other's secondaries, and routes that differ in gateway, MTU and
// source.
func drawMain(r *rand.Rand, flawed bool) rtnl.State {
	first := netip.AddrFrom4([4]byte{10, 1, 1, byte(2 + r.IntN(4))})
	s := rtnl.State{Addresses: []rtnl.Address{
		{Interface: "v0", Prefix: netip.PrefixFrom(first, 24)},
		{Interface: "v0", Prefix: prefix("2001:db8:1::%x/64", 2+r.IntN(4))},
		disputed(r.IntN(disputes)),
	}}
	if r.IntN(2) == 0 {
		s.Addresses = append(s.Addresses, rtnl.Address{Interface: "v0", Prefix: prefix("10.1.1.%d/24", 10+r.IntN(3))})
	}
	if r.IntN(2) == 0 {
		at := prefix("10.1.2.%d/%d", 2+r.IntN(3), 24+r.IntN(2))
		s.Addresses = append(s.Addresses, rtnl.Address{Interface: "w0", Prefix: at})
	}
	for n := range routes {
		route := rtnl.Route{Dst: mainDst(n), Metric: metric4, Gateway: addr("10.1.1.%d", 100+r.IntN(4)), Interface: "v0"}
		switch n {
		case 5:
			route.Source = first
		case 6:
			route = disputedRoute
		case 7:
			route.Table = otherTable
		}
		if n < 5 && r.IntN(3) == 0 {
			route.MTU = uint32(1300 + 10*r.IntN(3))
		}
		if n == 3 {
			route.Gateway, route.Interface, route.NextHops = netip.Addr{}, "", drawWays(r, "10.1.1.%d", 100)
		}
		if r.IntN(4) != 0 {
			s.Routes = append(s.Routes, route)
		}
	}
	for n := range routes6 {
		route := rtnl.Route{Dst: mainDst6(n), Metric: metric6}
		if n == 1 {
			route.NextHops = drawWays(r, "2001:db8:1::%x", 64)
		} else {
			route.Gateway, route.Interface = addr("2001:db8:1::%x", 64+r.IntN(4)), "v0"
		}
		if r.IntN(4) != 0 {
			s.Routes = append(s.Routes, route)
		}
	}
	s.Rules = drawRules(r, mainPriority)
	s.Neighbors = drawNeighbors(r, "v0", "10.1.1.", "2001:db8:1::")
	s.Links = drawLinks(r, mainLink, "v0")
	if flawed {
		s.Routes = append(s.Routes, rtnl.Route{Dst: prefix("10.250.0.0/16"), Interface: "nowhere"})
	}
	return s
}

func drawSide(r *rand.Rand, flawed bool) rtnl.State {
	s := rtnl.State{Addresses: []rtnl.Address{
		{Interface: "w0", Prefix: prefix("10.2.1.%d/24", 2+r.IntN(3))},
		{Interface: "w0", Prefix: prefix("2001:db8:2::%x/64", 2+r.IntN(3))},
	}}
	for n := range routes {
		route := rtnl.Route{Dst: prefix("10.%d.0.0/16", 150+n), Gateway: addr("10.2.1.%d", 100+r.IntN(3)), Interface: "w0"}
		if n >= 6 {
			route = rtnl.Route{Dst: prefix("10.%d.0.0/16", 150+n), Type: rtnl.Unreachable, Table: otherTable + 1}
		}
		if r.IntN(4) != 0 {
			s.Routes = append(s.Routes, route)
		}
	}
	for n := range routes6 {
		if r.IntN(4) != 0 {
			s.Routes = append(s.Routes, rtnl.Route{
				Dst: prefix("2001:db8:%d::/48", 200+n), Gateway: addr("2001:db8:2::%x", 64+r.IntN(3)), Interface: "w0"})
		}
	}
	s.Rules = drawRules(r, sidePriority)
	s.Neighbors = drawNeighbors(r, "w0", "10.2.1.", "2001:db8:2::")
	s.Links = drawLinks(r, sideLink, "")
	if flawed {
		s.Addresses = append(s.Addresses, rtnl.Address{Interface: "nowhere", Prefix: prefix("10.251.0.1/24")})
	}
	return s
}

// drawWays has one to three of four gateways from first on, with weights.
func drawWays(r *rand.Rand, format string, first int) (ways []rtnl.NextHop) {
	for _, n := range r.Perm(4)[:1+r.IntN(3)] {
		ways = append(ways, rtnl.NextHop{Gateway: addr(format, first+n), Interface: "v0", Weight: uint16(1 + r.IntN(2))})
	}
	return ways
}

// disputed are addresses that others make just so, too; main wants one of them. Each is a network of its
// own, so that no other's end is theirs.
func disputed(n int) rtnl.Address {
	return rtnl.Address{Interface: "v0", Prefix: prefix("10.1.9.%d/32", n)}
}

const disputes = 3

// disputedRoute is a route that others make, too. No link can take it along.
var disputedRoute = rtnl.Route{Dst: mainDst(6), Metric: metric4, Type: rtnl.Blackhole}

func mainDst(n int) netip.Prefix  { return prefix("10.%d.0.0/16", 100+n) }
func mainDst6(n int) netip.Prefix { return prefix("2001:db8:%d::/48", 100+n) }

// knob is a sysctl that the loops hold.
type knob struct {
	name     string
	values   []sysctl.Value // none is the kernel's own default
	flip     sysctl.Value   // what others write; empty: nobody does
	optional bool           // not in every state
	device   string         // the interface that it is of, if it is
}

// Interfaces' keys are not flipped: on a new interface the flip could come before the loop has seen the
// original.
var knobs = []knob{
	{name: "net.ipv4.ip_default_ttl", values: []sysctl.Value{"65", "66"}, flip: "99"},
	{name: "net.ipv4.ip_local_port_range", values: []sysctl.Value{"20000 60000", "21000 61000"}, flip: "30000 50000"},
	{name: "net.ipv4.tcp_fin_timeout", values: []sysctl.Value{"30", "31"}, flip: "50"},
	{name: "net.ipv4.tcp_keepalive_time", values: []sysctl.Value{"600", "601"}, flip: "700"},
	{name: "net.core.somaxconn", values: []sysctl.Value{"1000", "1001"}, flip: "99"},
	{name: "net.ipv4.icmp_ratelimit", values: []sysctl.Value{"900", "1100"}, flip: "700"},
	{name: "net.ipv4.tcp_keepalive_intvl", values: []sysctl.Value{"33", "34"}, optional: true},
	{name: "net.ipv4.tcp_keepalive_probes", values: []sysctl.Value{"5"}, optional: true},
	{device: "v0", name: "net.ipv4.conf.v0.arp_ignore", values: []sysctl.Value{"1", "2"}},
	{device: "w0", name: "net.ipv4.conf.w0.arp_announce", values: []sysctl.Value{"1", "2"}, optional: true},
	{device: "w0", name: "net.ipv6.conf.w0.hop_limit", values: []sysctl.Value{"65", "66"}, optional: true},
}

func drawKnobs(r *rand.Rand, flawed bool) sysctl.Settings {
	s := sysctl.Settings{}
	for _, k := range knobs {
		value, wanted := k.values[r.IntN(len(k.values))], r.IntN(2) == 0
		if wanted || !k.optional {
			s[k.name] = value
		}
	}
	if flawed {
		s["net.ipv4.conf.nowhere.rp_filter"] = "1" // waits
		s["net.ipv4.tcp_retries1"] = "9999"        // EINVAL
	}
	return s
}

func drawFake(r *rand.Rand, _ bool) linxtest.State {
	s := linxtest.State{}
	for n := range routes {
		if value := strconv.Itoa(r.IntN(3)); r.IntN(4) != 0 {
			s[fakeName(n)] = value
		}
	}
	return s
}

func fakeName(n int) string { return fmt.Sprint("n", n) }

func prefix(format string, args ...any) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(format, args...))
}
func addr(format string, args ...any) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(format, args...))
}
