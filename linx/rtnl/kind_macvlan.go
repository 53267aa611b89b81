package rtnl

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"
)

// MACVLAN is what is particular to KindMACVLAN and KindMACVTap. In place the kernel changes
// BroadcastQueue; Mode, but neither to nor from passthru; and NoPromiscuous, but only to true.
type MACVLAN struct {
	// Link is the name of the interface that it is a further address of. It must be given.
	Link string `json:"link,omitempty"`
	// Mode is what it has to do with others of the same Link. Zero: vepa.
	Mode MACVLANMode `json:"mode,omitempty"`
	// NoPromiscuous keeps Link from becoming promiscuous, in mode passthru.
	NoPromiscuous bool `json:"nopromisc,omitempty"`
	// BroadcastQueue is how many broadcast packets are queued at most. 0: 1000; negative: none.
	BroadcastQueue int32 `json:"bcqueuelen,omitempty"`
}

// MACVLANMode is what a macvlan has to do with others of the same interface.
type MACVLANMode string

// Mode source of ip(8) is left out: its list of addresses is no setting of this kind.
const (
	MACVLANVEPA     MACVLANMode = "vepa"     // a switch outside passes packets between them
	MACVLANPrivate  MACVLANMode = "private"  // none pass
	MACVLANBridge   MACVLANMode = "bridge"   // they pass at once
	MACVLANPassthru MACVLANMode = "passthru" // there are no others
)

var macvlanModes = []word{{"vepa", 2}, {"private", 1}, {"bridge", 4}, {"passthru", 8}}

func (m *MACVLAN) settings() []setting {
	return []setting{
		{"link", lower, device{at: &m.Link}, fixed | must},
		{"mode", unix.IFLA_MACVLAN_MODE, oneOf(&m.Mode, macvlanModes).over(4, native).apart(MACVLANPassthru), 0},
		{"flag", unix.IFLA_MACVLAN_FLAGS, bit{at: &m.NoPromiscuous, mask: 1,
			form: bits{wire: wire{2, native}}, says: " nopromisc"}, kept},
		{"bcqueuelen", unix.IFLA_MACVLAN_BC_QUEUE_LEN, u32(&m.BroadcastQueue).or(1000).within(0, math.MaxInt32), 0},
	}
}

func (l *Link) macvlanFault() error {
	if m := &l.MACVLAN; m.NoPromiscuous && m.Mode != MACVLANPassthru {
		return errors.New("flag nopromisc is for mode passthru alone")
	}
	return nil
}
