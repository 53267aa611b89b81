package rtnl

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Bridge is what is particular to KindBridge. Times are in hundredths of a second, which kernels round to
// their own clock's: a difference of one is none. Of the settings that begin with No, the kernel's default is
// on.
type Bridge struct {
	// STP has the bridge take part in the spanning tree protocol.
	STP bool `json:"stp_state,omitempty"`
	// ForwardDelay is how long a port listens, and how long it learns, from 200 to 3000 with STP. 0: 1500;
	// negative: not at all.
	ForwardDelay int32 `json:"forward_delay,omitempty"`
	// HelloTime is the time between two hello packets, from 100 to 1000. 0: 200.
	HelloTime uint32 `json:"hello_time,omitempty"`
	// MaxAge is for how long what was said by another bridge holds, from 600 to 4000. 0: 2000.
	MaxAge uint32 `json:"max_age,omitempty"`
	// AgeingTime is for how long a learned address is remembered. 0: 30000; negative: not at all.
	AgeingTime int32 `json:"ageing_time,omitempty"`
	// Priority is that of STP, up to 65535; the lowest becomes the root. 0: 32768; negative: 0.
	Priority int32 `json:"priority,omitempty"`
	// GroupForwardMask is which of the link-local groups 01:80:c2:00:00:0X are forwarded, a bit for each X.
	// Bits 0 to 2 are the kernel's.
	GroupForwardMask uint16 `json:"group_fwd_mask,omitempty"`

	// VLANFiltering has the bridge look at VLANs.
	VLANFiltering bool `json:"vlan_filtering,omitempty"`
	// VLANProtocol is what VLAN tags are known by. Zero: 802.1Q.
	VLANProtocol VLANProtocol `json:"vlan_protocol,omitempty"`
	// VLANDefaultPVID is the VLAN that new ports are in, up to 4094. 0: 1; negative: none.
	VLANDefaultPVID int32 `json:"vlan_default_pvid,omitempty"`
	// VLANStats has packets counted by VLAN.
	VLANStats bool `json:"vlan_stats_enabled,omitempty"`

	// NoMulticastSnooping has multicast flooded, not sent where it was asked for.
	NoMulticastSnooping bool `json:"no_mcast_snooping,omitempty"`
	// MulticastQuerier has the bridge ask for memberships.
	MulticastQuerier bool `json:"mcast_querier,omitempty"`
	// MulticastQueryAddress has it ask from its own IPv4 address, not 0.0.0.0.
	MulticastQueryAddress bool `json:"mcast_query_use_ifaddr,omitempty"`
	// MulticastRouter says whether the bridge itself is a multicast router: 2: always; 0: 1, which is if it is
	// heard asking; negative: never.
	MulticastRouter int32 `json:"mcast_router,omitempty"`
	// IGMPVersion is that of its questions, 2 or 3. 0: 2.
	IGMPVersion uint8 `json:"mcast_igmp_version,omitempty"`
	// MLDVersion is that of its questions, 1 or 2. 0: 1.
	MLDVersion uint8 `json:"mcast_mld_version,omitempty"`
	// MulticastStats has multicast packets counted.
	MulticastStats bool `json:"mcast_stats_enabled,omitempty"`

	// NetfilterIPTables, NetfilterIP6Tables and NetfilterARPTables show what is bridged to iptables,
	// ip6tables and arptables.
	NetfilterIPTables  bool `json:"nf_call_iptables,omitempty"`
	NetfilterIP6Tables bool `json:"nf_call_ip6tables,omitempty"`
	NetfilterARPTables bool `json:"nf_call_arptables,omitempty"`
}

func (b *Bridge) settings() []setting {
	return []setting{
		{"stp_state", unix.IFLA_BR_STP_STATE, yes(&b.STP).sized(4).saying("1"), first},
		{"forward_delay", unix.IFLA_BR_FORWARD_DELAY, u32(&b.ForwardDelay).or(1500).about(), 0},
		{"hello_time", unix.IFLA_BR_HELLO_TIME, u32(&b.HelloTime).or(200).within(100, 1000).about(), 0},
		{"max_age", unix.IFLA_BR_MAX_AGE, u32(&b.MaxAge).or(2000).within(600, 4000).about(), 0},
		{"ageing_time", unix.IFLA_BR_AGEING_TIME, u32(&b.AgeingTime).or(30000).about(), 0},
		{"priority", unix.IFLA_BR_PRIORITY, u16(&b.Priority).or(32768), 0},
		{"group_fwd_mask", unix.IFLA_BR_GROUP_FWD_MASK, u16(&b.GroupForwardMask), 0},
		{"vlan_filtering", unix.IFLA_BR_VLAN_FILTERING, yes(&b.VLANFiltering).saying("1"), 0},
		{"vlan_protocol", unix.IFLA_BR_VLAN_PROTOCOL, vlanProtocol(&b.VLANProtocol), 0},
		{"vlan_default_pvid", unix.IFLA_BR_VLAN_DEFAULT_PVID, u16(&b.VLANDefaultPVID).or(1).within(0, 4094), 0},
		{"vlan_stats_enabled", unix.IFLA_BR_VLAN_STATS_ENABLED, yes(&b.VLANStats).saying("1"), 0},
		{"mcast_snooping", unix.IFLA_BR_MCAST_SNOOPING, no(&b.NoMulticastSnooping).saying("0"), 0},
		{"mcast_querier", unix.IFLA_BR_MCAST_QUERIER, yes(&b.MulticastQuerier).saying("1"), 0},
		{"mcast_query_use_ifaddr", unix.IFLA_BR_MCAST_QUERY_USE_IFADDR, yes(&b.MulticastQueryAddress).saying("1"), 0},
		{"mcast_router", unix.IFLA_BR_MCAST_ROUTER, u8(&b.MulticastRouter).or(1).within(0, 2), 0},
		{"mcast_igmp_version", unix.IFLA_BR_MCAST_IGMP_VERSION, u8(&b.IGMPVersion).or(2).within(2, 3), 0},
		{"mcast_mld_version", unix.IFLA_BR_MCAST_MLD_VERSION, u8(&b.MLDVersion).or(1).within(1, 2), 0},
		{"mcast_stats_enabled", unix.IFLA_BR_MCAST_STATS_ENABLED, yes(&b.MulticastStats).saying("1"), 0},
		{"nf_call_iptables", unix.IFLA_BR_NF_CALL_IPTABLES, yes(&b.NetfilterIPTables).saying("1"), 0},
		{"nf_call_ip6tables", unix.IFLA_BR_NF_CALL_IP6TABLES, yes(&b.NetfilterIP6Tables).saying("1"), 0},
		{"nf_call_arptables", unix.IFLA_BR_NF_CALL_ARPTABLES, yes(&b.NetfilterARPTables).saying("1"), 0},
	}
}

func (l *Link) bridgeFault() error {
	b := &l.Bridge
	if d := b.ForwardDelay; b.STP && d != 0 && (d < 200 || d > 3000) {
		return fmt.Errorf("forward_delay %d: with stp_state 1 the kernel takes 200 to 3000", max(d, 0))
	}
	if b.GroupForwardMask&7 != 0 {
		return fmt.Errorf("group_fwd_mask %#x: the kernel keeps bits 0 to 2; %#x would do", b.GroupForwardMask, b.GroupForwardMask&^7)
	}
	return nil
}
