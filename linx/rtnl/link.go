package rtnl

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Link is an interface: one to be made and deleted, if it has a Kind, or else one that is there, to be
// adjusted. Its Name is its identity.
//
// What is zero is not asked for: a new interface gets the kernel's default, an existing one keeps what it
// has. To take an attribute out of what is desired gives back what was there before it was changed; what an
// interface was made with (MTU and Address) it keeps. Settings of a Kind go back to the kernel's default.
type Link struct {
	// Name is the interface's name.
	Name string `json:"name"`
	// Kind is what to make. "": the interface is another's, such as eth0, and is waited for. It is changed as
	// asked for, whatever the ConflictPolicy, gets back what it had when that is no longer desired, and is
	// never deleted.
	Kind LinkKind `json:"kind,omitempty"`
	// Recreate allows to delete the interface and make it anew, where a setting can be changed in no other
	// way. What stands on it, others' too, goes with it. Without, such a change fails, naming the setting.
	Recreate bool `json:"recreate,omitempty"`

	// MTU is the length of the longest packet, in bytes.
	MTU uint32 `json:"mtu,omitempty"`
	// Address is the link-layer address.
	Address MAC `json:"address,omitzero"`
	// Admin says whether it is to be up. A new one is down.
	Admin AdminState `json:"admin,omitempty"`
	// Master is the name of the bridge, bond or VRF that it is to be a port of; NoMaster: of none. One that
	// does not exist is waited for.
	Master string `json:"master,omitempty"`
	// Alias is a description, of at most 255 bytes.
	Alias string `json:"alias,omitempty"`
	// TxQueueLen is how many packets wait for transmission at most.
	TxQueueLen uint32 `json:"txqueuelen,omitempty"`
	// Group is the number of a group of interfaces.
	Group uint32 `json:"group,omitempty"`
	// AltNames are further names, which it has besides those that others give it. They have at most 127
	// bytes.
	AltNames []string `json:"altnames,omitempty"`

	// What follows is for the Kind that it names.
	Veth    Veth    `json:"veth,omitzero"`
	Bond    Bond    `json:"bond,omitzero"`
	Bridge  Bridge  `json:"bridge,omitzero"`
	Geneve  Geneve  `json:"geneve,omitzero"`
	IPVLAN  IPVLAN  `json:"ipvlan,omitzero"`
	MACVLAN MACVLAN `json:"macvlan,omitzero"` // of KindMACVTap too
	Tun     Tun     `json:"tun,omitzero"`
	Tunnel  Tunnel  `json:"tunnel,omitzero"` // of all that are over IP: see there
	VLAN    VLAN    `json:"vlan,omitzero"`
	VRF     VRF     `json:"vrf,omitzero"`
	VXLAN   VXLAN   `json:"vxlan,omitzero"`

	// Port is how it behaves as a port of the bridge that is its Master, whatever its Kind.
	Port BridgePort `json:"port,omitzero"`
}

// NoMaster as Link.Master makes it a port of nothing. No interface can have this name.
const NoMaster = "no master"

// String gives "link br0 mtu 1400 up type bridge", in the words of "ip link add" or, without a Kind, of "ip
// link set". Alternative names are not in it, nor is the Port of one with a Kind: ip(8) has other commands
// for them. Nor is Recreate.
func (l Link) String() string {
	var b strings.Builder
	b.WriteString("link " + l.Name)
	for i := range linkAttributes {
		a := &linkAttributes[i]
		if value := a.value(&l); value != "" {
			b.WriteString(a.words(value))
		}
	}
	if l.Kind != "" {
		b.WriteString(l.settings())
	}
	if l.Kind == KindVeth {
		b.WriteString(l.Veth.words())
	}
	if l.Kind == "" && l.Port != (BridgePort{}) {
		b.WriteString(l.Port.words())
	}
	return b.String()
}

const (
	maximumAlias   = 255 // IFALIASZ with its NUL
	maximumAltName = 127 // ALTIFNAMSIZ
)

// fault finds what is wrong with a link, without asking the kernel, and says what would be right.
func (l *Link) fault() error {
	if l.Name == "" {
		return errors.New("no Name; give the interface's, such as eth0")
	}
	if err := interfaceFault(l.Name); err != nil {
		return err
	}
	if err := l.masterFault(); err != nil {
		return err
	}
	switch {
	case l.Kind != "" && strings.Contains(l.Name, "%"):
		return fmt.Errorf("name %q: the kernel would put a number in place of the %%", l.Name)
	case l.Kind == "" && l.Recreate:
		return errors.New("it has Recreate, but no Kind; what is there already is not deleted")
	case l.MTU > math.MaxInt32:
		return fmt.Errorf("MTU %d is out of range; at most %d", l.MTU, math.MaxInt32)
	case l.Address[0]&1 != 0:
		return fmt.Errorf("address %v is a group's; the lowest bit of the first byte must be 0", l.Address)
	case int(l.Admin) >= len(adminStates):
		return fmt.Errorf("no state: %v; Up and Down are", l.Admin)
	case !utf8.ValidString(l.Alias):
		return fmt.Errorf("alias %q is no UTF-8", l.Alias)
	case len(l.Alias) > maximumAlias, strings.Contains(l.Alias, "\x00"):
		return fmt.Errorf("alias of %d bytes; at most %d are possible, none of them NUL", len(l.Alias), maximumAlias)
	case l.TxQueueLen > math.MaxInt32:
		return fmt.Errorf("TxQueueLen %d is out of range; at most %d", l.TxQueueLen, math.MaxInt32)
	case l.Group > math.MaxInt32:
		return fmt.Errorf("group %d is out of range; at most %d", l.Group, math.MaxInt32)
	}
	if err := l.altNamesFault(); err != nil {
		return err
	}
	if err := l.vethFault(); err != nil {
		return err
	}
	if err := l.Port.fault(); err != nil {
		return err
	}
	return l.settingsFault()
}

func (l *Link) masterFault() error {
	switch l.Master {
	case "", NoMaster:
		return nil
	case l.Name:
		return errors.New("it is its own Master")
	}
	return interfaceFault(l.Master)
}

func (l *Link) altNamesFault() error {
	for i, name := range l.AltNames {
		switch {
		case name == "", len(name) > maximumAltName, strings.Contains(name, "\x00"):
			return fmt.Errorf("alternative name %q has %d bytes; 1 to %d are possible, none of them NUL", name, len(name), maximumAltName)
		case !utf8.ValidString(name):
			return fmt.Errorf("alternative name %q is no UTF-8", name)
		case name == l.Name:
			return fmt.Errorf("alternative name %q is its name", name)
		case slices.Contains(l.AltNames[:i], name):
			return fmt.Errorf("alternative name %q is there twice", name)
		}
	}
	return nil
}

// AdminState says whether an interface is to be up.
type AdminState uint8

const (
	Up   AdminState = iota + 1 // to be used
	Down                       // not: it has no routes and no IPv6 addresses then
)

var adminStates = [...]string{Up: "up", Down: "down"}

// String gives ip(8)'s word: "up". It is empty for the zero AdminState.
func (s AdminState) String() string {
	if int(s) < len(adminStates) {
		return adminStates[s]
	}
	return "AdminState(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText gives what String gives; a state that does not exist is an error.
func (s AdminState) MarshalText() ([]byte, error) {
	if int(s) >= len(adminStates) {
		return nil, fmt.Errorf("rtnl: no state of an interface: %v", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText takes ip(8)'s words; nothing is the zero AdminState.
func (s *AdminState) UnmarshalText(text []byte) error {
	i := slices.Index(adminStates[:], string(text))
	if i < 0 {
		return fmt.Errorf("rtnl: no state of an interface: %q; up and down are", text)
	}
	*s = AdminState(i)
	return nil
}
