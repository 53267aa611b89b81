package rtnl

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Geneve is what is particular to KindGeneve. In place the kernel changes Remote, if not its family, TTL,
// TOS, FlowLabel and DF.
type Geneve struct {
	// ID is the network's, from 1 to 16777215. 0: none, which takes External.
	ID uint32 `json:"id,omitempty"`
	// Remote is the other end. It must be given, unless External.
	Remote netip.Addr `json:"remote,omitzero"`
	// Port is the UDP port to send to and to listen at. 0: 6081.
	Port uint16 `json:"dstport,omitempty"`
	// TTL is that of outer packets. 0: that of the route, or 1 for multicast.
	TTL uint8 `json:"ttl,omitempty"`
	// TOS is that of outer packets. 1: that of the inner ones.
	TOS uint8 `json:"tos,omitempty"`
	// FlowLabel is that of outer IPv6 packets, up to 0xfffff.
	FlowLabel uint32 `json:"flowlabel,omitempty"`
	// DF says how outer IPv4 packets have the don't fragment bit. Zero: DFUnset.
	DF DontFragment `json:"df,omitempty"`
	// UDPChecksum puts it into outer IPv4 packets.
	UDPChecksum bool `json:"udpcsum,omitempty"`
	// ZeroUDP6Send leaves it out of outer IPv6 packets, ZeroUDP6Receive accepts that.
	ZeroUDP6Send    bool `json:"udp6zerocsumtx,omitempty"`
	ZeroUDP6Receive bool `json:"udp6zerocsumrx,omitempty"`
	// External has routes and filters say where packets go, and with what ID.
	External bool `json:"external,omitempty"`
}

func (g *Geneve) settings() []setting {
	return []setting{
		{"id", unix.IFLA_GENEVE_ID, u32(&g.ID).within(1, 1<<24-1), fixed},
		{"remote", unix.IFLA_GENEVE_REMOTE, host46(&g.Remote, unix.IFLA_GENEVE_REMOTE6), 0},
		{"ttl", unix.IFLA_GENEVE_TTL, u8(&g.TTL), 0},
		{"tos", unix.IFLA_GENEVE_TOS, u8(&g.TOS).inHex(), 0},
		{"df", unix.IFLA_GENEVE_DF, oneOf(&g.DF, dontFragments), 0},
		{"flowlabel", unix.IFLA_GENEVE_LABEL, be32(&g.FlowLabel).within(0, 0xfffff).inHex(), 0},
		{"dstport", unix.IFLA_GENEVE_PORT, be16(&g.Port).or(6081), fixed},
		{"udpcsum", unix.IFLA_GENEVE_UDP_CSUM, yes(&g.UDPChecksum), fixed},
		{"udp6zerocsumtx", unix.IFLA_GENEVE_UDP_ZERO_CSUM6_TX, yes(&g.ZeroUDP6Send), fixed},
		{"udp6zerocsumrx", unix.IFLA_GENEVE_UDP_ZERO_CSUM6_RX, yes(&g.ZeroUDP6Receive), fixed},
		{"external", unix.IFLA_GENEVE_COLLECT_METADATA, yes(&g.External).sized(0), fixed},
	}
}

func (l *Link) geneveFault() error {
	g := &l.Geneve
	only := Geneve{External: true, Port: g.Port, UDPChecksum: g.UDPChecksum, ZeroUDP6Send: g.ZeroUDP6Send, ZeroUDP6Receive: g.ZeroUDP6Receive}
	switch {
	case g.External && *g != only:
		return errors.New("external: an external geneve is told all but dstport with each packet; leave out the rest")
	case g.External:
		return nil
	case g.ID == 0:
		return errors.New("no id: there is no geneve without it, but for an external one")
	case !g.Remote.IsValid():
		return errors.New("no remote: there is no geneve without it, but for an external one")
	case g.Remote.IsMulticast(), g.Remote.Is6() && g.Remote.IsLinkLocalUnicast():
		return fmt.Errorf("remote %v: geneve takes neither multicast nor link-local addresses", g.Remote)
	case g.FlowLabel != 0 && !g.Remote.Is6():
		return fmt.Errorf("flowlabel %#x takes an IPv6 remote", g.FlowLabel)
	}
	return nil
}
