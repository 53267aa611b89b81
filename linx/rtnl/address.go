package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Address is an IPv4 or IPv6 address of an interface. Its identity is the interface, for IPv4 with the
// address, its length, and the network that it makes reachable; for IPv6 with the address alone.
//
// Zero values but those of Scope and of the lifetimes ask for nothing: an address that has more is as
// desired. What an earlier state asked for, by LastApplied, and this one does not, is taken back.
//
// Lifetimes, Metric and, for IPv6, the four flags at the end are changed in place. For anything else an
// address goes, and comes back at once. Meanwhile an IPv4 one of the same host stands in, so that its routes
// and connections stay.
type Address struct {
	// Interface is the name of the interface. One that does not exist is waited for.
	Interface string `json:"interface"`
	// Prefix holds the address itself and the length of its network: 10.0.0.2/24.
	Prefix netip.Prefix `json:"prefix"`
	// Peer is the address of the other end. Zero: none. With one, the length of Prefix is that of the
	// peer's network, and that is what is reachable directly.
	Peer netip.Addr `json:"peer,omitzero"`
	// Broadcast is an additional broadcast address, for IPv4 only. Zero: none, as with ip(8). The last one
	// of the network is one in any case.
	Broadcast netip.Addr `json:"broadcast,omitzero"`
	// Scope is how far the address is good for, for IPv4 only: IPv6 ones show theirs. Zero: as ip(8)
	// chooses, host for 127.0.0.0/8, else global. The kernel refuses two scopes in one network.
	Scope Scope `json:"scope,omitempty"`
	// Label is a name for older programs, for IPv4 only, of 15 bytes at most: "eth0:www". Empty: any; the
	// kernel takes the interface's name. Old versions of ip(8) refuse one that begins otherwise.
	Label string `json:"label,omitempty"`
	// Metric is that of the route of the network. 0: the kernel's default, which is 0 for IPv4 and 256 for
	// IPv6.
	Metric uint32 `json:"metric,omitempty"`
	// ValidLifetime is how long the kernel keeps the address without us. 0: forever. As long as the address
	// is desired it is renewed once half of that is over, as a DHCP client would: should the program end,
	// the kernel removes it in time. So passes have to be more frequent than that. To let an address run
	// out, take it out of the state when it has. One set otherwise by hand is put right if it is longer,
	// or half over.
	ValidLifetime Lifetime `json:"validLifetime,omitempty"`
	// PreferredLifetime is how long it may be the source of new connections without us, and is renewed in
	// the same way. 0: as long as it is valid. Of an IPv4 address that is valid forever the kernel does not
	// count it.
	PreferredLifetime Lifetime `json:"preferredLifetime,omitempty"`
	// Deprecated has it valid, and not the source of new connections if there is another one.
	Deprecated bool `json:"deprecated,omitempty"`
	// NoPrefixRoute has the kernel make no route to the network.
	NoPrefixRoute bool `json:"noprefixroute,omitempty"`
	// NoDAD has it used at once, without duplicate address detection. IPv6 only, as are those that follow.
	NoDAD bool `json:"nodad,omitempty"`
	// Home marks the home address of Mobile IPv6 (RFC 6275).
	Home bool `json:"home,omitempty"`
	// ManageTempAddr has the kernel make temporary addresses beside it (RFC 8981), where the interface's
	// sysctl use_tempaddr allows. Its length has to be 64. The temporary ones are the kernel's.
	ManageTempAddr bool `json:"mngtmpaddr,omitempty"`
}

// String gives "address 10.0.0.2/24 dev eth0", what follows "ip" on its command line but for the verb.
func (a Address) String() string {
	var b strings.Builder
	b.WriteString("address ")
	if a.Peer.IsValid() {
		fmt.Fprintf(&b, "%v peer %v/%d", a.Prefix.Addr(), a.Peer, a.Prefix.Bits())
	} else {
		b.WriteString(a.Prefix.String())
	}
	b.WriteString(" dev " + a.Interface)
	if a.Broadcast.IsValid() {
		b.WriteString(" broadcast " + a.Broadcast.String())
	}
	if a.Scope != ScopeDefault {
		b.WriteString(" scope " + a.Scope.String())
	}
	if a.Label != "" {
		b.WriteString(" label " + a.Label)
	}
	if a.Metric != 0 {
		b.WriteString(" metric " + strconv.FormatUint(uint64(a.Metric), 10))
	}
	for i := range addressFlags {
		if f := &addressFlags[i]; *f.of(&a) {
			b.WriteString(" " + f.name)
		}
	}
	if valid, preferred := a.lifetimes(); valid != forever || preferred != forever {
		b.WriteString(" valid_lft " + lifetimeText(valid) + " preferred_lft " + lifetimeText(preferred))
	}
	return b.String()
}

func lifetimeText(seconds uint32) string {
	if seconds == forever {
		return "forever"
	}
	return strconv.FormatUint(uint64(seconds), 10)
}

// addressFlags are the flags that one can ask for.
var addressFlags = [...]struct {
	name   string
	kernel uint32
	of     func(*Address) *bool
}{
	{"noprefixroute", unix.IFA_F_NOPREFIXROUTE, func(a *Address) *bool { return &a.NoPrefixRoute }},
	{"nodad", unix.IFA_F_NODAD, func(a *Address) *bool { return &a.NoDAD }},
	{"home", unix.IFA_F_HOMEADDRESS, func(a *Address) *bool { return &a.Home }},
	{"mngtmpaddr", unix.IFA_F_MANAGETEMPADDR, func(a *Address) *bool { return &a.ManageTempAddr }},
}

// lifetimes gives both in seconds, as the kernel is to have them.
func (a *Address) lifetimes() (valid, preferred uint32) {
	valid = forever
	if a.ValidLifetime != 0 {
		valid = a.ValidLifetime.seconds()
	}
	switch {
	case a.Deprecated:
		return valid, 0
	case a.PreferredLifetime != 0:
		return valid, a.PreferredLifetime.seconds()
	}
	return valid, valid
}

// fault finds what is wrong with an address, without asking the kernel, and says what would be right.
func (a *Address) fault() error {
	if err := interfaceFault(a.Interface); err != nil {
		return err
	}
	addr := a.Prefix.Addr()
	switch {
	case !a.Prefix.IsValid():
		return errors.New("no valid prefix; give the address and the length of its network: 10.0.0.2/24")
	case addr.Is4In6():
		return mappedFault(addr)
	case addr.IsUnspecified(), addr.IsMulticast():
		return fmt.Errorf("%v is no address of a host", addr)
	case int(a.Scope) >= len(scopes):
		return fmt.Errorf("no scope: %v; the constants from ScopeDefault to ScopeHost are", a.Scope)
	}
	if err := a.peerFault(); err != nil {
		return err
	}
	if err := a.lifetimeFault(); err != nil {
		return err
	}
	if addr.Is6() {
		return a.fault6()
	}
	return a.fault4()
}

func (a *Address) peerFault() error {
	peer, addr := a.Peer, a.Prefix.Addr()
	switch {
	case !peer.IsValid():
		return nil
	case peer.Is4In6():
		return mappedFault(peer)
	case peer.Zone() != "":
		return fmt.Errorf("peer %v has a zone; write %v", peer, peer.WithZone(""))
	case peer.Is6() != addr.Is6():
		return fmt.Errorf("address %v and peer %v are of different families", addr, peer)
	case peer.IsUnspecified(), peer.IsMulticast():
		return fmt.Errorf("peer %v is no address of a host", peer)
	case peer == addr:
		return fmt.Errorf("peer %v is the address itself; leave it out", peer)
	}
	return nil
}

func (a *Address) lifetimeFault() error {
	if err := errors.Join(a.ValidLifetime.fault("ValidLifetime"), a.PreferredLifetime.fault("PreferredLifetime")); err != nil {
		return err
	}
	switch {
	case a.Deprecated && a.PreferredLifetime != 0:
		return errors.New("a Deprecated address is not preferred; leave out PreferredLifetime")
	case a.ValidLifetime != 0 && a.PreferredLifetime > a.ValidLifetime:
		return fmt.Errorf("PreferredLifetime %v is longer than ValidLifetime %v; at most as long", a.PreferredLifetime, a.ValidLifetime)
	}
	return nil
}

func (a *Address) fault4() error {
	brd := a.Broadcast
	switch {
	case a.NoDAD, a.Home, a.ManageTempAddr:
		return errors.New("an IPv4 address has no NoDAD, Home or ManageTempAddr, which are for IPv6 only; leave them out")
	case a.ValidLifetime == 0 && a.PreferredLifetime != 0:
		return errors.New("an IPv4 address that is valid forever is preferred as long; give ValidLifetime too, or Deprecated")
	case brd.IsValid() && !brd.Is4(), brd.IsValid() && brd.IsUnspecified():
		return fmt.Errorf("broadcast %v is no IPv4 address; for none, leave it out", brd)
	case len(a.Label) >= unix.IFNAMSIZ:
		return fmt.Errorf("label %q has %d bytes; at most %d are possible", a.Label, len(a.Label), unix.IFNAMSIZ-1)
	case !utf8.ValidString(a.Label): // the kernel would take it, JSON would not
		return fmt.Errorf("label %q is no UTF-8", a.Label)
	case strings.ContainsFunc(a.Label, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("label %q holds white space or control characters; one such as %s:www would do", a.Label, a.Interface)
	}
	return nil
}

func (a *Address) fault6() error {
	switch {
	case a.Broadcast.IsValid(), a.Label != "", a.Scope != ScopeDefault:
		return errors.New("an IPv6 address has no Broadcast, Label or Scope to choose, which are for IPv4 only; leave them out")
	case a.ManageTempAddr && a.Prefix.Bits() != 64:
		return fmt.Errorf("ManageTempAddr with the length %d; it takes 64", a.Prefix.Bits())
	}
	return nil
}
