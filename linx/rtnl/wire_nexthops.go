package rtnl

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// nexthop is a nexthop object. A desired one has the position of its interface's name in hop.link.
type nexthop struct {
	id        uint32
	hop       hop // of a single one
	protocol  uint8
	blackhole bool
	v6        bool     // a single one of IPv6
	strange   bool     // not IPv4, or with what a NexthopObject does not say
	members   []member // of a group, by id
}

type member struct {
	id     uint32
	weight uint8 // less 1
}

func (o *nexthop) group() bool { return len(o.members) > 0 }

// leadsTo says that o is one for the way of a route: by a gateway, which the automatic ones have.
func (o *nexthop) leadsTo() bool {
	return !o.strange && !o.blackhole && !o.group() && o.hop.gateway != (ip{})
}

// leadsAs says that o and other lead the same way.
func (o *nexthop) leadsAs(other *nexthop) bool {
	return !o.strange && !other.strange && o.hop == other.hop && o.blackhole == other.blackhole && slices.Equal(o.members, other.members)
}

func packNexthop(o *NexthopObject, link int32) nexthop {
	p := nexthop{
		id:        o.ID,
		hop:       hop{gateway: packIP(o.Gateway), link: link, onlink: o.OnLink},
		blackhole: o.Blackhole,
	}
	for _, m := range o.Group {
		p.members = append(p.members, member{m.ID, uint8(max(m.Weight, 1) - 1)})
	}
	p.sort()
	return p
}

func (o *nexthop) sort() {
	slices.SortFunc(o.members, func(a, b member) int { return cmp.Compare(a.id, b.id) })
}

func (o *nexthop) unpack(name namer) NexthopObject {
	u := NexthopObject{ID: o.id, Blackhole: o.blackhole}
	if o.hop.link != 0 {
		u.Gateway, u.Interface, u.OnLink = o.hop.gateway.addr(false), name(o.hop.link), o.hop.onlink
	}
	for _, m := range o.members {
		weight := uint16(m.weight) + 1
		if weight == 1 {
			weight = 0 // as it can be left out
		}
		u.Group = append(u.Group, NexthopMember{m.id, weight})
	}
	return u
}

// describe gives o in words, which are comparable, as the object of an op has to be.
func (o *nexthop) describe(name namer) described { return described(o.unpack(name).String()) }

func describeNexthop(id uint32, h hop, name namer) described {
	o := nexthop{id: id, hop: h}
	return o.describe(name)
}

// describeHop describes an object that has no id yet.
func describeHop(h hop, name namer) described {
	return described(strings.Replace(string(describeNexthop(0, h, name)), " id 0", "", 1))
}

// Of linux/nexthop.h.
const (
	sizeofNhmsg = 8  // struct nhmsg
	nhaOpFlags  = 14 // NHA_OP_FLAGS
)

// decodeNexthop reads a struct nhmsg and its attributes.
func decodeNexthop(body []byte) (o nexthop, ok bool) {
	if len(body) < sizeofNhmsg {
		return o, false
	}
	o.v6, o.protocol = body[0] == unix.AF_INET6, body[2]
	o.hop.onlink = native.Uint32(body[4:])&unix.RTNH_F_ONLINK != 0
	for typ, v := range rtnetlink.Attributes(body[sizeofNhmsg:]) {
		switch typ {
		case unix.NHA_ID:
			o.id = uint32At(v)
		case unix.NHA_OIF:
			o.hop.link = int32(uint32At(v))
		case unix.NHA_GATEWAY:
			copy(o.hop.gateway[:], v)
		case unix.NHA_BLACKHOLE:
			o.blackhole = true
		case unix.NHA_GROUP:
			for ; len(v) >= 8; v = v[8:] { // struct nexthop_grp
				o.members = append(o.members, member{native.Uint32(v), v[4]})
				o.strange = o.strange || v[5] != 0 // a weight above 256, from Linux 6.12 on
			}
			o.sort()
		case unix.NHA_GROUP_TYPE:
			o.strange = o.strange || len(v) < 2 || native.Uint16(v) != 0 // resilient
		case nhaOpFlags: // what fields of the answer mean
		default:
			o.strange = true // an encapsulation, a forwarding database
		}
	}
	o.strange = o.strange || body[0] != unix.AF_INET && !o.group() || !o.group() && !o.blackhole && o.hop.link == 0
	return o, o.id != 0
}

// putNexthop adds a request that creates an object, with NLM_F_CREATE and NLM_F_EXCL, or changes one, with
// NLM_F_REPLACE.
func putNexthop(b *rtnetlink.Batch, flags uint16, o *nexthop) {
	b.Begin(unix.RTM_NEWNEXTHOP, flags)
	fixed := [sizeofNhmsg]byte{unix.AF_INET, 0, o.protocol}
	if o.group() {
		fixed[0] = unix.AF_UNSPEC
	}
	if o.hop.onlink {
		native.PutUint32(fixed[4:], unix.RTNH_F_ONLINK)
	}
	b.Raw(fixed[:])
	b.Uint32(unix.NHA_ID, o.id)
	switch {
	case o.group():
		var list []byte
		for _, m := range o.members {
			list = native.AppendUint32(list, m.id)
			list = append(list, m.weight, 0, 0, 0)
		}
		b.Bytes(unix.NHA_GROUP, list)
	case o.blackhole:
		b.Bytes(unix.NHA_BLACKHOLE, nil)
	default:
		b.Uint32(unix.NHA_OIF, uint32(o.hop.link))
		if o.hop.gateway != (ip{}) {
			b.Bytes(unix.NHA_GATEWAY, o.hop.gateway.bytes(false))
		}
	}
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
