package rtnl

import (
	"fmt"
	"unique"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Nexthop objects are the kernel's way to say once where many routes lead. With Options.NexthopObjects, IPv4
// routes that name both gateway and interface use one for each such pair. They are ours by their protocol, as
// routes are, and nothing but the kernel remembers them.

// firstNexthop is where our ids begin: 'L' in the first byte, far from where the kernel and people begin.
const firstNexthop = 'L' << 24

// nexthops is what one observation says of nexthop objects.
type nexthops struct {
	wanted bool            // the option
	ours   map[uint32]hop  // by id: IPv4, with one way, and nothing that a hop does not say
	ids    map[hop]uint32  // of those, the first for the way
	taken  map[uint32]bool // all ids, others' too
	leads  map[uint32]hop  // by id of ours: where the routes that use it should lead, if all to one place
}

// automaticID says that an id is one that this package gives.
func automaticID(id uint32) bool { return id>>24 == firstNexthop>>24 }

// noObject is the id of the object that a desired route needs and that does not exist.
const noObject = ^uint32(0)

func (n *nexthops) reset() {
	if n.ours == nil {
		n.ours, n.ids = make(map[uint32]hop), make(map[hop]uint32)
		n.taken, n.leads = make(map[uint32]bool), make(map[uint32]hop)
	}
	clear(n.ours)
	clear(n.ids)
	clear(n.taken)
	clear(n.leads)
}

// see takes an object from a dump.
func (n *nexthops) see(o *nexthop, protocol uint8) {
	n.taken[o.id] = true
	if o.strange || o.protocol != protocol {
		return
	}
	n.ours[o.id] = o.hop
	if _, ok := n.ids[o.hop]; !ok {
		n.ids[o.hop] = o.id
	}
}

// lead notes where a route that uses an object of ours should lead: nowhere is the zero hop.
func (n *nexthops) lead(id uint32, to hop) {
	if before, ok := n.leads[id]; ok && before != to {
		to = hop{}
	}
	n.leads[id] = to
}

// hopOf gives the way of the desired route i, if that is one for an object.
func (s *survey) hopOf(i int32) (hop, bool) {
	r := &s.want.routes[i]
	if !s.nexthops.wanted || r.v6 || r.kind != unix.RTN_UNICAST || r.gateway == (ip{}) || r.link == 0 ||
		r.object != 0 || r.encap != (unique.Handle[encap]{}) {
		return hop{}, false
	}
	h := r.hop
	h.link = s.linkOf(i)
	return h, true
}

// destined is hopOf of a route that may not be desired, or need no object: the zero hop.
func (s *survey) destined(i int32) hop {
	if i < 0 {
		return hop{}
	}
	h, _ := s.hopOf(i)
	return h
}

// objectOf gives the id of the object that the desired route i is to use: 0 for none.
func (s *survey) objectOf(i int32) uint32 {
	if id := s.want.routes[i].object; id != 0 || !s.nexthops.wanted {
		return id // inlined, as it is asked for each route
	}
	return s.findObject(i)
}

func (s *survey) findObject(i int32) uint32 {
	h, ok := s.hopOf(i)
	if !ok {
		return 0
	}
	if id, ok := s.nexthops.ids[h]; ok {
		return id
	}
	return noObject
}

// resolve makes of what a dumped route says of its object what can be compared. IPv6 routes that use one are
// strange.
func (s *survey) resolve(r *route) {
	if r.v6 {
		r.strange = true
	} else if h, ok := s.nexthops.ours[r.object]; ok && r.protocol == s.protocol {
		r.hop = h
	}
}

// nexthop is an object.
type nexthop struct {
	id       uint32
	hop      hop
	protocol uint8
	strange  bool     // not IPv4, or with what a hop does not say
	members  []uint32 // of a group
}

func (o nexthop) describe(name namer) described { return describeNexthop(o.id, o.hop, name) }

func describeNexthop(id uint32, h hop, name namer) described {
	return described(fmt.Sprintf("nexthop id %d %s", id, way(h, name)))
}

func describeHop(h hop, name namer) described { return described("nexthop " + way(h, name)) }

func way(h hop, name namer) string {
	s := fmt.Sprintf("via %v dev %s", h.gateway.addr(false), name(h.link))
	if h.onlink {
		s += " onlink"
	}
	return s
}

const sizeofNhmsg = 8 // struct nhmsg of linux/nexthop.h

// decodeNexthop reads a struct nhmsg and its attributes.
func decodeNexthop(body []byte) (o nexthop, ok bool) {
	if len(body) < sizeofNhmsg {
		return o, false
	}
	o.protocol = body[2]
	o.strange = body[0] != unix.AF_INET
	o.hop.onlink = native.Uint32(body[4:])&unix.RTNH_F_ONLINK != 0
	for typ, v := range rtnetlink.Attributes(body[sizeofNhmsg:]) {
		switch typ {
		case unix.NHA_ID:
			o.id = uint32At(v)
		case unix.NHA_OIF:
			o.hop.link = int32(uint32At(v))
		case unix.NHA_GATEWAY:
			copy(o.hop.gateway[:], v)
		case unix.NHA_GROUP:
			o.strange = true
			for ; len(v) >= 8; v = v[8:] { // struct nexthop_grp
				o.members = append(o.members, native.Uint32(v))
			}
		default:
			o.strange = true // an encapsulation, a blackhole, a forwarding database
		}
	}
	o.strange = o.strange || o.hop.link == 0 || o.hop.gateway == ip{}
	return o, o.id != 0
}

// putNexthop adds a request that creates an object, with NLM_F_CREATE and NLM_F_EXCL, or changes one, with
// NLM_F_REPLACE.
func putNexthop(b *rtnetlink.Batch, flags uint16, o *nexthop) {
	b.Begin(unix.RTM_NEWNEXTHOP, flags)
	fixed := [sizeofNhmsg]byte{unix.AF_INET, 0, o.protocol}
	if o.hop.onlink {
		native.PutUint32(fixed[4:], unix.RTNH_F_ONLINK)
	}
	b.Raw(fixed[:])
	b.Uint32(unix.NHA_ID, o.id)
	b.Uint32(unix.NHA_OIF, uint32(o.hop.link))
	b.Bytes(unix.NHA_GATEWAY, o.hop.gateway.bytes(false))
}

// dropNexthop adds a request that deletes the object, whoever's it is by then, and with it the routes that
// use it.
func dropNexthop(b *rtnetlink.Batch, id uint32) {
	b.Begin(unix.RTM_DELNEXTHOP, 0)
	b.Raw(make([]byte, sizeofNhmsg))
	b.Uint32(unix.NHA_ID, id)
}

// askNexthops makes b the request for all objects.
func askNexthops(b *rtnetlink.Batch) {
	b.Reset()
	b.Begin(unix.RTM_GETNEXTHOP, unix.NLM_F_DUMP)
	b.Raw(make([]byte, sizeofNhmsg))
}
