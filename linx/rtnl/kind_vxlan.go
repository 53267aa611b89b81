package rtnl

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// VXLAN is what is particular to KindVXLAN. In place the kernel changes Remote, Local, Device, TTL, TOS,
// FlowLabel, DF, NoLearning and Ageing; but not the family of an address, nor a Device to none.
type VXLAN struct {
	// ID is the network's, from 1 to 16777215. 0: none, which takes External.
	ID uint32 `json:"id,omitempty"`
	// Remote is where packets go whose destination is not known: another host, or a multicast group, which
	// takes Device. Zero: nowhere.
	Remote netip.Addr `json:"remote,omitzero"`
	// Local is the address to send from. Zero: the kernel's choice.
	Local netip.Addr `json:"local,omitzero"`
	// Device is the name of the interface to send by. "": by the route.
	Device string `json:"dev,omitempty"`
	// Port is the UDP port to send to and to listen at. 0: 8472, which is not the 4789 of RFC 7348.
	Port uint16 `json:"dstport,omitempty"`
	// SourcePorts are the UDP ports to send from, by flow. Zero: the kernel's range of local ports. Its text
	// is "1000-2000"; the last is left out by the kernel.
	SourcePorts PortRange `json:"srcport,omitzero"`
	// TTL is that of outer packets. 0: that of the route, or 1 for multicast.
	TTL uint8 `json:"ttl,omitempty"`
	// TOS is that of outer packets. 1: that of the inner ones.
	TOS uint8 `json:"tos,omitempty"`
	// FlowLabel is that of outer IPv6 packets, up to 0xfffff.
	FlowLabel uint32 `json:"flowlabel,omitempty"`
	// DF says how outer IPv4 packets have the don't fragment bit. Zero: DFUnset.
	DF DontFragment `json:"df,omitempty"`
	// Ageing is for how many seconds a learned address is remembered. 0: 300.
	Ageing uint32 `json:"ageing,omitempty"`
	// MaxAddresses is how many addresses are remembered at most. 0: any number.
	MaxAddresses uint32 `json:"maxaddress,omitempty"`
	// NoLearning has the kernel not learn addresses from the packets that it gets.
	NoLearning bool `json:"nolearning,omitempty"`
	// Proxy has the kernel answer ARP and NDP requests itself, from its neighbour table.
	Proxy bool `json:"proxy,omitempty"`
	// RSC has it send packets for the router's address straight to where they are routed.
	RSC bool `json:"rsc,omitempty"`
	// L2Miss and L3Miss have it tell netlink of link-layer and IP addresses that it misses.
	L2Miss bool `json:"l2miss,omitempty"`
	L3Miss bool `json:"l3miss,omitempty"`
	// NoUDPChecksum leaves it out of outer IPv4 packets.
	NoUDPChecksum bool `json:"noudpcsum,omitempty"`
	// ZeroUDP6Send leaves it out of outer IPv6 packets, ZeroUDP6Receive accepts that.
	ZeroUDP6Send    bool `json:"udp6zerocsumtx,omitempty"`
	ZeroUDP6Receive bool `json:"udp6zerocsumrx,omitempty"`
	// GBP has the mark of packets go along, as a group policy.
	GBP bool `json:"gbp,omitempty"`
	// External has routes and filters say where packets go, and with what ID. It takes NoLearning, which
	// ip(8) adds by itself.
	External bool `json:"external,omitempty"`
}

func (v *VXLAN) settings() []setting {
	return []setting{
		{"id", unix.IFLA_VXLAN_ID, u32(&v.ID).within(1, 1<<24-1), fixed},
		{"remote", unix.IFLA_VXLAN_GROUP, host46(&v.Remote, unix.IFLA_VXLAN_GROUP6).orGroup(), bare},
		{"local", unix.IFLA_VXLAN_LOCAL, host46(&v.Local, unix.IFLA_VXLAN_LOCAL6), 0},
		{"dev", unix.IFLA_VXLAN_LINK, device{at: &v.Device}, kept},
		{"dstport", unix.IFLA_VXLAN_PORT, be16(&v.Port).or(8472), fixed},
		{"srcport", unix.IFLA_VXLAN_PORT_RANGE, ports{&v.SourcePorts}, fixed},
		{"ttl", unix.IFLA_VXLAN_TTL, u8(&v.TTL), 0},
		{"tos", unix.IFLA_VXLAN_TOS, u8(&v.TOS).inHex(), 0},
		{"flowlabel", unix.IFLA_VXLAN_LABEL, be32(&v.FlowLabel).within(0, 0xfffff).inHex(), 0},
		{"df", unix.IFLA_VXLAN_DF, oneOf(&v.DF, dontFragments), 0},
		{"ageing", unix.IFLA_VXLAN_AGEING, u32(&v.Ageing).or(300), 0},
		{"maxaddress", unix.IFLA_VXLAN_LIMIT, u32(&v.MaxAddresses), fixed},
		{"nolearning", unix.IFLA_VXLAN_LEARNING, no(&v.NoLearning), 0},
		{"proxy", unix.IFLA_VXLAN_PROXY, yes(&v.Proxy), fixed},
		{"rsc", unix.IFLA_VXLAN_RSC, yes(&v.RSC), fixed},
		{"l2miss", unix.IFLA_VXLAN_L2MISS, yes(&v.L2Miss), fixed},
		{"l3miss", unix.IFLA_VXLAN_L3MISS, yes(&v.L3Miss), fixed},
		{"noudpcsum", unix.IFLA_VXLAN_UDP_CSUM, no(&v.NoUDPChecksum), fixed},
		{"udp6zerocsumtx", unix.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, yes(&v.ZeroUDP6Send), fixed},
		{"udp6zerocsumrx", unix.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, yes(&v.ZeroUDP6Receive), fixed},
		{"gbp", unix.IFLA_VXLAN_GBP, yes(&v.GBP).sized(0), fixed},
		{"external", unix.IFLA_VXLAN_COLLECT_METADATA, yes(&v.External), fixed},
	}
}

func (l *Link) vxlanFault() error {
	switch v := &l.VXLAN; {
	case v.ID == 0 && !v.External:
		return errors.New("no id: there is no vxlan without it, but for an external one")
	case v.ID != 0 && v.External:
		return fmt.Errorf("id %d: an external vxlan is told the id with each packet; leave it out", v.ID)
	case v.External && !v.NoLearning:
		return errors.New("external: packets are told where to go; want nolearning too")
	case v.Remote.IsMulticast() && v.Device == "":
		return fmt.Errorf("remote %v is a multicast group, which takes a dev", v.Remote)
	case v.Local.IsMulticast():
		return fmt.Errorf("local %v is no address of a host", v.Local)
	case v.FlowLabel != 0 && !v.Remote.Is6() && !v.Local.Is6():
		return fmt.Errorf("flowlabel %#x takes an IPv6 remote or local", v.FlowLabel)
	case v.Remote.IsValid() && v.Local.IsValid() && v.Remote.Is6() != v.Local.Is6():
		return fmt.Errorf("remote %v and local %v are of different families", v.Remote, v.Local)
	}
	return nil
}

// DontFragment says how outer IPv4 packets of a tunnel have the don't fragment bit.
type DontFragment string

const (
	DFUnset   DontFragment = "unset"   // never
	DFSet     DontFragment = "set"     // always
	DFInherit DontFragment = "inherit" // as the inner packet
)

var dontFragments = []word{{"unset", 0}, {"set", 1}, {"inherit", 2}}
