package rtnl

import (
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// BridgePort is how an interface behaves as a port of a bridge, which is its Master. All can be changed in
// place. Of the settings that begin with No, the kernel's default is on. The state in the spanning tree
// protocol is none of them: the kernel, or who speaks the protocol, sets it again whenever it sees fit.
//
// What is not asked for any more goes back to the kernel's default, if the interface was made here. Otherwise
// it stays, until the interface leaves the bridge: that forgets all.
type BridgePort struct {
	// Cost is what STP reckons, from 1 to 65535. 0: by the interface's speed; but what
	// was set stays when it is not asked for any more.
	Cost uint32 `json:"cost,omitempty"`
	// Priority is that of STP, up to 63. 0: 32; negative: 0.
	Priority int32 `json:"priority,omitempty"`
	// Hairpin sends packets back by the port that they came in by.
	Hairpin bool `json:"hairpin,omitempty"`
	// Guard disables the port when it gets STP packets.
	Guard bool `json:"guard,omitempty"`
	// RootBlock keeps the port from becoming the root's.
	RootBlock bool `json:"root_block,omitempty"`
	// FastLeave stops multicast at once when it is not asked for any more.
	FastLeave bool `json:"fastleave,omitempty"`
	// NoLearning has the bridge not learn addresses from the port.
	NoLearning bool `json:"no_learning,omitempty"`
	// NoFlood, NoMulticastFlood and NoBroadcastFlood send no packets to it that are for unknown addresses,
	// for groups that nobody asked for, or for all.
	NoFlood          bool `json:"no_flood,omitempty"`
	NoMulticastFlood bool `json:"no_mcast_flood,omitempty"`
	NoBroadcastFlood bool `json:"no_bcast_flood,omitempty"`
	// MulticastToUnicast sends multicast to each who asked for it.
	MulticastToUnicast bool `json:"mcast_to_unicast,omitempty"`
	// MulticastRouter says whether there is a multicast router behind it: 2: always; 0: 1, which is if one is
	// heard asking; negative: never.
	MulticastRouter int32 `json:"mcast_router,omitempty"`
	// GroupForwardMask is as that of Bridge.
	GroupForwardMask uint16 `json:"group_fwd_mask,omitempty"`
	// ProxyARP answers ARP requests from the bridge's neighbour table.
	ProxyARP bool `json:"proxy_arp,omitempty"`
	// NeighborSuppression keeps ARP and NDP from it where the bridge can answer itself.
	NeighborSuppression bool `json:"neigh_suppress,omitempty"`
	// VLANTunnel maps VLANs to the ids of an external vxlan.
	VLANTunnel bool `json:"vlan_tunnel,omitempty"`
	// Isolated has it talk only to ports that are not.
	Isolated bool `json:"isolated,omitempty"`
	// Locked lets nobody in who is not in the forwarding database.
	Locked bool `json:"locked,omitempty"`
}

func (p *BridgePort) settings() []setting {
	return []setting{
		{"cost", unix.IFLA_BRPORT_COST, u32(&p.Cost).within(1, 65535), loose},
		{"priority", unix.IFLA_BRPORT_PRIORITY, u16(&p.Priority).or(32).within(0, 63), 0},
		{"hairpin", unix.IFLA_BRPORT_MODE, yes(&p.Hairpin).saying("on"), 0},
		{"guard", unix.IFLA_BRPORT_GUARD, yes(&p.Guard).saying("on"), 0},
		{"root_block", unix.IFLA_BRPORT_PROTECT, yes(&p.RootBlock).saying("on"), 0},
		{"fastleave", unix.IFLA_BRPORT_FAST_LEAVE, yes(&p.FastLeave).saying("on"), 0},
		{"learning", unix.IFLA_BRPORT_LEARNING, no(&p.NoLearning).saying("off"), 0},
		{"flood", unix.IFLA_BRPORT_UNICAST_FLOOD, no(&p.NoFlood).saying("off"), 0},
		{"mcast_flood", unix.IFLA_BRPORT_MCAST_FLOOD, no(&p.NoMulticastFlood).saying("off"), 0},
		{"bcast_flood", unix.IFLA_BRPORT_BCAST_FLOOD, no(&p.NoBroadcastFlood).saying("off"), 0},
		{"mcast_to_unicast", unix.IFLA_BRPORT_MCAST_TO_UCAST, yes(&p.MulticastToUnicast).saying("on"), 0},
		{"mcast_router", unix.IFLA_BRPORT_MULTICAST_ROUTER, u8(&p.MulticastRouter).or(1).within(0, 2), 0},
		{"group_fwd_mask", unix.IFLA_BRPORT_GROUP_FWD_MASK, u16(&p.GroupForwardMask), 0},
		{"proxy_arp", unix.IFLA_BRPORT_PROXYARP, yes(&p.ProxyARP).saying("on"), 0},
		{"neigh_suppress", unix.IFLA_BRPORT_NEIGH_SUPPRESS, yes(&p.NeighborSuppression).saying("on"), 0},
		{"vlan_tunnel", unix.IFLA_BRPORT_VLAN_TUNNEL, yes(&p.VLANTunnel).saying("on"), 0},
		{"isolated", unix.IFLA_BRPORT_ISOLATED, yes(&p.Isolated).saying("on"), 0},
		{"locked", unix.IFLA_BRPORT_LOCKED, yes(&p.Locked).saying("on"), 0},
	}
}

func (p *BridgePort) list() []setting {
	if p == nil {
		return nil
	}
	return p.settings()
}

// fault finds what is wrong with what is asked for, and says what would be right.
func (p *BridgePort) fault() error { return faultOf("port", p.settings()) }

// words gives " type bridge_slave cost 10", to be put behind "ip link set dev v0".
func (p *BridgePort) words() string {
	s := " type bridge_slave"
	for _, setting := range p.settings() {
		s += setting.words()
	}
	return s
}

// portDiff gives the settings, in ip(8)'s words, that want asks for and that seen has otherwise, and those
// that last (or nil) asked for, and want does not, and that seen still has.
func (want *BridgePort) portDiff(seen, last *BridgePort) []string {
	changeable, _ := diffSettings(want.settings(), seen.settings(), last.list())
	return changeable
}

// putPortChange adds to a request that changes a bridge's port what it takes to make its settings those of
// want: see putKindChange. The kernel looks at it before it looks at IFLA_MASTER.
func putPortChange(b *rtnetlink.Batch, want, seen, last *BridgePort) {
	merged := *seen
	list := merged.settings()
	put := merge(list, want.settings(), seen.settings(), last.list())
	putInfo(b, unix.IFLA_INFO_SLAVE_KIND, "bridge", unix.IFLA_INFO_SLAVE_DATA, list, put, nil)
}

// decodePort reads an IFLA_INFO_SLAVE_DATA of the IFLA_INFO_SLAVE_KIND bridge. Cost is always there, as it
// has no constant default.
func decodePort(p *BridgePort, data []byte) { getSettings(p.settings(), data, nil) }
