package monitor

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// rtaNexthopID is RTA_NH_ID of linux/rtnetlink.h, since Linux 5.3.
const rtaNexthopID = 30

// Route is a route. Of what it leads to, either Gateway and Index are set, or NextHops, or, as for a
// blackhole, neither.
type Route struct {
	Dst      netip.Prefix // 0.0.0.0/0 or ::/0 is the default route
	Gateway  netip.Addr   // zero: directly on the interface
	Index    int          // of the interface
	NextHops []NextHop    // of a multipath route
	Object   uint32       // id of the nexthop object that it uses; 0: none
	Table    uint32       // 254 is main, 255 local
	Metric   uint32
	Protocol uint8 // who made it: unix.RTPROT_
	Type     uint8 // unix.RTN_UNICAST and the like
	Scope    uint8 // unix.RT_SCOPE_
	TOS      uint8
	Flags    uint32       // unix.RTM_F_CLONED, unix.RTNH_F_ONLINK and the like
	Source   netip.Addr   // that connections get; zero: left to the kernel
	From     netip.Prefix // IPv6 only: whose packets it is for; zero: all
}

// NextHop is one way of a multipath route.
type NextHop struct {
	Gateway netip.Addr // zero: directly on the interface
	Index   int        // of the interface
	Weight  int        // 1 to 256
	Flags   uint8      // unix.RTNH_F_
}

// Route decodes an Event of KindRoute.
func (e Event) Route() (Route, bool) {
	fixed, attributes, ok := e.split(KindRoute, unix.SizeofRtMsg)
	if !ok || !isIP(fixed[0]) {
		return Route{}, false
	}
	family := fixed[0]
	rt := Route{
		TOS:      fixed[3],
		Table:    uint32(fixed[4]),
		Protocol: fixed[5],
		Scope:    fixed[6],
		Type:     fixed[7],
		Flags:    native.Uint32(fixed[8:]),
	}
	var r reader
	var dst, from netip.Addr
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.RTA_DST:
			dst = r.addr(v)
		case unix.RTA_SRC:
			from = r.addr(v)
		case unix.RTA_GATEWAY:
			rt.Gateway = r.addr(v)
		case unix.RTA_VIA:
			rt.Gateway = r.via(v)
		case unix.RTA_OIF:
			rt.Index = int(r.uint32(v))
		case unix.RTA_MULTIPATH:
			rt.NextHops = r.nextHops(v)
		case rtaNexthopID:
			rt.Object = r.uint32(v)
		case unix.RTA_TABLE: // all of it: the fixed part has room for 8 bits
			rt.Table = r.uint32(v)
		case unix.RTA_PRIORITY:
			rt.Metric = r.uint32(v)
		case unix.RTA_PREFSRC:
			rt.Source = r.addr(v)
		}
	}
	rt.Dst = r.prefix(family, dst, fixed[1])
	if fixed[2] != 0 {
		rt.From = r.prefix(family, from, fixed[2])
	}
	return rt, !r.bad
}

// nextHops reads a list of struct rtnexthop, each with attributes of its own.
func (r *reader) nextHops(b []byte) (hops []NextHop) {
	for len(b) > 0 {
		if len(b) < unix.SizeofRtNexthop {
			r.bad = true
			return nil
		}
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) || !wellFormed(b[unix.SizeofRtNexthop:size]) {
			r.bad = true
			return nil
		}
		hop := NextHop{
			Flags:  b[2],
			Weight: int(b[3]) + 1,
			Index:  int(int32(native.Uint32(b[4:]))),
		}
		for typ, v := range rtnetlink.Attributes(b[unix.SizeofRtNexthop:size]) {
			switch typ {
			case unix.RTA_GATEWAY:
				hop.Gateway = r.addr(v)
			case unix.RTA_VIA:
				hop.Gateway = r.via(v)
			}
		}
		hops = append(hops, hop)
		b = b[min((size+3)&^3, len(b)):]
	}
	return hops
}

// via reads a struct rtvia: a gateway of another family than the route's.
func (r *reader) via(v []byte) netip.Addr {
	if len(v) < 2 {
		r.bad = true
		return netip.Addr{}
	}
	return r.addr(v[2:])
}
