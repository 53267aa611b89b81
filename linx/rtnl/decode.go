package rtnl

import (
	"encoding/binary"
	"unique"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Messages are decoded in place: nothing here allocates per object, and nothing keeps a message's bytes. A
// message that is too short for what it claims to be is skipped, as is what is not known.

var native = binary.NativeEndian

// What x/sys/unix lacks.
const (
	rtaNextHopID = 30 // RTA_NH_ID
	skipStats    = 8  // RTEXT_FILTER_SKIP_STATS
)

// routeDecoder decodes routes one after another, and remembers what makes that cheap.
type routeDecoder struct {
	hops   []hop                 // of the last one, if it has several
	detail detail                // of the last one that has any; mostly the next one's is the same,
	handle unique.Handle[detail] // which has this handle
	few    detail                // being decoded
	encap  encapDecoder
}

// decode reads a struct rtmsg and its attributes. A route with several next hops has its first one in r, and
// all of them in d.hops. One that follows a nexthop object has none, whatever that has.
func (d *routeDecoder) decode(body []byte, r *route) bool {
	d.hops = d.hops[:0]
	if len(body) < unix.SizeofRtMsg {
		return false
	}
	*r = route{
		routeKey: routeKey{v6: body[0] == unix.AF_INET6, bits: body[1], tos: body[3], table: uint32(body[4])},
		protocol: body[5],
		scope:    body[6],
		kind:     body[7],
	}
	flags := native.Uint32(body[8:])
	bySource := body[2] != 0 // IPv6 keeps these apart from all others: they are in nobody's place
	if flags&unix.RTM_F_CLONED != 0 || bySource || !r.v6 && body[0] != unix.AF_INET {
		return false
	}
	detailed := false
	few := func() *detail {
		if !detailed {
			detailed, d.few = true, detail{}
		}
		return &d.few
	}
	r.onlink = flags&unix.RTNH_F_ONLINK != 0
	var wrapped []byte
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.RTA_DST:
			copy(r.dst[:], v)
		case unix.RTA_GATEWAY:
			copy(r.gateway[:], v)
		case unix.RTA_PREFSRC:
			copy(few().source[:], v)
		case unix.RTA_OIF:
			r.link = int32(uint32At(v))
		case unix.RTA_PRIORITY:
			r.metric = uint32At(v)
		case unix.RTA_TABLE:
			r.table = uint32At(v)
		case unix.RTA_METRICS:
			r.strange = !few().decodeMetrics(v) || r.strange
		case unix.RTA_PREF:
			if p := uint8At(v); p != 0 { // shown of all
				few().preference = p
			}
		case unix.RTA_MULTIPATH:
			d.decodeHops(v, r)
		case rtaNextHopID:
			r.object = uint32At(v)
		case unix.RTA_ENCAP:
			wrapped = v
		case unix.RTA_ENCAP_TYPE:
			d.wrap(&r.hop, uint16At(v), wrapped, r)
		case unix.RTA_VIA, unix.RTA_FLOW:
			r.strange = true
		}
	}
	if detailed {
		if d.few != d.detail {
			d.detail, d.handle = d.few, intern(&d.few)
		}
		r.detail = d.handle
	}
	if len(d.hops) > 0 || r.object != 0 {
		d.settle(r)
	}
	return true
}

// settle makes of r and d.hops what decode says, once all attributes are read.
func (d *routeDecoder) settle(r *route) {
	if len(d.hops) > 0 {
		r.hop = d.hops[0]
	}
	if r.object != 0 && r.kind == unix.RTN_BLACKHOLE {
		r.kind = unix.RTN_UNICAST // the object is one
	}
	if len(d.hops) == 1 || r.object != 0 {
		d.hops = d.hops[:0]
	}
	r.several = !r.v6 && len(d.hops) > 0
}

// decodeHops reads the struct rtnexthops of a multipath route. One that this package could not name makes r
// strange.
func (d *routeDecoder) decodeHops(b []byte, r *route) {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			break
		}
		h := hop{onlink: b[2]&unix.RTNH_F_ONLINK != 0, weight: b[3], link: int32(native.Uint32(b[4:]))}
		var wrapped []byte
		for typ, v := range rtnetlink.Attributes(b[unix.SizeofRtNexthop:size]) {
			switch typ {
			case unix.RTA_GATEWAY:
				copy(h.gateway[:], v)
			case unix.RTA_ENCAP:
				wrapped = v
			case unix.RTA_ENCAP_TYPE:
				d.wrap(&h, uint16At(v), wrapped, r)
			case unix.RTA_VIA, unix.RTA_FLOW:
				r.strange = true
			}
		}
		d.hops = append(d.hops, h)
		b = b[min(align(size), len(b)):]
	}
}

// wrap notes an encapsulation of h, a next hop of r. The kernel sends its kind after it.
func (d *routeDecoder) wrap(h *hop, kind uint16, raw []byte, r *route) {
	h.encap = d.encap.decode(kind, raw)
	if !r.v6 && h.encap != (unique.Handle[encap]{}) && h.encap.Value().unknown {
		r.strange = true // to delete it, one has to name it
	}
}

// link is what is needed of an interface.
type link struct {
	index   int32 // 0: does not exist
	up      bool
	changes uint32 // of its carrier
	promote bool   // promote_secondaries: of its own, which conf.all may exceed
	single  bool   // it has but one other end, or none: loopback or point-to-point
	master  int32
	mac     MAC
	forwarding
}

// decodeLink reads a struct ifinfomsg and its attributes. The name points into body.
func decodeLink(body []byte) (name []byte, l link, ok bool) {
	if len(body) < unix.SizeofIfInfomsg {
		return nil, l, false
	}
	l.index = int32(native.Uint32(body[4:]))
	l.up = native.Uint32(body[8:])&unix.IFF_UP != 0
	l.single = native.Uint32(body[8:])&(unix.IFF_LOOPBACK|unix.IFF_POINTOPOINT) != 0
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			for len(v) > 0 && v[len(v)-1] == 0 {
				v = v[:len(v)-1]
			}
			name = v
		case unix.IFLA_CARRIER_CHANGES:
			l.changes = uint32At(v)
		case unix.IFLA_AF_SPEC:
			l.promote = promotes(v)
		case unix.IFLA_ADDRESS:
			copy(l.mac[:], v)
		case unix.IFLA_MASTER:
			l.master = int32(uint32At(v))
		case unix.IFLA_LINKINFO:
			l.forwarding = decodeForwarding(v)
		}
	}
	return name, l, len(name) > 0 && l.index > 0
}

// promotes looks up promote_secondaries in the array of IFLA_INET_CONF, which holds the IPV4_DEVCONF_
// values from 1 on.
func promotes(afSpec []byte) bool {
	const inetConf, promoteSecondaries = 1, 20
	for af, nested := range rtnetlink.Attributes(afSpec) {
		if af != unix.AF_INET {
			continue
		}
		for typ, v := range rtnetlink.Attributes(nested) {
			if at := 4 * (promoteSecondaries - 1); typ == inetConf && len(v) >= at+4 {
				return native.Uint32(v[at:]) != 0
			}
		}
	}
	return false
}

func uint16At(v []byte) uint16 {
	if len(v) < 2 {
		return 0
	}
	return native.Uint16(v)
}

func uint32At(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return native.Uint32(v)
}

// align rounds up to the 4 bytes at which attributes begin.
func align(n int) int { return (n + 3) &^ 3 }
