package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Neighbor is an entry of an interface's neighbour table (ARP, NDP) that does not come and go with the
// traffic, or the wish to answer for an address (proxy). Interface, Destination and Proxy are its identity.
// With FDB it is an entry of a forwarding database instead, which has another one.
type Neighbor struct {
	// Interface is the name of the interface. One that does not exist is waited for. A loopback or
	// point-to-point one has no IPv4 neighbours.
	Interface string `json:"interface"`
	// Destination is the neighbour's IP address.
	Destination netip.Addr `json:"destination,omitzero"`
	// LinkAddr is its link-layer address. Zero: the interface has none, such as a tun; or Proxy.
	LinkAddr MAC `json:"lladdr,omitzero"`
	// State is how the kernel treats it. Zero: Permanent.
	State NeighborState `json:"state,omitempty"`
	// Proxy has the kernel answer others' requests for Destination on Interface, if the interface's sysctl
	// proxy_arp, proxy_ndp or the like allows. It takes neither LinkAddr nor State. The kernel tells nobody
	// when another removes one: that is found by the timer.
	Proxy bool `json:"proxy,omitempty"`
	// FDB, if not zero, makes it an entry of a bridge's or vxlan's forwarding database.
	FDB FDB `json:"fdb,omitzero"`
}

// String gives "neighbor 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0 nud permanent", in the words of ip(8),
// or "fdb 02:00:00:00:00:01 dev vx0 dst 10.0.0.7 self permanent", in those of bridge(8).
func (n Neighbor) String() string {
	if n.FDB != (FDB{}) {
		return n.fdbString()
	}
	if n.Proxy {
		return "neighbor proxy " + n.Destination.String() + " dev " + n.Interface
	}
	s := "neighbor " + n.Destination.String()
	if n.LinkAddr != (MAC{}) {
		s += " lladdr " + n.LinkAddr.String()
	}
	return s + " dev " + n.Interface + " nud " + n.State.String()
}

// fault finds what is wrong with a neighbour, without asking the kernel, and says what would be right.
func (n *Neighbor) fault() error {
	if err := interfaceFault(n.Interface); err != nil {
		return err
	}
	if n.FDB != (FDB{}) {
		return n.fdbFault()
	}
	dst := n.Destination
	switch {
	case !dst.IsValid():
		return errors.New("no Destination; give the neighbour's IP address")
	case dst.Is4In6():
		return mappedFault(dst)
	case dst.Zone() != "":
		return fmt.Errorf("destination %v has a zone; write %v, and the zone as Interface", dst, dst.WithZone(""))
	case dst.IsUnspecified(), dst.IsMulticast():
		return fmt.Errorf("destination %v is no address of a host", dst)
	case n.State != Permanent && n.State != NoARP:
		return fmt.Errorf("no state of a neighbour: %v; Permanent and NoARP are", n.State)
	case n.Proxy && (n.LinkAddr != MAC{} || n.State != Permanent):
		return errors.New("a proxy answers with its own link-layer address; leave out LinkAddr and State")
	}
	return nil
}

// NeighborState is how the kernel treats a neighbour.
type NeighborState uint8

const (
	// Permanent: known for good. In a bridge's forwarding database: an address of the host itself ("local"),
	// so that its frames go no further than the bridge.
	Permanent NeighborState = iota
	// NoARP: never asked for, never probed; not listed by ip(8) unless asked for.
	NoARP
	// Static: in a forwarding database, neither learned nor forgotten.
	Static
)

var neighborStates = [...]struct {
	name   string
	kernel uint16
}{
	Permanent: {"permanent", unix.NUD_PERMANENT},
	NoARP:     {"noarp", unix.NUD_NOARP},
	Static:    {"static", unix.NUD_NOARP},
}

// String gives ip(8)'s name: "permanent".
func (s NeighborState) String() string {
	if int(s) < len(neighborStates) {
		return neighborStates[s].name
	}
	return "NeighborState(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText gives what String gives; a state that does not exist is an error.
func (s NeighborState) MarshalText() ([]byte, error) {
	if int(s) >= len(neighborStates) {
		return nil, fmt.Errorf("rtnl: no neighbour state: %v", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText takes ip(8)'s and bridge(8)'s names.
func (s *NeighborState) UnmarshalText(text []byte) error {
	for i := range neighborStates {
		if neighborStates[i].name == string(text) {
			*s = NeighborState(i)
			return nil
		}
	}
	return fmt.Errorf("rtnl: no neighbour state: %q; permanent, noarp and static are", text)
}
