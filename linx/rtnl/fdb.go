package rtnl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// FDB makes a Neighbor an entry of a forwarding database: where frames for its LinkAddr go, as bridge(8)
// has it in "bridge fdb". Then Neighbor.LinkAddr is what the entry is for, and Neighbor.Destination, if any,
// the other end of the tunnel (VTEP) that its frames are sent to.
//
// The entry's place, which holds one, is Interface and LinkAddr (and SrcVNI) where Of is Self; where it is
// Master it is the bridge, LinkAddr and Vlan, so that another port of that bridge may hold it. A vxlan
// floods: for the zero LinkAddr, which stands for what has no entry, and for multicast ones it has any
// number, which differ in where they lead. Of those one that another adds in the very moment in which we do
// counts as ours: the kernel does not tell.
//
// The kernel does not keep who made an entry: ours is what LastApplied has, for as long as it is just so.
// One that another has changed is another's; so is one of a bridge that traffic has moved to another port,
// which it does unless Sticky. One that was claimed, and made, but never reported because the process was
// killed, is left behind.
type FDB struct {
	// Of says which database it is in. It must be given.
	Of FDBTable `json:"of"`
	// Vlan is that of the frames, from 1 to 4094, which the port must have; it is for bridges. 0: the entry
	// for frames without one, and the kernel adds one in each VLAN that the port has at that time, and
	// deletes those with it.
	Vlan uint16 `json:"vlan,omitempty"`
	// Port is the UDP port of Destination. 0: that of the vxlan.
	Port uint16 `json:"port,omitempty"`
	// VNI is the VXLAN network identifier to send with, less than 1<<24. 0: that of the vxlan.
	VNI uint32 `json:"vni,omitempty"`
	// SrcVNI is the network that the entry is for, on a vxlan that has many ("external"). 0: network 0.
	SrcVNI uint32 `json:"srcVNI,omitempty"`
	// Via is the name of the interface that Destination is reached over. "": as routes have it.
	Via string `json:"via,omitempty"`
	// Sticky keeps the entry on its port when frames from LinkAddr come in on another. It is for Static ones
	// of a bridge; Permanent ones stay anyway.
	Sticky bool `json:"sticky,omitempty"`
}

// FDBTable is a forwarding database that an entry is in.
type FDBTable uint8

const (
	// Self is the interface's own: a vxlan's, or the addresses that an Ethernet device lets in besides its
	// own. A bridge's own entries are those for itself.
	Self FDBTable = iota + 1
	// Master is that of the bridge which the interface is a port of.
	Master
)

var fdbTables = [...]string{Self: "self", Master: "master"}

// String gives bridge(8)'s word: "self".
func (t FDBTable) String() string {
	if t != 0 && int(t) < len(fdbTables) {
		return fdbTables[t]
	}
	return "FDBTable(" + strconv.Itoa(int(t)) + ")"
}

// MarshalText gives what String gives; a table that does not exist is an error.
func (t FDBTable) MarshalText() ([]byte, error) {
	if t == 0 || int(t) >= len(fdbTables) {
		return nil, fmt.Errorf("rtnl: no forwarding database: %v", t)
	}
	return []byte(t.String()), nil
}

// UnmarshalText takes bridge(8)'s words.
func (t *FDBTable) UnmarshalText(text []byte) error {
	switch string(text) {
	case "self":
		*t = Self
	case "master":
		*t = Master
	default:
		return fmt.Errorf("rtnl: no forwarding database: %q; self and master are", text)
	}
	return nil
}

// fdbString gives "fdb 02:00:00:00:00:01 dev vx0 dst 10.0.0.7 self permanent", in the words of bridge(8).
func (n *Neighbor) fdbString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fdb %v dev %s", n.LinkAddr, n.Interface)
	if n.Destination.IsValid() {
		fmt.Fprintf(&b, " dst %v", n.Destination)
	}
	f := &n.FDB
	for _, number := range []struct {
		name string
		v    uint32
	}{{"vlan", uint32(f.Vlan)}, {"port", uint32(f.Port)}, {"vni", f.VNI}, {"src_vni", f.SrcVNI}} {
		if number.v != 0 {
			fmt.Fprintf(&b, " %s %d", number.name, number.v)
		}
	}
	if f.Via != "" {
		b.WriteString(" via " + f.Via)
	}
	fmt.Fprintf(&b, " %v %v", f.Of, n.State)
	if f.Sticky {
		b.WriteString(" sticky")
	}
	return b.String()
}

// fdbFault finds what is wrong with an entry of a forwarding database.
func (n *Neighbor) fdbFault() error {
	const maximumVNI, maximumVlan = 1<<24 - 1, 4094
	f := &n.FDB
	dst := n.Destination
	tunnel := dst.IsValid() || f.Port != 0 || f.VNI != 0 || f.SrcVNI != 0 || f.Via != ""
	switch {
	case f.Of != Self && f.Of != Master:
		return errors.New("no FDB.Of; Self and Master are")
	case n.Proxy:
		return errors.New("an entry of a forwarding database is no proxy; leave out Proxy or FDB")
	case n.State != Permanent && n.State != Static:
		return fmt.Errorf("no state of a forwarding database: %v; Permanent and Static are", n.State)
	case f.Of == Master && n.LinkAddr == MAC{}:
		return errors.New("no LinkAddr; give the address that frames are for")
	case f.Of == Master && tunnel:
		return errors.New("a bridge's entry leads to a port; Destination, Port, VNI, SrcVNI and Via are for Self on a vxlan")
	case f.Sticky && (f.Of != Master || n.State != Static):
		return errors.New("no Sticky: it is for Static entries of a bridge; give State Static and Of Master, or leave it out")
	case f.Vlan > maximumVlan:
		return fmt.Errorf("no VLAN: %d; 1 to %d are, or 0 for none", f.Vlan, maximumVlan)
	case f.Vlan != 0 && tunnel:
		return errors.New("a vxlan has no VLANs; leave out Vlan")
	case f.VNI > maximumVNI, f.SrcVNI > maximumVNI:
		return fmt.Errorf("no network identifier: %d; it has 24 bits, so at most %d", max(f.VNI, f.SrcVNI), maximumVNI)
	case !dst.IsValid() && (f.Port != 0 || f.VNI != 0 || f.Via != ""):
		return errors.New("no Destination, which Port, VNI and Via say how to reach; give it, or leave them out")
	case dst.Is4In6():
		return mappedFault(dst)
	case dst.Zone() != "":
		return fmt.Errorf("destination %v has a zone; write %v and Via %q", dst, dst.WithZone(""), dst.Zone())
	case dst.IsValid() && dst.IsUnspecified():
		return fmt.Errorf("destination %v is no address of a host; for none, leave it out", dst)
	case f.Via != "":
		return interfaceFault(f.Via)
	}
	return nil
}
