package rtnl

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Route is an IPv4 or IPv6 route. Its family, destination, table, metric and TOS are its identity: two routes
// of one state cannot agree in all five.
type Route struct {
	// Dst is the destination. Zero: the default route of the gateway's family; without a gateway write
	// 0.0.0.0/0 or ::/0.
	Dst netip.Prefix `json:"dst,omitzero"`
	// Gateway is the next hop. Zero: the destination is directly on Interface. A gateway that cannot be
	// reached yet is waited for.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Interface is the name of the interface. Empty: whatever reaches Gateway when the route is made, which
	// it keeps when the gateway's network moves to another. One that does not exist is waited for.
	Interface string `json:"interface,omitempty"`
	// NextHops are several ways at once, each for its share of the traffic, instead of Gateway, Interface,
	// OnLink and Encap. Their order means nothing. A single one is the same as its fields in the route itself.
	// At most 1000.
	NextHops []NextHop `json:"nexthops,omitempty"`
	// NextHopID is the nexthop object that the route follows, instead of Gateway, Interface and NextHops: one
	// of State.Nexthops, or another's. One that does not exist is waited for. For IPv4 only, as NexthopObject
	// is. 0: none.
	NextHopID uint32 `json:"nhid,omitempty"`
	// Table is the routing table. 0: main (254).
	Table uint32 `json:"table,omitempty"`
	// Metric is the priority, a low one is preferred. 0: the kernel's default, which is 0 for IPv4 and 1024
	// for IPv6.
	Metric uint32 `json:"metric,omitempty"`
	// Type is what happens to packets. Zero: Unicast.
	Type RouteType `json:"type,omitempty"`
	// Source is the address that local programs send from. Zero: the kernel chooses.
	Source netip.Addr `json:"source,omitzero"`
	// Scope is how far away the destination is, for IPv4 only. Zero: as ip(8) chooses.
	Scope Scope `json:"scope,omitempty"`
	// OnLink says that Gateway is reached over Interface although no address tells so.
	OnLink bool `json:"onlink,omitempty"`
	// TOS restricts the route to packets with this type of service, for IPv4 only. Its lowest two bits are 0.
	TOS uint8 `json:"tos,omitempty"`
	// Encap is how packets are wrapped on their way. Zero: not at all.
	Encap Encap `json:"encap,omitzero"`
	// MTU is the path MTU in bytes, at most 65520. 0: the interface's.
	MTU uint32 `json:"mtu,omitempty"`
	// MTULock keeps path MTU discovery from lowering MTU.
	MTULock bool `json:"mtuLock,omitempty"`
	// AdvMSS is the largest TCP segment that is asked of the other end, in bytes, at most 65495. 0: as the
	// MTU has it.
	AdvMSS uint32 `json:"advmss,omitempty"`
	// Window is the largest TCP window that is offered, in bytes. 0: no limit.
	Window uint32 `json:"window,omitempty"`
	// InitCwnd is the congestion window that TCP begins with, in segments. 0: the kernel's default, 10.
	InitCwnd uint32 `json:"initcwnd,omitempty"`
	// InitRwnd is the receive window that TCP begins with, in segments. 0: the kernel's default.
	InitRwnd uint32 `json:"initrwnd,omitempty"`
	// SSThresh is the slow start threshold that TCP begins with, in segments. 0: none.
	SSThresh uint32 `json:"ssthresh,omitempty"`
	// Reordering is by how many places TCP expects segments to be out of order. 0: net.ipv4.tcp_reordering.
	Reordering uint32 `json:"reordering,omitempty"`
	// RTOMin is the least time in milliseconds after which TCP sends again. 0: the kernel's default, 200.
	RTOMin uint32 `json:"rtoMin,omitempty"`
	// HopLimit is the TTL or hop limit of what this host sends, at most 255. 0: the kernel's default.
	HopLimit uint32 `json:"hoplimit,omitempty"`
	// QuickACK has TCP acknowledge at once.
	QuickACK bool `json:"quickack,omitempty"`
	// ECN has TCP ask for explicit congestion notification, whatever net.ipv4.tcp_ecn says.
	ECN bool `json:"ecn,omitempty"`
	// TCPUsecTS has TCP's timestamps count microseconds. Linux before 6.7 refuses it with EINVAL.
	TCPUsecTS bool `json:"tcpUsecTS,omitempty"`
	// CongCtl is TCP's congestion control algorithm, such as "bbr". Empty: net.ipv4.tcp_congestion_control.
	// One that the kernel does not have is refused with EINVAL.
	CongCtl string `json:"congctl,omitempty"`
	// CongCtlLock keeps programs from choosing another one.
	CongCtlLock bool `json:"congctlLock,omitempty"`
	// FastOpenNoCookie has TCP Fast Open do without a cookie.
	FastOpenNoCookie bool `json:"fastopenNoCookie,omitempty"`
	// Preference is for IPv6 only. Zero: PreferenceMedium, the kernel's default.
	Preference Preference `json:"pref,omitempty"`
}

// String gives "route 10.1.0.0/16 via 10.0.0.2 dev v0 metric 50 table 100", in the words of ip(8).
func (r Route) String() string {
	var b strings.Builder
	b.WriteString("route ")
	way := r.way()
	if r.Type != Unicast {
		b.WriteString(r.Type.String() + " ")
	}
	switch {
	case (!r.Dst.IsValid() || r.Dst.Bits() == 0) && way.Gateway.IsValid():
		b.WriteString("default")
	case !r.Dst.IsValid():
		b.WriteString(ip{}.prefix(r.v6(), 0).String())
	default: // without a gateway, "default" would not tell the family
		b.WriteString(r.Dst.String())
	}
	if r.TOS != 0 {
		fmt.Fprintf(&b, " tos %#x", r.TOS)
	}
	if r.NextHopID != 0 {
		b.WriteString(" nhid " + strconv.FormatUint(uint64(r.NextHopID), 10))
	}
	b.WriteString(way.words())
	if r.Metric != 0 {
		b.WriteString(" metric " + strconv.FormatUint(uint64(r.Metric), 10))
	}
	switch table := cmp.Or(r.Table, unix.RT_TABLE_MAIN); {
	case table != unix.RT_TABLE_MAIN:
		b.WriteString(" table " + strconv.FormatUint(uint64(table), 10))
	case r.Type == Local: // for which ip(8) has another default
		b.WriteString(" table main")
	}
	if r.Scope != ScopeDefault {
		b.WriteString(" scope " + r.Scope.String())
	}
	if r.Source.IsValid() {
		b.WriteString(" src " + r.Source.String())
	}
	r.writeMetrics(&b)
	if way.OnLink {
		b.WriteString(" onlink")
	}
	b.WriteString(r.nexthops())
	return b.String()
}

// RouteType is what happens to packets that a route applies to.
type RouteType uint8

const (
	Unicast     RouteType = iota // forwarded
	Local                        // delivered on this host
	Blackhole                    // dropped without a word
	Unreachable                  // refused with ICMP host unreachable
	Prohibit                     // refused with ICMP administratively prohibited
	Throw                        // the lookup goes on in the next table
)

type routeType struct {
	name   string
	kernel uint8
}

var routeTypes = [...]routeType{
	Unicast:     {"unicast", unix.RTN_UNICAST},
	Local:       {"local", unix.RTN_LOCAL},
	Blackhole:   {"blackhole", unix.RTN_BLACKHOLE},
	Unreachable: {"unreachable", unix.RTN_UNREACHABLE},
	Prohibit:    {"prohibit", unix.RTN_PROHIBIT},
	Throw:       {"throw", unix.RTN_THROW},
}

// String gives ip(8)'s name: "blackhole".
func (t RouteType) String() string {
	if int(t) < len(routeTypes) {
		return routeTypes[t].name
	}
	return "RouteType(" + strconv.Itoa(int(t)) + ")"
}

// MarshalText gives what String gives; a type that does not exist is an error.
func (t RouteType) MarshalText() ([]byte, error) {
	if int(t) >= len(routeTypes) {
		return nil, fmt.Errorf("rtnl: no route type: %v", t)
	}
	return []byte(t.String()), nil
}

// UnmarshalText takes ip(8)'s names.
func (t *RouteType) UnmarshalText(text []byte) error {
	for i := range routeTypes {
		if routeTypes[i].name == string(text) {
			*t = RouteType(i)
			return nil
		}
	}
	return fmt.Errorf("rtnl: no route type: %q; unicast, local, blackhole, unreachable, prohibit and throw are", text)
}

// Scope is how far away a destination is, as the IPv4 stack sees it.
type Scope uint8

const (
	// ScopeDefault is ip(8)'s choice: host for a local route, link for a unicast one without gateway, else
	// global.
	ScopeDefault Scope = iota
	ScopeGlobal        // anywhere
	ScopeSite          // within the site
	ScopeLink          // directly attached
	ScopeHost          // this host
)

var scopes = [...]struct {
	name   string
	kernel uint8
}{
	ScopeDefault: {"default", 0},
	ScopeGlobal:  {"global", unix.RT_SCOPE_UNIVERSE},
	ScopeSite:    {"site", unix.RT_SCOPE_SITE},
	ScopeLink:    {"link", unix.RT_SCOPE_LINK},
	ScopeHost:    {"host", unix.RT_SCOPE_HOST},
}

// String gives ip(8)'s name: "link".
func (s Scope) String() string {
	if int(s) < len(scopes) {
		return scopes[s].name
	}
	return "Scope(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText gives what String gives; a scope that does not exist is an error.
func (s Scope) MarshalText() ([]byte, error) {
	if int(s) >= len(scopes) {
		return nil, fmt.Errorf("rtnl: no scope: %v", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText takes ip(8)'s names, and "default".
func (s *Scope) UnmarshalText(text []byte) error {
	for i := range scopes {
		if scopes[i].name == string(text) {
			*s = Scope(i)
			return nil
		}
	}
	return fmt.Errorf("rtnl: no scope: %q; default, global, site, link and host are", text)
}
