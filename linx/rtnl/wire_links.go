package rtnl

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

const vethInfoPeer = 1 // VETH_INFO_PEER

// seenLink is an interface as the kernel shows it, in terms of what can be desired.
type seenLink struct {
	Link
	index     int32
	bridged   bool  // it is a port of a bridge
	apart     bool  // its other end, or what it is made of, is in another namespace,
	nsid      int32 // which the kernel knows by this number,
	elsewhere bool  // and not where it is desired
}

// decodeLinkFully reads a struct ifinfomsg and its attributes.
func decodeLinkFully(body []byte, name namer) seenLink {
	l := seenLink{index: int32(native.Uint32(body[4:])), Link: Link{Admin: Down, Master: NoMaster}}
	if native.Uint32(body[8:])&unix.IFF_UP != 0 {
		l.Admin = Up
	}
	over := int32(0)
	var info []byte
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.Name = text(v)
		case unix.IFLA_MTU:
			l.MTU = uint32At(v)
		case unix.IFLA_ADDRESS:
			if len(v) == len(l.Address) {
				l.Address = MAC(v)
			}
		case unix.IFLA_TXQLEN:
			l.TxQueueLen = uint32At(v)
		case unix.IFLA_GROUP:
			l.Group = uint32At(v)
		case unix.IFLA_IFALIAS:
			l.Alias = text(v)
		case unix.IFLA_MASTER:
			l.Master = name(int32(uint32At(v)))
		case unix.IFLA_PROP_LIST:
			l.AltNames = altNames(v)
		case unix.IFLA_LINK:
			over = int32(uint32At(v))
		case unix.IFLA_LINK_NETNSID:
			l.apart, l.nsid = true, int32(uint32At(v))
		case unix.IFLA_LINKINFO:
			info = v
		}
	}
	if l.apart {
		over = 0 // an index that means nothing here
	}
	l.decodeInfo(info, over, name)
	return l
}

func (l *seenLink) decodeInfo(info []byte, over int32, name namer) {
	var kind string
	var data, port []byte
	for typ, v := range rtnetlink.Attributes(info) {
		switch typ {
		case unix.IFLA_INFO_KIND:
			kind = text(v)
		case unix.IFLA_INFO_DATA:
			data = v
		case unix.IFLA_INFO_SLAVE_KIND:
			l.bridged = text(v) == "bridge"
		case unix.IFLA_INFO_SLAVE_DATA:
			port = v
		}
	}
	if l.bridged {
		decodePort(&l.Port, port)
	}
	if kind != "" {
		decodeKind(&l.Link, kind, data, over, name)
	}
	if l.Kind == KindVeth && over != 0 {
		l.Veth.Peer = name(over)
	}
}

func altNames(properties []byte) (names []string) {
	for typ, v := range rtnetlink.Attributes(properties) {
		if typ == unix.IFLA_ALT_IFNAME {
			names = append(names, text(v))
		}
	}
	return names
}

// text reads a string that ends with a NUL, or with v.
func text(v []byte) string {
	s, _, _ := bytes.Cut(v, []byte{0})
	return string(s)
}

// putNewLink adds a request that creates l, with an index of our choice. What can be set later is: in a
// creation the kernel ignores some of it, and what it refuses would take the rest along. peer is the
// namespace of a veth's other end; nil: this one.
func putNewLink(b *rtnetlink.Batch, l *Link, at int32, peer *os.File, index func(name string) int32) {
	b.Begin(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	putIfinfomsg(b, at, 0, 0)
	b.String(unix.IFLA_IFNAME, l.Name)
	if l.MTU != 0 {
		b.Uint32(unix.IFLA_MTU, l.MTU)
	}
	if l.Address != (MAC{}) {
		b.Bytes(unix.IFLA_ADDRESS, l.Address[:])
	}
	if l.Kind == KindVeth {
		putVeth(b, &l.Veth, peer)
		return
	}
	putKind(b, l, index)
}

func putVeth(b *rtnetlink.Batch, v *Veth, peer *os.File) {
	endInfo := b.Nest(unix.IFLA_LINKINFO | unix.NLA_F_NESTED)
	b.String(unix.IFLA_INFO_KIND, string(KindVeth))
	endData := b.Nest(unix.IFLA_INFO_DATA | unix.NLA_F_NESTED)
	endPeer := b.Nest(vethInfoPeer | unix.NLA_F_NESTED)
	putIfinfomsg(b, 0, 0, 0)
	b.String(unix.IFLA_IFNAME, v.Peer)
	if peer != nil {
		b.Uint32(unix.IFLA_NET_NS_FD, uint32(peer.Fd()))
	}
	endPeer()
	endData()
	endInfo()
}

// putLinkChange adds a request that makes c. What an attribute's text says was checked, or comes from the
// kernel itself.
func putLinkChange(b *rtnetlink.Batch, c *linkChange, index func(name string) int32) {
	if c.attribute == altNameOf {
		putAltName(b, c)
		return
	}
	flags, mask := uint32(0), uint32(0)
	if c.attribute == "state" {
		mask = unix.IFF_UP
		if c.to == Up.String() {
			flags = unix.IFF_UP
		}
	}
	b.Begin(unix.RTM_NEWLINK, 0)
	putIfinfomsg(b, c.index, flags, mask)
	switch c.attribute {
	case nameOf:
		b.String(unix.IFLA_IFNAME, c.to)
	case "mtu":
		b.Uint32(unix.IFLA_MTU, numberIn(c.to))
	case "address":
		mac, _ := ParseMAC(c.to)
		b.Bytes(unix.IFLA_ADDRESS, mac[:])
	case "txqueuelen":
		b.Uint32(unix.IFLA_TXQLEN, numberIn(c.to))
	case "group":
		b.Uint32(unix.IFLA_GROUP, numberIn(c.to))
	case "alias":
		b.String(unix.IFLA_IFALIAS, c.to)
	case "master":
		master := int32(0)
		if c.to != NoMaster {
			master = index(c.to)
		}
		b.Uint32(unix.IFLA_MASTER, uint32(master))
	}
}

func putAltName(b *rtnetlink.Batch, c *linkChange) {
	typ, name := uint16(unix.RTM_NEWLINKPROP), c.to
	flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_APPEND)
	if c.to == "" {
		typ, flags, name = unix.RTM_DELLINKPROP, 0, c.from
	}
	b.Begin(typ, flags)
	putIfinfomsg(b, c.index, 0, 0)
	end := b.Nest(unix.IFLA_PROP_LIST | unix.NLA_F_NESTED)
	b.String(unix.IFLA_ALT_IFNAME, name)
	end()
}

// dropLink adds a request that deletes the interface with that index.
func dropLink(b *rtnetlink.Batch, index int32) {
	b.Begin(unix.RTM_DELLINK, 0)
	putIfinfomsg(b, index, 0, 0)
}

func putIfinfomsg(b *rtnetlink.Batch, index int32, flags, mask uint32) {
	var fixed [unix.SizeofIfInfomsg]byte
	native.PutUint32(fixed[4:], uint32(index))
	native.PutUint32(fixed[8:], flags)
	native.PutUint32(fixed[12:], mask)
	b.Raw(fixed[:])
}

// numberIn reads what number gave.
func numberIn(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}
