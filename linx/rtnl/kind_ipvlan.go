package rtnl

import "golang.org/x/sys/unix"

// IPVLAN is what is particular to KindIPVLAN. In place the kernel changes Mode and Isolation, for all of the
// same Link.
type IPVLAN struct {
	// Link is the name of the interface whose address it shares. It must be given.
	Link string `json:"link,omitempty"`
	// Mode is how packets find their way between those of the same Link. Zero: l3.
	Mode IPVLANMode `json:"mode,omitempty"`
	// Isolation is whether they pass at all. Zero: bridge, they do.
	Isolation IPVLANIsolation `json:"flag,omitempty"`
}

// IPVLANMode is how packets find their way between ipvlans of the same interface.
type IPVLANMode string

const (
	IPVLANL3  IPVLANMode = "l3"  // routed, without broadcast and multicast
	IPVLANL3S IPVLANMode = "l3s" // the same, and shown to netfilter
	IPVLANL2  IPVLANMode = "l2"  // switched
)

// IPVLANIsolation is whether packets pass between ipvlans of the same interface.
type IPVLANIsolation string

const (
	IPVLANBridge  IPVLANIsolation = "bridge"  // at once
	IPVLANPrivate IPVLANIsolation = "private" // not at all
	IPVLANVEPA    IPVLANIsolation = "vepa"    // by a switch outside
)

var (
	ipvlanModes      = []word{{"l3", 1}, {"l3s", 2}, {"l2", 0}}
	ipvlanIsolations = []word{{"bridge", 0}, {"private", 1}, {"vepa", 2}}
)

func (v *IPVLAN) settings() []setting {
	return []setting{
		{"link", lower, device{at: &v.Link}, fixed | must},
		{"mode", unix.IFLA_IPVLAN_MODE, oneOf(&v.Mode, ipvlanModes).over(2, native), 0},
		{"flag", unix.IFLA_IPVLAN_FLAGS, oneOf(&v.Isolation, ipvlanIsolations).over(2, native), bare},
	}
}
