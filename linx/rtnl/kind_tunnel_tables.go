package rtnl

// A change of a tunnel resets what it does not name, but for what has the quality always too, besides other
// reasons: the mark of those over IPv4, encap, ignore-df. (See ip_tunnel_update and the changelinks of
// net/ipv4/ip_gre.c, net/ipv4/ipip.c and net/ipv6/sit.c.)

// gre is the table of gre and gretap.
func (t *Tunnel) gre() []setting {
	return append([]setting{
		{"local", ifGRELocal, host4(&t.Local), 0},
		{"remote", ifGRERemote, host4(&t.Remote).anchored(), 0},
		{"ttl", ifGRETTL, u8(&t.TTL), 0},
		{"tos", ifGRETOS, u8(&t.TOS).inHex(), 0},
		{"nopmtudisc", ifGREPMTUDiscovery, no(&t.NoPMTUDiscovery), 0},
		{"ignore-df", ifGREIgnoreDF, yes(&t.IgnoreDF), always},
		{"external", ifGREExternal, yes(&t.External).sized(0), fixed},
	}, append(t.greAlike(), t.encap(ifGREEncapType, false)...)...)
}

// ip6gre is the table of ip6gre and ip6gretap.
func (t *Tunnel) ip6gre() []setting {
	list := append([]setting{
		{"local", ifGRELocal, host6(&t.Local), 0},
		{"remote", ifGRERemote, host6(&t.Remote), 0},
		{"external", ifGREExternal, yes(&t.External).sized(0), fixed},
	}, t.ip6(ifGRETTL, ifGREEncapLimit, ifGREFlowInfo, ifGREFlags)...)
	return append(append(list, t.greAlike()...), t.encap(ifGREEncapType, true)...)
}

func (t *Tunnel) ipip() []setting {
	return append(t.ip4(ipipModes), t.encap(ifTunEncapType, false)...)
}

func (t *Tunnel) sit() []setting {
	isatap := bit{at: &t.ISATAP, mask: 1, form: bits{wire: wire{2, native}}} // SIT_ISATAP
	return append(append(t.ip4(sitModes), setting{"isatap", ifTunFlags, isatap, fixed}), t.encap(ifTunEncapType, false)...)
}

func (t *Tunnel) ip6tnl() []setting {
	list := append([]setting{
		{"local", ifTunLocal, host6(&t.Local), 0},
		{"remote", ifTunRemote, host6(&t.Remote), 0},
		{"dev", ifTunLink, device{at: &t.Device}, 0},
		{"mode", ifTunProto, oneOf(&t.Mode, ip6tnlModes), always},
		{"fwmark", ifTunMark, u32(&t.Mark).inHex(), always},
		{"external", ifTunExternal, yes(&t.External).sized(0), fixed},
	}, t.ip6(ifTunTTL, ifTunEncapLimit, ifTunFlowInfo, ifTunFlags)...)
	return append(list, t.encap(ifTunEncapType, true)...)
}

// ip4 is what ipip and sit have in common.
func (t *Tunnel) ip4(modes []word) []setting {
	return []setting{
		{"local", ifTunLocal, host4(&t.Local), 0},
		{"remote", ifTunRemote, host4(&t.Remote).anchored(), 0},
		{"dev", ifTunLink, device{at: &t.Device}, 0},
		{"ttl", ifTunTTL, u8(&t.TTL), 0},
		{"tos", ifTunTOS, u8(&t.TOS).inHex(), 0},
		{"nopmtudisc", ifTunPMTUDiscovery, no(&t.NoPMTUDiscovery), 0},
		{"mode", ifTunProto, oneOf(&t.Mode, modes), always | fixed},
		{"fwmark", ifTunMark, u32(&t.Mark).inHex(), always},
		{"external", ifTunExternal, yes(&t.External).sized(0), fixed},
	}
}

// ip6 is what tunnels over IPv6 have in common. The flags are IP6_TNL_F_ of linux/ip6_tunnel.h.
func (t *Tunnel) ip6(ttl, limit, flow, flags uint16) []setting {
	flag := func(at *bool, mask uint32, says string) bit {
		return bit{at: at, mask: mask, form: bits{wire: wire{4, native}}, says: " " + says}
	}
	return []setting{
		{"hoplimit", ttl, u8(&t.TTL).or(64), always},
		{"encaplimit", limit, u8(&t.EncapLimit).or(4), always},
		{"encaplimit", flags, flag(&t.NoEncapLimit, 1, "none"), 0},
		{"tclass", flow, flowInfo{&t.TOS, &t.FlowLabel}, 0},
		{"tclass", flags, flag(&t.InheritTOS, 2, "inherit"), 0},
		{"flowlabel", flags, flag(&t.InheritFlowLabel, 4, "inherit"), 0},
		{"dscp", flags, flag(&t.CopyTOS, 0x10, "inherit"), 0},
	}
}

// greAlike is what GRE has over IPv4 and IPv6. The flags are GRE_ of linux/if_tunnel.h.
func (t *Tunnel) greAlike() []setting {
	form := bits{wire: wire{2, network}}
	return []setting{
		{"dev", ifGRELink, device{at: &t.Device}, 0},
		{"fwmark", ifGREMark, u32(&t.Mark).inHex(), always},
		{"ikey", ifGREInKey, be32(&t.InKey), 0},
		{"okey", ifGREOutKey, be32(&t.OutKey), 0},
		{"", ifGREInFlags, bit{of: &t.InKey, mask: 0x2000, form: form}, 0},
		{"", ifGREOutFlags, bit{of: &t.OutKey, mask: 0x2000, form: form}, 0},
		{"iseq", ifGREInFlags, bit{at: &t.InSequence, mask: 0x1000, form: form}, 0},
		{"oseq", ifGREOutFlags, bit{at: &t.OutSequence, mask: 0x1000, form: form}, 0},
		{"icsum", ifGREInFlags, bit{at: &t.InChecksum, mask: 0x8000, form: form}, 0},
		{"ocsum", ifGREOutFlags, bit{at: &t.OutChecksum, mask: 0x8000, form: form}, 0},
	}
}

// encap is how a tunnel is put into UDP: four attributes in a row from type on, with TUNNEL_ENCAP_FLAG_ of
// linux/if_tunnel.h.
func (t *Tunnel) encap(typ uint16, v6 bool) []setting {
	form := bits{wire: wire{2, native}}
	list := []setting{
		{"encap", typ, oneOf(&t.Encap, tunnelEncaps).over(2, native), always},
		{"encap-sport", typ + 2, be16(&t.EncapSourcePort), 0},
		{"encap-dport", typ + 3, be16(&t.EncapPort), 0},
		{"encap-csum", typ + 1, bit{at: &t.EncapChecksum, mask: 1, form: form}, 0},
		{"encap-remcsum", typ + 1, bit{at: &t.EncapRemoteChecksum, mask: 4, form: form}, 0},
	}
	if v6 {
		list = append(list, setting{"noencap-udp6-csum", typ + 1, bit{at: &t.NoEncapChecksum6, mask: 2, off: true, form: form}, always})
	}
	return list
}
