package monitor

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// ifaProto is IFA_PROTO of linux/if_addr.h, since Linux 5.18.
const ifaProto = 11

// Forever is the lifetime of an address that does not expire.
const Forever time.Duration = 1<<63 - 1

// Address is an address of an interface.
type Address struct {
	Index     int           // of the interface
	Prefix    netip.Prefix  // with the host's bits: 10.0.0.2/24
	Peer      netip.Addr    // the other end, of a point-to-point address; Prefix's length is of that
	Broadcast netip.Addr    // zero: none
	Label     string        // IPv4 only
	Scope     uint8         // unix.RT_SCOPE_
	Flags     uint32        // unix.IFA_F_TENTATIVE and the like
	Protocol  uint8         // who made it; 0: unknown (IFA_PROTO, Linux 5.18)
	Valid     time.Duration // how long it has left, or Forever
	Preferred time.Duration // how long it may be used for new connections, or Forever
}

// Address decodes an Event of KindAddress.
func (e Event) Address() (Address, bool) {
	fixed, attributes, ok := e.split(KindAddress, unix.SizeofIfAddrmsg)
	if !ok || !isIP(fixed[0]) {
		return Address{}, false
	}
	family, bits := fixed[0], fixed[1]
	a := Address{
		Index:     int(native.Uint32(fixed[4:])),
		Scope:     fixed[3],
		Flags:     uint32(fixed[2]),
		Valid:     Forever,
		Preferred: Forever,
	}
	var r reader
	var local, address netip.Addr
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.IFA_LOCAL:
			local = r.addr(v)
		case unix.IFA_ADDRESS:
			address = r.addr(v)
		case unix.IFA_BROADCAST:
			a.Broadcast = r.addr(v)
		case unix.IFA_LABEL:
			a.Label = unix.ByteSliceToString(v)
		case unix.IFA_FLAGS: // all of them: the fixed part has room for eight
			a.Flags = r.uint32(v)
		case ifaProto:
			a.Protocol = r.uint8(v)
		case unix.IFA_CACHEINFO:
			if len(v) < unix.SizeofIfaCacheinfo {
				return Address{}, false
			}
			a.Preferred, a.Valid = lifetime(native.Uint32(v)), lifetime(native.Uint32(v[4:]))
		}
	}
	// Without a peer, IPv4 has both and the same, IPv6 only IFA_ADDRESS.
	if !local.IsValid() {
		local = address
	}
	if address != local {
		a.Peer = address
	}
	a.Prefix = r.prefix(family, local, bits)
	return a, !r.bad && local.IsValid()
}

func lifetime(seconds uint32) time.Duration {
	if seconds == 1<<32-1 {
		return Forever
	}
	return time.Duration(seconds) * time.Second
}
