package rtnl

import (
	"unique"

	"golang.org/x/sys/unix"
)

// With Options.NexthopObjects, IPv4 routes that name both gateway and interface use a nexthop object for each
// such pair. The objects are ours by their protocol, as routes are, and nothing but the kernel remembers them.

// firstNexthop is where our ids begin: 'L' in the first byte, far from where the kernel and people begin.
const firstNexthop = 'L' << 24

// nexthops is what one observation says of nexthop objects.
type nexthops struct {
	wanted bool            // the option
	ours   map[uint32]hop  // by id, of those that this package gives: with one way, by a gateway
	ids    map[hop]uint32  // of those, the first for the way
	taken  map[uint32]bool // all ids, others' too
	six    map[uint32]bool // those of IPv6
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
		n.six = make(map[uint32]bool)
	}
	clear(n.ours)
	clear(n.ids)
	clear(n.taken)
	clear(n.six)
	clear(n.leads)
}

// see takes an object of ours.
func (n *nexthops) see(o *nexthop) {
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
	if !s.want.follows && !s.nexthops.wanted {
		return 0 // inlined, as it is asked for each route
	}
	return s.findObject(i)
}

func (s *survey) findObject(i int32) uint32 {
	if id := s.want.routes[i].object; id != 0 || !s.nexthops.wanted {
		return id
	}
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
