package monitor

import (
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Link is an interface.
type Link struct {
	Family    uint8 // unix.AF_UNSPEC; AF_BRIDGE: about it as a bridge's port; if Deleted, it is none any more
	Index     int
	Name      string
	Kind      string // "veth", "bridge"; "" for hardware, lo, and tun
	Flags     uint32 // unix.IFF_UP and the like
	MTU       uint32 // bytes
	Master    int    // index of the interface that it belongs to; 0: none
	Peer      int    // index of what it lies on, or of a veth's other end; 0: none
	PeerNSID  int    // number of the network namespace that Peer is in, as this one counts; -1: in this one
	State     uint8  // IF_OPER_: 6 is up, 2 down, 0 unknown (RFC 2863)
	Alias     string
	Hardware  net.HardwareAddr // its link-layer address
	Broadcast net.HardwareAddr // and that of all
}

// Link decodes an Event of KindLink.
func (e Event) Link() (Link, bool) {
	fixed, attributes, ok := e.split(KindLink, unix.SizeofIfInfomsg)
	if !ok {
		return Link{}, false
	}
	l := Link{
		Family:   fixed[0],
		Index:    int(int32(native.Uint32(fixed[4:]))),
		Flags:    native.Uint32(fixed[8:]),
		PeerNSID: -1,
	}
	var r reader
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			l.MTU = r.uint32(v)
		case unix.IFLA_MASTER:
			l.Master = int(r.uint32(v))
		case unix.IFLA_LINK:
			l.Peer = int(r.uint32(v))
		case unix.IFLA_LINK_NETNSID:
			l.PeerNSID = int(int32(r.uint32(v)))
		case unix.IFLA_OPERSTATE:
			l.State = r.uint8(v)
		case unix.IFLA_IFALIAS:
			l.Alias = unix.ByteSliceToString(v)
		case unix.IFLA_ADDRESS:
			l.Hardware = slices.Clone(v)
		case unix.IFLA_BROADCAST:
			l.Broadcast = slices.Clone(v)
		case unix.IFLA_LINKINFO:
			for typ, v := range rtnetlink.Attributes(v) {
				if typ == unix.IFLA_INFO_KIND {
					l.Kind = unix.ByteSliceToString(v)
				}
			}
		}
	}
	return l, !r.bad
}
