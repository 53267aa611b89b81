package monitor

import (
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// ndaProtocol is NDA_PROTOCOL of linux/neighbour.h, since Linux 5.0.
const ndaProtocol = 12

// Neighbor is an entry of the neighbour tables (ARP, NDP), or of a bridge's forwarding database, which
// has no Addr.
type Neighbor struct {
	Family   uint8 // unix.AF_INET, AF_INET6, or AF_BRIDGE
	Index    int   // of the interface
	Addr     netip.Addr
	Hardware net.HardwareAddr // nil: not known
	State    uint16           // unix.NUD_REACHABLE and the like
	Flags    uint8            // unix.NTF_ROUTER and the like
	Protocol uint8            // who made it, or was the last to change it: unix.RTPROT_; 0: unknown
}

// Neighbor decodes an Event of KindNeighbor.
func (e Event) Neighbor() (Neighbor, bool) {
	fixed, attributes, ok := e.split(KindNeighbor, unix.SizeofNdMsg)
	if !ok {
		return Neighbor{}, false
	}
	n := Neighbor{
		Family: fixed[0],
		Index:  int(int32(native.Uint32(fixed[4:]))),
		State:  native.Uint16(fixed[8:]),
		Flags:  fixed[10],
	}
	var r reader
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.NDA_DST:
			n.Addr = r.addr(v)
		case unix.NDA_LLADDR:
			n.Hardware = slices.Clone(v)
		case ndaProtocol:
			n.Protocol = r.uint8(v)
		}
	}
	return n, !r.bad && (n.Addr.IsValid() || !isIP(n.Family))
}
