package rtnl

import (
	"net/netip"
	"unique"

	"golang.org/x/sys/unix"
)

// Desired and observed objects are compared as compact values: comparable, in the kernel's own numbers, and
// what few have behind a handle. A hundred thousand of them cost little memory and the garbage collector next
// to nothing.

// ip is an address without its family; IPv4 is in the first four bytes.
type ip [16]byte

func packIP(a netip.Addr) (p ip) {
	switch {
	case a.Is4():
		b := a.As4()
		copy(p[:], b[:])
	case a.IsValid():
		p = a.As16()
	}
	return p
}

// addr gives the invalid address for a zero one, which is how "none" is packed.
func (p ip) addr(v6 bool) netip.Addr {
	switch {
	case p == ip{}:
		return netip.Addr{}
	case v6:
		return netip.AddrFrom16(p)
	}
	return netip.AddrFrom4([4]byte(p[:4]))
}

// prefix is for where zero means the unspecified address.
func (p ip) prefix(v6 bool, bits uint8) netip.Prefix {
	if v6 {
		return netip.PrefixFrom(netip.AddrFrom16(p), int(bits))
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(p[:4])), int(bits))
}

// bytes gives the address as attributes hold it.
func (p *ip) bytes(v6 bool) []byte {
	if v6 {
		return p[:]
	}
	return p[:4]
}

func family(v6 bool) uint8 {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// routeKey is a route's identity.
type routeKey struct {
	dst           ip
	table, metric uint32
	bits, tos     uint8
	v6            bool
}

// hop is where a route leads.
type hop struct {
	gateway ip
	link    int32 // 0: none, or any
	onlink  bool
	weight  uint8                // less 1, as rtnh_hops is
	encap   unique.Handle[encap] // zero: none
}

// route is a route with one next hop. A desired one has the position of its interface's name in link, until
// that is replaced by the interface's index; see survey.wanted.
type route struct {
	routeKey
	object uint32 // id of the nexthop object that says hop; 0: none
	hop
	detail   unique.Handle[detail] // zero: none; see intern
	kind     uint8                 // RTN_
	scope    uint8                 // RT_SCOPE_; 0 for IPv6
	protocol uint8                 // 0 for a desired one
	strange  bool                  // has what this package cannot say: never as wanted, and never deleted
	several  bool                  // leads several ways, which are beside it: an IPv4 route, or a desired one
}

const (
	mainTable  = unix.RT_TABLE_MAIN
	ipv6Metric = 1024 // IP6_RT_PRIO_USER: what the kernel makes of 0
)

// packRoute gives r in the kernel's terms; link is the position of the name of its way's interface. r is
// valid.
func packRoute(r *Route, link int32) route {
	v6, way := r.v6(), r.way()
	way.Weight = 0 // which one alone has not
	p := route{
		routeKey: routeKey{dst: packIP(r.Dst.Addr()), table: r.Table, metric: r.Metric, tos: r.TOS, v6: v6},
		object:   r.NextHopID,
		hop:      packHop(&way, link),
		detail:   packDetail(r),
		kind:     routeTypes[r.Type].kernel,
		several:  len(r.NextHops) > 1,
	}
	if r.Dst.IsValid() {
		p.bits = uint8(r.Dst.Bits())
	}
	if p.table == 0 {
		p.table = mainTable
	}
	switch {
	case v6:
		if p.metric == 0 {
			p.metric = ipv6Metric
		}
	case r.Scope != ScopeDefault:
		p.scope = scopes[r.Scope].kernel
	case r.Type == Local:
		p.scope = unix.RT_SCOPE_HOST
	case r.Type == Unicast && p.direct():
		p.scope = unix.RT_SCOPE_LINK
	}
	return p
}

// unpack gives r, which leads one way at most, as a Route, with every default that the kernel filled in left
// out again. name is its interface's.
func (r *route) unpack(name string) Route {
	u := r.outline()
	switch {
	case r.object != 0 && !automaticID(r.object):
		u.NextHopID = r.object
	case r.rejects() && r.v6: // the kernel says lo
	default:
		u.Gateway, u.Interface, u.OnLink, u.Encap = r.gateway.addr(r.v6), name, r.onlink, Encap{r.encap}
	}
	r.unpackScope(&u)
	return u
}

// outline is unpack without where r leads.
func (r *route) outline() Route {
	u := Route{
		Dst:    r.dst.prefix(r.v6, r.bits),
		Table:  r.table,
		Metric: r.metric,
		TOS:    r.tos,
	}
	r.unpackDetail(&u)
	for t := range routeTypes {
		if routeTypes[t].kernel == r.kind {
			u.Type = RouteType(t)
		}
	}
	if u.Table == mainTable {
		u.Table = 0
	}
	if r.v6 && u.Metric == ipv6Metric {
		u.Metric = 0
	}
	return u
}

// unpackScope leaves out what would be the scope anyway.
func (r *route) unpackScope(u *Route) {
	if r.v6 || packRoute(u, 0).scope == r.scope {
		return
	}
	for s := ScopeGlobal; int(s) < len(scopes); s++ {
		if scopes[s].kernel == r.scope {
			u.Scope = s
		}
	}
}

// direct says that r leads to an interface, and not to a gateway.
func (r *route) direct() bool { return r.gateway == ip{} && !r.several && r.object == 0 }

// rejects says that r has no next hop. The kernel gives an IPv6 one lo, which means nothing.
func (r *route) rejects() bool {
	return r.kind != unix.RTN_UNICAST && r.kind != unix.RTN_LOCAL
}

// is says whether seen, of the same identity, is what want asks for, if that leads one way. link is the index
// of want's interface: 0 for any, -1 for one that does not exist.
func (want *route) is(seen *route, link int32) bool {
	switch {
	case !want.alike(seen), want.several != seen.several:
		return false
	case want.rejects():
		return true
	case want.object != 0:
		return seen.object == want.object
	}
	// Of an IPv6 route the weight may be from when it was one of several.
	return seen.gateway == want.gateway && seen.onlink == want.onlink && seen.encap == want.encap && (seen.weight == want.weight || want.v6) &&
		(link == 0 || seen.link == link)
}

// alike says whether seen, of the same identity, is what want asks for but for where it leads.
func (want *route) alike(seen *route) bool {
	return !seen.strange && seen.kind == want.kind && seen.scope == want.scope &&
		(seen.detail == want.detail || want.agrees(seen))
}

// hits says whether the kernel, asked to delete r, would take other, of the same identity, for it. It takes
// the first route in which all that the request names agrees: what r lacks may be anything in other, as may
// onlink. See fib_table_delete and fib_nh_match; inet6_rtm_delroute, which looks at no detail.
func (r *found) hits(other *found) bool {
	switch {
	case r.protocol != other.protocol, r.kind != other.kind, r.scope != other.scope, r.object != other.object:
		return false
	case r.rejects(), r.object != 0:
	case r.several:
		if !r.leadsBeyond(other) {
			return false
		}
	case !agrees(r.gateway, other.gateway), !agrees(r.link, other.link), !agrees(r.encap, other.encap):
		return false
	}
	if r.v6 {
		return true
	}
	asked, has := r.details(), other.details()
	for n := range asked.metrics {
		if !agrees(asked.metrics[n], has.metrics[n]) {
			return false
		}
	}
	return agrees(asked.source, has.source) && agrees(asked.algorithm, has.algorithm)
}

// described is an object in words.
type described string

func (d described) String() string { return string(d) }
