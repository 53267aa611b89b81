package rtnl

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Bond is what is particular to KindBond. Times are in milliseconds. The kernel changes in place all but
// Mode, FailOverMAC, NoTLBDynamic, LACPRate, NoLACP, ADSelect and ADUserPortKey, which it takes only while
// the bond is down, or has no ports. Each setting is for some modes alone: the kernel refuses it in
// others. Its ports are the interfaces that have it as Master.
type Bond struct {
	// Mode is how packets are spread. Zero: balance-rr.
	Mode BondMode `json:"mode,omitempty"`
	// MIIMonitor is how often the ports' carrier is looked at. 0: never in the modes that can do with ARP, 100
	// in the others.
	MIIMonitor uint32 `json:"miimon,omitempty"`
	// UpDelay and DownDelay are how long after its carrier a port is used, or not any more. PeerNotifyDelay is
	// the time between what NumGratuitousARP counts. They are multiples of MIIMonitor.
	UpDelay         uint32 `json:"updelay,omitempty"`
	DownDelay       uint32 `json:"downdelay,omitempty"`
	PeerNotifyDelay uint32 `json:"peer_notify_delay,omitempty"`
	// ARPInterval is how often ARPTargets are asked for, to see whether a port works. It takes these.
	ARPInterval uint32 `json:"arp_interval,omitempty"`
	// ARPTargets are up to 16 IPv4 addresses, as in "10.0.0.1,10.0.0.2". To ask for none leaves those that
	// there are.
	ARPTargets string `json:"arp_ip_target,omitempty"`
	// ARPValidate is which ports' answers are looked at. Zero: none.
	ARPValidate BondARPValidate `json:"arp_validate,omitempty"`
	// ARPAllTargets takes all of the targets to answer, not any.
	ARPAllTargets bool `json:"arp_all_targets,omitempty"`
	// ARPMissedMax is how many intervals without answer a port may have, up to 255. 0: 2.
	ARPMissedMax uint8 `json:"arp_missed_max,omitempty"`
	// Primary is the name of the port that is preferred. It need not be one yet.
	Primary string `json:"primary,omitempty"`
	// PrimaryReselect is when Primary is used again. Zero: always, at once.
	PrimaryReselect BondReselect `json:"primary_reselect,omitempty"`
	// FailOverMAC is which link-layer address the bond has in mode active-backup. Zero: none, all ports have
	// its own.
	FailOverMAC BondFailOverMAC `json:"fail_over_mac,omitempty"`
	// HashPolicy is what of a packet chooses the port. Zero: layer2.
	HashPolicy BondHashPolicy `json:"xmit_hash_policy,omitempty"`
	// ResendIGMP is how many IGMP reports follow a change of port, up to 255. 0: 1; negative: none.
	ResendIGMP int32 `json:"resend_igmp,omitempty"`
	// NumGratuitousARP is how many gratuitous ARP and unsolicited NDP packets follow a change of port, up to
	// 255. 0: 1; negative: none.
	NumGratuitousARP int32 `json:"num_grat_arp,omitempty"`
	// AllPortsActive takes duplicates that come in by ports that are not in use.
	AllPortsActive bool `json:"all_slaves_active,omitempty"`
	// MinLinks is how many ports with carrier it takes for the bond to have one. 0: as 1.
	MinLinks uint32 `json:"min_links,omitempty"`
	// LearningInterval is the time in seconds between two packets that have switches learn. 0: 1.
	LearningInterval uint32 `json:"lp_interval,omitempty"`
	// PacketsPerPort is how many packets are sent by one port before the next, up to 65535. 0: 1; negative:
	// a port is chosen at random.
	PacketsPerPort int32 `json:"packets_per_slave,omitempty"`
	// NoTLBDynamic has ports chosen by HashPolicy in mode balance-tlb, not by load.
	NoTLBDynamic bool `json:"no_tlb_dynamic_lb,omitempty"`
	// LACPRate is how often LACP packets are asked for. Zero: slow, each 30 s.
	LACPRate BondLACPRate `json:"lacp_rate,omitempty"`
	// NoLACP sends none, but answers.
	NoLACP bool `json:"no_lacp_active,omitempty"`
	// ADSelect is which aggregate is used. Zero: stable.
	ADSelect BondADSelect `json:"ad_select,omitempty"`
	// ADActorPriority is the system priority in LACP packets. 0: 65535.
	ADActorPriority uint16 `json:"ad_actor_sys_prio,omitempty"`
	// ADActorSystem is the system address in LACP packets. Zero: the bond's; but what was set stays when it is
	// not asked for any more.
	ADActorSystem MAC `json:"ad_actor_system,omitzero"`
	// ADUserPortKey is the upper ten bits of the ports' key.
	ADUserPortKey uint16 `json:"ad_user_port_key,omitempty"`
}

func (b *Bond) settings() []setting {
	return []setting{
		{"mode", unix.IFLA_BOND_MODE, oneOf(&b.Mode, bondModes), fixed},
		{"miimon", unix.IFLA_BOND_MIIMON, u32(&b.MIIMonitor).within(0, math.MaxInt32), first},
		{"updelay", unix.IFLA_BOND_UPDELAY, u32(&b.UpDelay).within(0, math.MaxInt32), 0},
		{"downdelay", unix.IFLA_BOND_DOWNDELAY, u32(&b.DownDelay).within(0, math.MaxInt32), 0},
		{"peer_notify_delay", unix.IFLA_BOND_PEER_NOTIF_DELAY, u32(&b.PeerNotifyDelay).within(0, 300000), 0},
		{"arp_interval", unix.IFLA_BOND_ARP_INTERVAL, u32(&b.ARPInterval).within(0, math.MaxInt32), 0},
		{"arp_ip_target", unix.IFLA_BOND_ARP_IP_TARGET, targets{&b.ARPTargets}, loose},
		{"arp_validate", unix.IFLA_BOND_ARP_VALIDATE, oneOf(&b.ARPValidate, bondARPValidate).over(4, native), 0},
		{"arp_all_targets", unix.IFLA_BOND_ARP_ALL_TARGETS, yes(&b.ARPAllTargets).sized(4).saying("all"), 0},
		{"arp_missed_max", unix.IFLA_BOND_MISSED_MAX, u8(&b.ARPMissedMax).or(2).within(1, 255), 0},
		{"primary", unix.IFLA_BOND_PRIMARY, device{&b.Primary, true}, 0},
		{"primary_reselect", unix.IFLA_BOND_PRIMARY_RESELECT, oneOf(&b.PrimaryReselect, bondReselects), 0},
		{"fail_over_mac", unix.IFLA_BOND_FAIL_OVER_MAC, oneOf(&b.FailOverMAC, bondFailOverMACs), fixed},
		{"xmit_hash_policy", unix.IFLA_BOND_XMIT_HASH_POLICY, oneOf(&b.HashPolicy, bondHashPolicies), 0},
		{"resend_igmp", unix.IFLA_BOND_RESEND_IGMP, u32(&b.ResendIGMP).or(1).within(0, 255), 0},
		{"num_grat_arp", unix.IFLA_BOND_NUM_PEER_NOTIF, u8(&b.NumGratuitousARP).or(1), 0},
		{"all_slaves_active", unix.IFLA_BOND_ALL_SLAVES_ACTIVE, yes(&b.AllPortsActive).saying("1"), 0},
		{"min_links", unix.IFLA_BOND_MIN_LINKS, u32(&b.MinLinks).within(0, math.MaxInt32), 0},
		{"lp_interval", unix.IFLA_BOND_LP_INTERVAL, u32(&b.LearningInterval).or(1).within(1, math.MaxInt32), 0},
		{"packets_per_slave", unix.IFLA_BOND_PACKETS_PER_SLAVE, u32(&b.PacketsPerPort).or(1).within(0, 65535), 0},
		{"tlb_dynamic_lb", unix.IFLA_BOND_TLB_DYNAMIC_LB, no(&b.NoTLBDynamic).saying("0"), fixed},
		{"lacp_rate", unix.IFLA_BOND_AD_LACP_RATE, oneOf(&b.LACPRate, bondLACPRates), fixed},
		{"lacp_active", unix.IFLA_BOND_AD_LACP_ACTIVE, no(&b.NoLACP).saying("off"), fixed},
		{"ad_select", unix.IFLA_BOND_AD_SELECT, oneOf(&b.ADSelect, bondADSelects), fixed},
		{"ad_actor_sys_prio", unix.IFLA_BOND_AD_ACTOR_SYS_PRIO, u16(&b.ADActorPriority).or(65535).within(1, 65535), 0},
		{"ad_actor_system", unix.IFLA_BOND_AD_ACTOR_SYSTEM, hardware{&b.ADActorSystem}, loose},
		{"ad_user_port_key", unix.IFLA_BOND_AD_USER_PORT_KEY, u16(&b.ADUserPortKey).within(0, 1023), fixed},
	}
}

func (l *Link) bondFault() error {
	b := &l.Bond
	if b.MIIMonitor != 0 && b.ARPInterval != 0 {
		return errors.New("miimon and arp_interval: the kernel watches the ports in one way alone")
	}
	if b.ARPInterval != 0 && b.ARPTargets == "" {
		return errors.New("arp_interval without arp_ip_target; give an address to ask for")
	}
	monitor := b.MIIMonitor
	for _, d := range []struct {
		word  string
		delay uint32
	}{{"updelay", b.UpDelay}, {"downdelay", b.DownDelay}, {"peer_notify_delay", b.PeerNotifyDelay}} {
		switch {
		case d.delay == 0:
		case monitor == 0:
			return fmt.Errorf("%s without miimon, by which the time is measured", d.word)
		case d.delay%monitor != 0:
			return fmt.Errorf("%s %d is no multiple of miimon; the kernel would make it %d", d.word, d.delay, d.delay/monitor*monitor)
		}
	}
	return nil
}
