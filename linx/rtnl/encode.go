package rtnl

import (
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// putRoute adds a request that creates r, in the kernel's terms: with NLM_F_EXCL if nothing may be in its
// place, with NLM_F_APPEND beside what is. hops are its ways, if they are not the one in r.
func putRoute(b *rtnetlink.Batch, flag uint16, r *route, hops []hop) {
	b.Begin(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|flag)
	putRtmsg(b, r)
	switch {
	case r.object != 0:
		b.Uint32(rtaNextHopID, r.object)
	case len(hops) > 0:
		putHops(b, r, hops)
	default:
		putHop(b, r)
	}
	if d := r.details(); r.object != 0 && d.metrics == (metrics{}) && d.algorithm == (algorithm{}) {
		// Without any, the kernel takes those of another of ours that follows the object: fib_find_info_nh.
		b.Nest(unix.RTA_METRICS | unix.NLA_F_NESTED)()
	}
	putDetail(b, r)
}

func putHop(b *rtnetlink.Batch, r *route) {
	if r.gateway != (ip{}) {
		b.Bytes(unix.RTA_GATEWAY, r.gateway.bytes(r.v6))
	}
	if r.link != 0 {
		b.Uint32(unix.RTA_OIF, uint32(r.link))
	}
	putEncap(b, r.encap)
}

// dropRoute adds a request that deletes r and nothing else: the kernel compares all that is named here. It
// does so with the protocol even where IPv6 routes have been merged, so that another's is safe. What an IPv4
// route has not (a metric, a source, an encapsulation, an MTU) it takes for any, so that one may be mistaken for
// another of ours that has the same next hop and that.
func dropRoute(b *rtnetlink.Batch, r *route, hops []hop) {
	b.Begin(unix.RTM_DELROUTE, 0)
	putRtmsg(b, r)
	switch {
	case r.object != 0:
		b.Uint32(rtaNextHopID, r.object)
	case r.rejects():
	case len(hops) > 0:
		putHops(b, r, hops)
	case r.v6 && r.gateway == (ip{}):
		// As a next hop, or the kernel would take the siblings along: see inet6_rtm_delroute,
		// fc_delete_all_nh.
		putHops(b, r, []hop{r.hop})
	default:
		putHop(b, r)
	}
	if !r.v6 {
		putDetail(b, r)
	}
}

// putRtmsg adds the fixed part and what is part of the identity.
func putRtmsg(b *rtnetlink.Batch, r *route) {
	var fixed [unix.SizeofRtMsg]byte
	fixed[0], fixed[1], fixed[3] = family(r.v6), r.bits, r.tos
	if r.table < 256 {
		fixed[4] = uint8(r.table)
	}
	fixed[5], fixed[6], fixed[7] = r.protocol, r.scope, r.kind
	if r.onlink && r.object == 0 {
		native.PutUint32(fixed[8:], unix.RTNH_F_ONLINK)
	}
	b.Raw(fixed[:])
	if r.table >= 256 {
		b.Uint32(unix.RTA_TABLE, r.table)
	}
	if r.bits > 0 {
		b.Bytes(unix.RTA_DST, r.dst.bytes(r.v6))
	}
	if r.metric != 0 {
		b.Uint32(unix.RTA_PRIORITY, r.metric)
	}
}

func putHops(b *rtnetlink.Batch, r *route, hops []hop) {
	var payload []byte
	var one rtnetlink.Batch
	for i := range hops {
		h := &hops[i]
		one.Reset()
		one.Begin(0, 0)
		if h.gateway != (ip{}) {
			one.Bytes(unix.RTA_GATEWAY, h.gateway.bytes(r.v6))
		}
		putEncap(&one, h.encap)
		attributes := one.Request(0)[unix.SizeofNlMsghdr:]
		var fixed [unix.SizeofRtNexthop]byte
		native.PutUint16(fixed[:], uint16(len(fixed)+len(attributes)))
		if h.onlink {
			fixed[2] = unix.RTNH_F_ONLINK
		}
		fixed[3] = h.weight
		native.PutUint32(fixed[4:], uint32(h.link))
		payload = append(append(payload, fixed[:]...), attributes...)
	}
	b.Bytes(unix.RTA_MULTIPATH, payload)
}

// askRoutes makes b the request for a family's routes, of one table and protocol or, where 0, of all.
// Other fields must be zero: the kernel checks.
func askRoutes(b *rtnetlink.Batch, v6 bool, table uint32, protocol uint8) {
	b.Reset()
	b.Begin(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	var fixed [unix.SizeofRtMsg]byte
	fixed[0], fixed[5] = family(v6), protocol
	b.Raw(fixed[:])
	if table != 0 {
		b.Uint32(unix.RTA_TABLE, table)
	}
}

// askLinks makes b the request for all interfaces.
func askLinks(b *rtnetlink.Batch) { askLink(b, unix.NLM_F_DUMP, 0) }

// askLinkAt makes b the request for the interface with that index.
func askLinkAt(b *rtnetlink.Batch, index int32) { askLink(b, 0, index) }

// askLinkNamed makes b the request for the interface with that name, or alternative name.
func askLinkNamed(b *rtnetlink.Batch, name string) {
	askLink(b, 0, 0)
	b.String(unix.IFLA_IFNAME, name)
}

func askLink(b *rtnetlink.Batch, flags uint16, index int32) {
	b.Reset()
	b.Begin(unix.RTM_GETLINK, flags)
	var fixed [unix.SizeofIfInfomsg]byte
	native.PutUint32(fixed[4:], uint32(index))
	b.Raw(fixed[:])
	b.Uint32(unix.IFLA_EXT_MASK, skipStats)
}
