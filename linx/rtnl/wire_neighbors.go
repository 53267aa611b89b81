package rtnl

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

const (
	ndaProtocol   = 12     // NDA_PROTOCOL: Linux 5.0
	ndaFlagsExt   = 15     // NDA_FLAGS_EXT: Linux 5.16
	ntfExtManaged = 1 << 0 // NTF_EXT_MANAGED
)

// neighbor is a neighbour in the kernel's terms. A desired one has the position of its interface's name in
// link, until that is replaced by the interface's index.
type neighbor struct {
	neighborKey
	mac    MAC
	state  uint16 // NUD_; NUD_PERMANENT for a proxy
	to     remote // of an entry of a vxlan's forwarding database
	sticky bool   // of one of a bridge's
}

// neighborKey is a neighbour's identity.
type neighborKey struct {
	dst  ip
	link int32
	neighborTable
	fdbKey
}

// neighborTable is what the kernel keeps apart. There is one of forwarding databases, where v6 means nothing.
type neighborTable struct{ v6, proxy, fdb bool }

var neighborTables = [...]neighborTable{{}, {proxy: true}, {v6: true}, {v6: true, proxy: true}, {fdb: true}}

// packNeighbor gives n in the kernel's terms; link is the position or index of its interface, via that of
// its FDB.Via. n is valid.
func packNeighbor(n *Neighbor, link, via int32) neighbor {
	p := neighbor{
		neighborKey: neighborKey{dst: packIP(n.Destination), link: link,
			neighborTable: neighborTable{v6: n.Destination.Is6(), proxy: n.Proxy}},
		mac:   n.LinkAddr,
		state: neighborStates[n.State].kernel,
	}
	if n.FDB != (FDB{}) {
		p.packFDB(n, via)
	}
	return p
}

// seenNeighbor is a neighbour as the kernel shows it.
type seenNeighbor struct {
	neighbor
	there    bool // false: there is none
	flags    uint8
	protocol uint8
	bridge   int32 // whose forwarding database it is in; 0: none
	strange  bool  // it has what this package cannot say, as a link-layer address that is not Ethernet's
	managed  bool  // somebody has the kernel keep it resolved
	group    bool  // for the kernel it is a multicast or broadcast address
}

// learned says that the kernel has made it from what it heard, and would forget it.
func (n *seenNeighbor) learned() bool {
	return !n.proxy && !n.managed && n.state&(unix.NUD_PERMANENT|unix.NUD_NOARP) == 0 && n.flags&unix.NTF_EXT_LEARNED == 0
}

// holder describes n, in whatever state it is.
func (n *seenNeighbor) holder(name namer) fmt.Stringer {
	switch u := n.unpack(name); {
	case n.fdb && n.learned():
		return described(strings.TrimSuffix(u.String(), " "+u.State.String()) + ", learned")
	case n.learned():
		return described(fmt.Sprintf("neighbor %v lladdr %v dev %s, learned", n.dst.addr(n.v6), n.mac, name(n.link)))
	default:
		return u
	}
}

func (n *neighbor) unpack(name namer) Neighbor {
	if n.fdb {
		return n.unpackFDB(name)
	}
	u := Neighbor{Interface: name(n.link), Destination: n.dst.addr(n.v6), LinkAddr: n.mac, Proxy: n.proxy}
	if !n.proxy && n.state&unix.NUD_NOARP != 0 {
		u.State = NoARP
	}
	return u
}

// decodeNeighbor reads a struct ndmsg and its attributes.
func decodeNeighbor(body []byte, n *seenNeighbor) bool {
	if len(body) < unix.SizeofNdMsg {
		return false
	}
	*n = seenNeighbor{there: true, flags: body[10], neighbor: neighbor{
		neighborKey: neighborKey{link: int32(native.Uint32(body[4:])), neighborTable: neighborTable{
			v6: body[0] == unix.AF_INET6, proxy: body[10]&unix.NTF_PROXY != 0}},
		state: native.Uint16(body[8:]),
	}}
	if body[0] == unix.AF_BRIDGE {
		n.neighborTable = neighborTable{fdb: true}
		decodeFDB(body[unix.SizeofNdMsg:], n)
		return true
	}
	n.group = body[11] == unix.RTN_MULTICAST || body[11] == unix.RTN_BROADCAST
	if !n.v6 && body[0] != unix.AF_INET {
		return false
	}
	if n.proxy {
		n.state = unix.NUD_PERMANENT // shown by newer kernels alone
	}
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofNdMsg:]) {
		switch typ {
		case unix.NDA_DST:
			copy(n.dst[:], v)
		case unix.NDA_LLADDR:
			n.strange = len(v) != len(n.mac) && len(v) != 0 // 0: the interface has none
			copy(n.mac[:], v)
		case ndaProtocol:
			n.protocol = uint8At(v)
		case ndaFlagsExt:
			n.managed = uint32At(v)&ntfExtManaged != 0
		}
	}
	return true
}

// putNeighbor adds a request that creates n, with NLM_F_CREATE and NLM_F_EXCL, or changes what is there,
// with NLM_F_REPLACE alone. A proxy comes to be in either way: the kernel looks at no flag.
func putNeighbor(b *rtnetlink.Batch, flags uint16, n *neighbor, protocol uint8) {
	if n.fdb {
		putFDB(b, unix.RTM_NEWNEIGH, flags, n)
		return
	}
	b.Begin(unix.RTM_NEWNEIGH, flags)
	putNdmsg(b, n)
	if n.mac != (MAC{}) {
		b.Bytes(unix.NDA_LLADDR, n.mac[:])
	}
	b.Uint8(ndaProtocol, protocol)
}

// dropNeighbor adds a request that deletes n. The kernel compares the identity alone; of an entry of a
// forwarding database, where it leads too.
func dropNeighbor(b *rtnetlink.Batch, n *neighbor) {
	if n.fdb {
		putFDB(b, unix.RTM_DELNEIGH, 0, n)
		return
	}
	b.Begin(unix.RTM_DELNEIGH, 0)
	putNdmsg(b, n)
}

func putNdmsg(b *rtnetlink.Batch, n *neighbor) {
	var fixed [unix.SizeofNdMsg]byte
	fixed[0] = family(n.v6)
	native.PutUint32(fixed[4:], uint32(n.link))
	native.PutUint16(fixed[8:], n.state)
	if n.proxy {
		fixed[10] = unix.NTF_PROXY
	}
	b.Raw(fixed[:])
	b.Bytes(unix.NDA_DST, n.dst.bytes(n.v6))
}

// askNeighbors makes b the request for one table's neighbours, of one interface or, where 0, of all.
func askNeighbors(b *rtnetlink.Batch, t neighborTable, link int32) {
	b.Reset()
	b.Begin(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
	var fixed [unix.SizeofNdMsg]byte
	switch {
	case t.fdb:
		fixed[0] = unix.AF_BRIDGE
	case t.proxy:
		fixed[0], fixed[10] = family(t.v6), unix.NTF_PROXY
	default:
		fixed[0] = family(t.v6)
	}
	b.Raw(fixed[:])
	if link != 0 {
		b.Uint32(unix.NDA_IFINDEX, uint32(link))
	}
}
