package rtnl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

const (
	ntfSticky    = 0x40 // NTF_STICKY: Linux 4.20
	ndaNexthopID = 13   // NDA_NH_ID: Linux 5.8
)

// fdbKey is what tells entries of forwarding databases apart. It is zero for other neighbours.
type fdbKey struct {
	station MAC
	vlan    uint16
	srcVNI  uint32
	master  bool   // in the database of the bridge that link is a port of
	flood   remote // where station has many
}

// remote is where a vxlan sends frames.
type remote struct {
	addr ip
	via  int32 // an interface, as neighborKey.link is; 0: none
	vni  uint32
	port uint16
	v6   bool
}

// packFDB completes the packing of n; via is the position or index of its FDB.Via.
func (p *neighbor) packFDB(n *Neighbor, via int32) {
	f := &n.FDB
	p.neighborKey = neighborKey{link: p.link, neighborTable: neighborTable{fdb: true}, fdbKey: fdbKey{
		station: n.LinkAddr, vlan: f.Vlan, srcVNI: f.SrcVNI, master: f.Of == Master}}
	p.mac, p.sticky = MAC{}, f.Sticky
	p.to = remote{addr: packIP(n.Destination), via: via, vni: f.VNI, port: f.Port, v6: n.Destination.Is6()}
	p.setFlood()
}

// floods says that a vxlan may have more than one entry for the station.
func (n *neighbor) floods() bool {
	return n.fdb && !n.master && (n.station == MAC{} || n.station[0]&1 != 0)
}

// setFlood keeps the key as it has to be once n.to is set.
func (n *neighbor) setFlood() {
	if n.floods() {
		n.flood = n.to
	}
}

func (n *neighbor) unpackFDB(name namer) Neighbor {
	u := Neighbor{Interface: name(n.link), LinkAddr: n.station, Destination: n.to.addr.addr(n.to.v6)}
	u.FDB = FDB{Of: Self, Vlan: n.vlan, Port: n.to.port, VNI: n.to.vni, SrcVNI: n.srcVNI, Via: name(n.to.via), Sticky: n.sticky}
	if n.master {
		u.FDB.Of = Master
	}
	if n.state&unix.NUD_PERMANENT == 0 {
		u.State = Static
	}
	return u
}

// decodeFDB reads the attributes of an entry of a forwarding database.
func decodeFDB(attributes []byte, n *seenNeighbor) {
	n.sticky = n.flags&ntfSticky != 0
	switch { // a vxlan shows what it was given, which may be both
	case n.state&unix.NUD_PERMANENT != 0:
		n.state = unix.NUD_PERMANENT
	case n.state&unix.NUD_NOARP != 0:
		n.state = unix.NUD_NOARP
	}
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.NDA_LLADDR:
			n.strange = n.strange || len(v) != len(n.station)
			copy(n.station[:], v)
		case unix.NDA_DST:
			n.to.v6 = len(v) == len(n.to.addr)
			copy(n.to.addr[:], v)
		case unix.NDA_VLAN:
			if len(v) >= 2 {
				n.vlan = native.Uint16(v)
			}
		case unix.NDA_PORT:
			if len(v) >= 2 {
				n.to.port = binary.BigEndian.Uint16(v)
			}
		case unix.NDA_VNI:
			n.to.vni = uint32At(v)
		case unix.NDA_SRC_VNI:
			n.srcVNI = uint32At(v)
		case unix.NDA_IFINDEX:
			n.to.via = int32(uint32At(v))
		case unix.NDA_MASTER:
			n.bridge = int32(uint32At(v))
		case unix.NDA_LINK_NETNSID, ndaNexthopID:
			n.strange = true // leads into another namespace, or by nexthop objects
		}
	}
	n.master = n.bridge != 0 && n.bridge != n.link
	n.setFlood()
}

// putFDB adds a request about an entry of a forwarding database: RTM_NEWNEIGH or RTM_DELNEIGH.
func putFDB(b *rtnetlink.Batch, typ, flags uint16, n *neighbor) {
	b.Begin(typ, flags)
	var fixed [unix.SizeofNdMsg]byte
	fixed[0] = unix.AF_BRIDGE
	native.PutUint32(fixed[4:], uint32(n.link))
	// As bridge(8) has it: a vxlan refuses NUD_NOARP alone.
	state := uint16(unix.NUD_NOARP | unix.NUD_PERMANENT)
	if n.state&unix.NUD_PERMANENT == 0 {
		state = unix.NUD_NOARP | unix.NUD_REACHABLE
	}
	native.PutUint16(fixed[8:], state)
	fixed[10] = unix.NTF_SELF
	if n.master {
		fixed[10] = unix.NTF_MASTER
	}
	if n.sticky {
		fixed[10] |= ntfSticky
	}
	b.Raw(fixed[:])
	b.Bytes(unix.NDA_LLADDR, n.station[:])
	if n.to.addr != (ip{}) {
		b.Bytes(unix.NDA_DST, n.to.addr.bytes(n.to.v6))
	}
	if n.vlan != 0 {
		b.Uint16(unix.NDA_VLAN, n.vlan)
	}
	if n.to.port != 0 {
		b.Bytes(unix.NDA_PORT, binary.BigEndian.AppendUint16(nil, n.to.port))
	}
	for _, number := range []struct {
		typ uint16
		v   uint32
	}{{unix.NDA_VNI, n.to.vni}, {unix.NDA_SRC_VNI, n.srcVNI}, {unix.NDA_IFINDEX, uint32(n.to.via)}} {
		if number.v != 0 {
			b.Uint32(number.typ, number.v)
		}
	}
}

// forwarding is what is needed of an interface to know what its forwarding database can hold.
type forwarding struct {
	bridge   bool // it is one,
	bridged  bool // or a port of one
	vxlan    bool
	external bool   // a vxlan for many networks
	vni      uint32 // of a vxlan that is not, or 0
	port     uint16 // of a vxlan
	remote   ip     // where it floods to from the beginning; zero: nowhere
}

// decodeForwarding reads IFLA_LINKINFO.
func decodeForwarding(info []byte) (f forwarding) {
	var data []byte
	for typ, v := range rtnetlink.Attributes(info) {
		switch typ {
		case unix.IFLA_INFO_KIND:
			f.bridge, f.vxlan = is(v, "bridge"), is(v, "vxlan")
		case unix.IFLA_INFO_SLAVE_KIND:
			f.bridged = is(v, "bridge")
		case unix.IFLA_INFO_DATA:
			data = v
		}
	}
	if !f.vxlan {
		return f
	}
	for typ, v := range rtnetlink.Attributes(data) {
		switch typ {
		case unix.IFLA_VXLAN_ID:
			f.vni = uint32At(v)
		case unix.IFLA_VXLAN_PORT:
			if len(v) >= 2 {
				f.port = binary.BigEndian.Uint16(v)
			}
		case unix.IFLA_VXLAN_GROUP, unix.IFLA_VXLAN_GROUP6:
			copy(f.remote[:], v)
		case unix.IFLA_VXLAN_COLLECT_METADATA:
			f.external = len(v) > 0 && v[0] != 0
		}
	}
	return f
}

// is compares a string attribute, which ends in NUL.
func is(v []byte, word string) bool {
	return len(v) == len(word)+1 && v[len(word)] == 0 && string(v[:len(word)]) == word
}
