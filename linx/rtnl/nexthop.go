package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// NexthopObject is a nexthop object of the kernel's (Linux 5.3): where routes lead, under a number that they
// name as their NextHopID. To change it leads all of them elsewhere, at once. It is one way, a Blackhole or a
// Group. Its ID is its identity: two of one state cannot agree in it.
//
// It is for IPv4 alone: to replace an object that IPv6 routes use, while others change IPv6 routes, crashes
// Linux 6.18.
//
// It is ours if it carries Options.Protocol, which the kernel keeps as nh_protocol. What others' routes or
// groups use is neither changed nor deleted, since it would take those along: that is a *ConflictError. It is
// looked at right before, as the kernel has no guard. A group never becomes a single one, or the other way
// round, while routes use it: the kernel cannot do that. Nor does it keep one whose interface is down.
type NexthopObject struct {
	// ID is any number but 0 and those that Options.NexthopObjects gives, from 1275068416 to 1291845631.
	ID uint32 `json:"id"`
	// Gateway is the next hop. Zero: destinations are directly on Interface.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Interface is the name of the interface, which a Gateway needs too. One that does not exist is waited
	// for.
	Interface string `json:"interface,omitempty"`
	// OnLink says that Gateway is reached over Interface although no address tells so.
	OnLink bool `json:"onlink,omitempty"`
	// Blackhole drops packets without a word, instead of leading them anywhere.
	Blackhole bool `json:"blackhole,omitempty"`
	// Group is others of the same state, each for its share of the traffic. They are no groups themselves. A
	// blackhole can only be alone in one. At most 1000.
	Group []NexthopMember `json:"group,omitempty"`
}

// NexthopMember is one of a group.
type NexthopMember struct {
	// ID is that of an object of the same state.
	ID uint32 `json:"id"`
	// Weight is the share of the traffic, 1 to 256. 0: 1.
	Weight uint16 `json:"weight,omitempty"`
}

// String gives "nexthop id 7 via 10.0.0.2 dev v0" or "nexthop id 9 group 7/8,3", in the words of ip(8).
func (o NexthopObject) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nexthop id %d", o.ID)
	way := NextHop{Gateway: o.Gateway, Interface: o.Interface}
	b.WriteString(way.words())
	if o.OnLink {
		b.WriteString(" onlink")
	}
	if o.Blackhole {
		b.WriteString(" blackhole")
	}
	for i, m := range o.Group {
		separator := "/"
		if i == 0 {
			separator = " group "
		}
		b.WriteString(separator + m.String())
	}
	return b.String()
}

// String gives "7", or "7,3" of weight 3.
func (m NexthopMember) String() string {
	s := strconv.FormatUint(uint64(m.ID), 10)
	if m.Weight > 1 {
		s += "," + strconv.Itoa(int(m.Weight))
	}
	return s
}

// idFault finds what is wrong with the id of a nexthop object.
func idFault(id uint32) error {
	switch {
	case id == 0:
		return errors.New("no ID; any but 0 is one")
	case automaticID(id):
		return fmt.Errorf("nexthop id %d: %d to %d are for Options.NexthopObjects; give one outside", id, firstNexthop, firstNexthop+1<<24-1)
	}
	return nil
}

// fault finds what is wrong with an object by itself.
func (o *NexthopObject) fault() error {
	if err := idFault(o.ID); err != nil {
		return err
	}
	way := NextHop{Gateway: o.Gateway, Interface: o.Interface, OnLink: o.OnLink}
	switch {
	case o.Blackhole && len(o.Group) > 0, way != NextHop{} && (o.Blackhole || len(o.Group) > 0):
		return errors.New("more than one of a way (Gateway, Interface, OnLink), Blackhole and Group; an object is one of them")
	case len(o.Group) > 0:
		return o.groupFault()
	case o.Blackhole:
		return nil
	case o.Interface == "":
		return errors.New("no Interface, which a Gateway needs in an object, too; for what leads nowhere, say Blackhole")
	case o.Gateway.IsValid() && o.Gateway.Unmap().Is6():
		return fmt.Errorf("gateway %v: to replace an object that IPv6 routes use, while others change IPv6 routes, "+
			"crashes Linux 6.18; give the routes Gateway, or NextHops", o.Gateway)
	}
	return way.fault()
}

func (o *NexthopObject) groupFault() error {
	if n := len(o.Group); n > maximumWays {
		return fmt.Errorf("a Group of %d; at most %d are possible", n, maximumWays)
	}
	for i, m := range o.Group {
		switch {
		case m.ID == o.ID:
			return fmt.Errorf("member Group[%d]: a group is no member of itself", i)
		case m.Weight > maximumWeight:
			return fmt.Errorf("member Group[%d]: weight %d; at most %d is possible", i, m.Weight, maximumWeight)
		}
		for k := range o.Group[:i] {
			if o.Group[k].ID == m.ID {
				return fmt.Errorf("member Group[%d]: the same object as Group[%d]; a Weight says how much goes there", i, k)
			}
		}
	}
	return nil
}

// nextHopIDFault finds what is wrong with a route that follows a nexthop object.
func (r *Route) nextHopIDFault() error {
	switch {
	case r.way() != NextHop{}, len(r.NextHops) > 0:
		return errors.New("NextHopID beside Gateway, Interface, OnLink, Encap or NextHops; the object alone says where it leads")
	case r.Type != Unicast:
		return fmt.Errorf("%v route with NextHopID; only a unicast one follows an object", r.Type)
	case r.v6():
		return errors.New("NextHopID in an IPv6 route: to replace an object that IPv6 routes use, while others change " +
			"IPv6 routes, crashes Linux 6.18; give Gateway, or NextHops")
	}
	return idFault(r.NextHopID)
}

// addNexthops checks the objects against each other, and makes them ready to be looked up.
func (x *index) addNexthops(wrong *faults) {
	list := x.state.Nexthops
	x.nexthops = make([]nexthop, len(list))
	x.nexthop = make(map[uint32]int32, len(list))
	for i := range list {
		x.nexthops[i] = packNexthop(&list[i], x.position(list[i].Interface))
		if j, ok := x.nexthop[list[i].ID]; ok {
			wrong.add("nexthops", i, fmt.Errorf("%v: nexthops[%d] has the same ID, %v", list[i], j, list[j]))
		}
		x.nexthop[list[i].ID] = int32(i)
	}
	for i := range list {
		for k, m := range list[i].Group {
			wrong.add("nexthops", i, x.memberFault(&list[i], k, m.ID))
		}
	}
	for i := range x.routes {
		x.follows = x.follows || x.routes[i].object != 0
	}
}

// usesObjects says that nexthop objects matter to the state.
func (x *index) usesObjects() bool { return x.follows || len(x.nexthops) > 0 }

func (x *index) memberFault(o *NexthopObject, k int, id uint32) error {
	at, ok := x.nexthop[id]
	switch {
	case !ok:
		return fmt.Errorf("member Group[%d]: no object of this state has the id %d", k, id)
	case x.nexthops[at].group():
		return fmt.Errorf("member Group[%d]: nexthops[%d] is a group itself, which the kernel refuses", k, at)
	case x.nexthops[at].blackhole && len(o.Group) > 1:
		return fmt.Errorf("member Group[%d]: nexthops[%d] is a blackhole, which can only be alone in a group", k, at)
	}
	return nil
}
