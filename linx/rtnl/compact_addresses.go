package rtnl

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// address is an address of an interface. A desired one has the position of its interface's name in link,
// until that is replaced by the interface's index.
type address struct {
	local     ip
	peer      ip // zero: none
	broadcast [4]byte
	label     [unix.IFNAMSIZ]byte
	link      int32
	flags     uint32 // IFA_F_
	metric    uint32 // of the route of its network; 0: the kernel's default
	valid     uint32 // seconds
	preferred uint32 // seconds
	bits      uint8
	scope     uint8 // RT_SCOPE_
	protocol  uint8 // IFA_PROTO, 0 where the kernel says none
	v6        bool
}

// addressKey is what two addresses of one interface cannot agree in: see find_matching_ifa and
// ipv6_get_ifaddr in the kernel.
type addressKey struct {
	local   ip
	network [4]byte // of the peer or, without one, of itself; zero for IPv6, where the address alone counts
	link    int32
	bits    uint8
	v6      bool
}

func (a *address) key() addressKey {
	k := addressKey{local: a.local, link: a.link, v6: a.v6}
	if !a.v6 {
		k.bits = a.bits
		copy(k.network[:], a.local[:])
		if a.peer != (ip{}) {
			copy(k.network[:], a.peer[:])
		}
		mask4(&k.network, a.bits)
	}
	return k
}

// mask4 clears what is behind the first bits.
func mask4(a *[4]byte, bits uint8) {
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])&^uint32(uint64(math.MaxUint32)>>bits))
}

// bareAddress is what an address was made as, whatever has been changed about it since.
type bareAddress struct {
	local, peer ip
	link        int32
	bits        uint8
	v6          bool
}

func (a *address) bare() bareAddress {
	return bareAddress{local: a.local, peer: a.peer, link: a.link, bits: a.bits, v6: a.v6}
}

// packAddress gives a in the kernel's terms; link is the position of its interface's name. a is valid.
func packAddress(a *Address, link int32) address {
	addr := a.Prefix.Addr()
	p := address{
		local:  packIP(addr),
		peer:   packIP(a.Peer),
		link:   link,
		metric: a.Metric,
		bits:   uint8(a.Prefix.Bits()),
		v6:     addr.Is6(),
	}
	if a.Broadcast.IsValid() {
		p.broadcast = a.Broadcast.As4()
	}
	copy(p.label[:], a.Label)
	switch {
	case a.Scope != ScopeDefault:
		p.scope = scopes[a.Scope].kernel
	case !p.v6 && addr.IsLoopback():
		p.scope = unix.RT_SCOPE_HOST
	}
	for i := range addressFlags {
		if f := &addressFlags[i]; *f.of(a) {
			p.flags |= f.kernel
		}
	}
	p.valid, p.preferred = a.lifetimes()
	return p
}

// unpack gives all that can be asked for of a, with what the kernel fills in left out again. name is its
// interface's.
func (a *address) unpack(name string) Address {
	u := a.named(name)
	if a.broadcast != [4]byte{} {
		u.Broadcast = netip.AddrFrom4(a.broadcast)
	}
	if !a.v6 || a.metric != defaultAddressMetric(a.v6) {
		u.Metric = a.metric
	}
	if !a.labelled(name) {
		u.Label = a.labelText()
	}
	if usual := packAddress(&u, 0).scope; !a.v6 && usual != a.scope {
		for s := ScopeGlobal; int(s) < len(scopes); s++ {
			if scopes[s].kernel == a.scope {
				u.Scope = s
			}
		}
	}
	for i := range addressFlags {
		f := &addressFlags[i]
		*f.of(&u) = a.is(f.kernel)
	}
	if a.valid != forever {
		u.ValidLifetime = Lifetime(time.Duration(a.valid) * time.Second)
	}
	switch {
	case a.preferred == 0:
		u.Deprecated = true
	case a.preferred != a.valid:
		u.PreferredLifetime = Lifetime(time.Duration(a.preferred) * time.Second)
	}
	return u
}

// named gives no more of a than its name to the kernel.
func (a *address) named(name string) Address {
	return Address{Interface: name, Prefix: a.local.prefix(a.v6, a.bits), Peer: a.peer.addr(a.v6)}
}

// network is what an address makes reachable: the peer's, where there is one.
func (a *address) network() netip.Prefix {
	if a.peer != (ip{}) {
		return a.peer.prefix(a.v6, a.bits).Masked()
	}
	return a.local.prefix(a.v6, a.bits).Masked()
}

func (a *address) is(flag uint32) bool { return a.flags&flag != 0 }

func (a *address) tentative() bool {
	return a.is(unix.IFA_F_TENTATIVE) && !a.is(unix.IFA_F_OPTIMISTIC)
}

func (a *address) labelText() string {
	n := 0
	for n < len(a.label) && a.label[n] != 0 {
		n++
	}
	return string(a.label[:n])
}

// labelled says whether a's label is what the kernel makes it for an interface of that name: IPv6 has none.
func (a *address) labelled(name string) bool {
	n := len(name)
	return a.label == [unix.IFNAMSIZ]byte{} || n < len(a.label) && string(a.label[:n]) == name && a.label[n] == 0
}

// settable are the flags that one can ask for.
const settable = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR

// passing are those that the kernel sets by itself.
const passing = unix.IFA_F_SECONDARY | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_PERMANENT

// lasting is a without what the kernel changes by itself.
func (a *address) lasting() address {
	l := *a
	l.valid, l.preferred = 0, 0
	l.flags &^= passing
	return l
}

// exactly says that seen, of the same identity, has what want asks for and no more. name is its interface's.
func (want *address) exactly(seen *address, name string) bool {
	if want.peer != seen.peer || want.bits != seen.bits || want.metric != seen.metric || want.flags != seen.flags&settable ||
		want.valid != seen.valid || want.preferred != seen.preferred {
		return false
	}
	return want.v6 || want.broadcast == seen.broadcast && want.scope == seen.scope &&
		(want.label == seen.label || want.label[0] == 0 && seen.labelled(name))
}

// complete gives want with what it does not ask for as seen has it. What before gives, if anything, was asked
// for when seen was made: that is to be the kernel's default again.
func (want *address) complete(seen *address, name string, before func() (address, bool)) address {
	to := *want
	to.protocol = seen.protocol
	more := seen.flags &^ want.flags & settable
	to.flags |= seen.flags
	if to.label == [unix.IFNAMSIZ]byte{} {
		to.label = seen.label
	}
	if to.broadcast == [4]byte{} {
		to.broadcast = seen.broadcast
	}
	if to.metric == 0 {
		to.metric = seen.metric
	}
	if more == 0 && to.broadcast == want.broadcast && to.metric == want.metric && (to.label == want.label || seen.labelled(name)) {
		return to
	}
	was, known := before()
	if !known {
		return to
	}
	to.flags &^= more & was.flags
	if want.broadcast == [4]byte{} && was.broadcast == seen.broadcast {
		to.broadcast = [4]byte{}
	}
	if want.label == [unix.IFNAMSIZ]byte{} && was.label == seen.label {
		to.label = [unix.IFNAMSIZ]byte{}
		copy(to.label[:], name)
	}
	if want.metric == 0 && was.metric == seen.metric && was.metric != 0 {
		to.metric = defaultAddressMetric(to.v6)
	}
	return to
}

// defaultAddressMetric gives a name to what 0 means: changing one, IPv6 takes 0 for no change.
func defaultAddressMetric(v6 bool) uint32 {
	if v6 {
		return 256 // IP6_RT_PRIO_ADDRCONF
	}
	return 0
}

// remedy is what it takes to make one address another.
type remedy uint8

const (
	nothing remedy = iota
	renewal        // of a lifetime that counts down
	inPlace
	anew // it has to go first
)

// from says what it takes to make seen to, which is complete.
func (to *address) from(seen *address) remedy {
	flags := (to.flags ^ seen.flags) & settable
	switch {
	case to.peer != seen.peer, to.bits != seen.bits:
		return anew
	case !to.v6 && (flags != 0 || to.broadcast != seen.broadcast || to.label != seen.label || to.scope != seen.scope):
		return anew
	case flags != 0, to.metric != seen.metric, seen.valid > to.valid, seen.preferred > to.preferred:
		return inPlace
	}
	return nothing
}

// spent says that a lifetime is half over, or never was as long.
func spent(want, seen uint32) bool {
	return want != 0 && seen <= want/2 || want == forever && seen != forever
}
