package rtnl

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Tunnel is what is particular to KindGRE, KindGRETap, KindIPIP and KindSIT, which are over IPv4, and to
// KindIP6GRE, KindIP6GRETap and KindIP6Tunnel, which are over IPv6. What is zero is as ip(8) has it, which
// for these is not always the kernel's own default.
//
// In place, the kernel changes all but External, ISATAP, the Mode of those over IPv4, and whether these
// have a Remote. It may set the MTU anew then: what is desired is set again. The devices gre0, tunl0, sit0
// and the like that the kernel makes itself are not to be had by this.
type Tunnel struct {
	// Local is the address to send from and to listen at. Zero: any, as the kernel chooses.
	Local netip.Addr `json:"local,omitzero"`
	// Remote is the other end. Zero: any, which routes and neighbours must say.
	Remote netip.Addr `json:"remote,omitzero"`
	// Device is the name of the interface to send by. "": by the route.
	Device string `json:"dev,omitempty"`
	// TTL is that of outer packets, up to 255; ip(8) calls it hoplimit for IPv6. 0: the inner one's for IPv4,
	// 64 for IPv6; negative: 0, which for IPv6 is the route's.
	TTL int32 `json:"ttl,omitempty"`
	// TOS is that of outer packets; ip(8) calls it tclass for IPv6. For IPv4, 1: that of the inner ones.
	TOS uint8 `json:"tos,omitempty"`
	// InheritTOS and InheritFlowLabel take those of the inner packets. CopyTOS gives them that of the
	// outer one on arrival, which ip(8) calls dscp inherit. All are for IPv6.
	InheritTOS       bool `json:"inherit_tos,omitempty"`
	InheritFlowLabel bool `json:"inherit_flowlabel,omitempty"`
	CopyTOS          bool `json:"dscp_inherit,omitempty"`
	// FlowLabel is that of outer IPv6 packets, up to 0xfffff.
	FlowLabel uint32 `json:"flowlabel,omitempty"`
	// EncapLimit is how many more tunnels a packet may go into, up to 255, for IPv6. 0: 4; negative: 0.
	EncapLimit int32 `json:"encaplimit,omitempty"`
	// NoEncapLimit leaves the limit out of packets.
	NoEncapLimit bool `json:"no_encaplimit,omitempty"`
	// NoPMTUDiscovery leaves the don't fragment bit of outer packets to the inner ones, for IPv4. It takes a
	// zero TTL.
	NoPMTUDiscovery bool `json:"nopmtudisc,omitempty"`
	// IgnoreDF fragments inner packets that do not want to be, for KindGRE and KindGRETap. It takes
	// NoPMTUDiscovery.
	IgnoreDF bool `json:"ignore_df,omitempty"`
	// Mark is the firewall mark of outer packets.
	Mark uint32 `json:"fwmark,omitempty"`
	// Mode is what KindIPIP, KindSIT and KindIP6Tunnel carry. Zero: any.
	Mode TunnelMode `json:"mode,omitempty"`
	// ISATAP makes a KindSIT find routers by ISATAP.
	ISATAP bool `json:"isatap,omitempty"`

	// InKey and OutKey are the key that packets must have, and get. 0: none. This and what follows is for GRE.
	InKey  uint32 `json:"ikey,omitempty"`
	OutKey uint32 `json:"okey,omitempty"`
	// InSequence refuses packets out of order, OutSequence numbers them.
	InSequence  bool `json:"iseq,omitempty"`
	OutSequence bool `json:"oseq,omitempty"`
	// InChecksum refuses packets without a checksum, OutChecksum makes one.
	InChecksum  bool `json:"icsum,omitempty"`
	OutChecksum bool `json:"ocsum,omitempty"`

	// Encap puts all into UDP. Zero: it does not.
	Encap TunnelEncap `json:"encap,omitempty"`
	// EncapSourcePort and EncapPort are the UDP ports to send from and to. From 0: one by flow.
	EncapSourcePort uint16 `json:"encap-sport,omitempty"`
	EncapPort       uint16 `json:"encap-dport,omitempty"`
	// EncapChecksum has UDP checksums over IPv4, NoEncapChecksum6 none over IPv6.
	EncapChecksum    bool `json:"encap-csum,omitempty"`
	NoEncapChecksum6 bool `json:"noencap-udp6-csum,omitempty"`
	// EncapRemoteChecksum has the checksums of inner packets made by the other end.
	EncapRemoteChecksum bool `json:"encap-remcsum,omitempty"`

	// External has routes and filters say where packets go. It takes nothing else.
	External bool `json:"external,omitempty"`
}

// TunnelMode is what a tunnel carries.
type TunnelMode string

const (
	TunnelAny    TunnelMode = "any"
	TunnelIPIP   TunnelMode = "ipip"   // IPv4 in IPv4, of KindIPIP and KindSIT
	TunnelIP6IP  TunnelMode = "ip6ip"  // IPv6 in IPv4, of KindSIT
	TunnelMPLSIP TunnelMode = "mplsip" // MPLS in IPv4, of KindIPIP and KindSIT
	TunnelIP6IP6 TunnelMode = "ip6ip6" // IPv6 in IPv6, of KindIP6Tunnel
	TunnelIPIP6  TunnelMode = "ipip6"  // IPv4 in IPv6, of KindIP6Tunnel
)

// TunnelEncap is how a tunnel is put into UDP.
type TunnelEncap string

const (
	EncapNone TunnelEncap = "none"
	EncapFOU  TunnelEncap = "fou" // as it is
	EncapGUE  TunnelEncap = "gue" // with a header that says what follows
)

var (
	ipipModes    = []word{{"any", 0}, {"ipip", unix.IPPROTO_IPIP}, {"mplsip", unix.IPPROTO_MPLS}}
	sitModes     = []word{{"any", 0}, {"ip6ip", unix.IPPROTO_IPV6}, {"ipip", unix.IPPROTO_IPIP}, {"mplsip", unix.IPPROTO_MPLS}}
	ip6tnlModes  = []word{{"any", 0}, {"ip6ip6", unix.IPPROTO_IPV6}, {"ipip6", unix.IPPROTO_IPIP}}
	tunnelEncaps = []word{{"none", 0}, {"fou", 1}, {"gue", 2}}
)

// What x/sys/unix lacks of linux/if_tunnel.h.
const (
	ifGRELink = iota + 1
	ifGREInFlags
	ifGREOutFlags
	ifGREInKey
	ifGREOutKey
	ifGRELocal
	ifGRERemote
	ifGRETTL
	ifGRETOS
	ifGREPMTUDiscovery
	ifGREEncapLimit
	ifGREFlowInfo
	ifGREFlags
	ifGREEncapType
	ifGREEncapFlags
	ifGREEncapSport
	ifGREEncapDport
	ifGREExternal
	ifGREIgnoreDF
	ifGREMark
)

const (
	ifTunLink = iota + 1
	ifTunLocal
	ifTunRemote
	ifTunTTL
	ifTunTOS
	ifTunEncapLimit
	ifTunFlowInfo
	ifTunFlags
	ifTunProto
	ifTunPMTUDiscovery
	ifTun6RDPrefix
	ifTun6RDRelayPrefix
	ifTun6RDPrefixLen
	ifTun6RDRelayPrefixLen
	ifTunEncapType
	ifTunEncapFlags
	ifTunEncapSport
	ifTunEncapDport
	ifTunExternal
	ifTunMark
)

func (l *Link) tunnelFault() error {
	t := &l.Tunnel
	switch {
	case t.External && *t != Tunnel{External: true}:
		return errors.New("external: an external tunnel is told all with each packet; leave out the rest")
	case t.Local.IsMulticast():
		return fmt.Errorf("local %v is no address of a host", t.Local)
	case t.NoPMTUDiscovery && t.TTL != 0:
		return errors.New("nopmtudisc with a ttl; leave out one of them")
	case t.IgnoreDF && !t.NoPMTUDiscovery:
		return errors.New("ignore-df without nopmtudisc; say both")
	case t.NoEncapLimit && t.EncapLimit != 0:
		return fmt.Errorf("encaplimit %d and none; leave out one of them", t.EncapLimit)
	case t.InheritTOS && t.TOS != 0:
		return fmt.Errorf("tclass %#x and inherit; leave out one of them", t.TOS)
	case t.InheritFlowLabel && t.FlowLabel != 0:
		return fmt.Errorf("flowlabel %#x and inherit; leave out one of them", t.FlowLabel)
	case t.Encap == "" && (t.EncapPort != 0 || t.EncapSourcePort != 0 || t.EncapChecksum || t.NoEncapChecksum6 || t.EncapRemoteChecksum):
		return errors.New("settings of an encap, without one; want fou or gue")
	}
	return nil
}
