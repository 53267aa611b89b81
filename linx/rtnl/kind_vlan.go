package rtnl

import "golang.org/x/sys/unix"

// VLAN is what is particular to KindVLAN. In place the kernel changes what comes after Protocol. Maps between
// packet priorities and those of the tags are left out: they can be added to, but not be taken from.
type VLAN struct {
	// Link is the name of the interface that it is a VLAN of. It must be given.
	Link string `json:"link,omitempty"`
	// ID is the VLAN's, from 1 to 4094. It must be given.
	ID uint16 `json:"id,omitempty"`
	// Protocol is what the tags are known by. Zero: 802.1Q.
	Protocol VLANProtocol `json:"protocol,omitempty"`
	// NoReorderHeader leaves the tag in the packets that come in.
	NoReorderHeader bool `json:"no_reorder_hdr,omitempty"`
	// GVRP and MVRP have the VLAN announced to switches by these protocols.
	GVRP bool `json:"gvrp,omitempty"`
	MVRP bool `json:"mvrp,omitempty"`
	// LooseBinding keeps it up when Link goes down, BridgeBinding ties it to the ports of a bridge that Link is.
	LooseBinding  bool `json:"loose_binding,omitempty"`
	BridgeBinding bool `json:"bridge_binding,omitempty"`
}

func (v *VLAN) settings() []setting {
	flag := func(at *bool, mask uint32, says string) bit {
		return bit{at: at, mask: mask, form: bits{wire{4, native}, true}, says: " " + says}
	}
	// The masks are VLAN_FLAG_ of linux/if_vlan.h.
	reorder := flag(&v.NoReorderHeader, 1, "off")
	reorder.off = true
	return []setting{
		{"link", lower, device{at: &v.Link}, fixed | must},
		{"id", unix.IFLA_VLAN_ID, u16(&v.ID).within(1, 4094), fixed | must},
		{"protocol", unix.IFLA_VLAN_PROTOCOL, vlanProtocol(&v.Protocol), fixed},
		{"reorder_hdr", unix.IFLA_VLAN_FLAGS, reorder, 0},
		{"gvrp", unix.IFLA_VLAN_FLAGS, flag(&v.GVRP, 2, "on"), 0},
		{"mvrp", unix.IFLA_VLAN_FLAGS, flag(&v.MVRP, 8, "on"), 0},
		{"loose_binding", unix.IFLA_VLAN_FLAGS, flag(&v.LooseBinding, 4, "on"), 0},
		{"bridge_binding", unix.IFLA_VLAN_FLAGS, flag(&v.BridgeBinding, 16, "on"), 0},
	}
}

// VLANProtocol is what VLAN tags are known by.
type VLANProtocol string

const (
	VLAN8021Q  VLANProtocol = "802.1Q"
	VLAN8021AD VLANProtocol = "802.1ad" // the outer tag, of a provider
)

var vlanProtocols = []word{{"802.1Q", unix.ETH_P_8021Q}, {"802.1ad", unix.ETH_P_8021AD}}

func vlanProtocol(at *VLANProtocol) choice[VLANProtocol] {
	return oneOf(at, vlanProtocols).over(2, network)
}
