package monitor

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

var native = binary.NativeEndian

// wellFormed tells whether attributes fill b to its end.
func wellFormed(b []byte) bool {
	rest := len(b)
	for _, v := range rtnetlink.Attributes(b) {
		rest -= unix.SizeofNlAttr + (len(v)+3)&^3
	}
	return rest <= 0 // the last one may lack its padding
}

// reader reads attributes' payloads, and remembers if one was malformed.
type reader struct{ bad bool }

func (r *reader) uint8(v []byte) uint8 {
	if len(v) < 1 {
		r.bad = true
		return 0
	}
	return v[0]
}

func (r *reader) uint32(v []byte) uint32 {
	if len(v) < 4 {
		r.bad = true
		return 0
	}
	return native.Uint32(v)
}

// addr reads 4 bytes or 16.
func (r *reader) addr(v []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(v)
	r.bad = r.bad || !ok
	return a
}

// prefix puts an address of the family, or none for all zeros, and a length together.
func (r *reader) prefix(family uint8, a netip.Addr, bits uint8) netip.Prefix {
	if !a.IsValid() {
		a = unspecified(family)
	}
	p := netip.PrefixFrom(a, int(bits))
	r.bad = r.bad || !p.IsValid() || a.Is4() != (family == unix.AF_INET)
	return p
}

func unspecified(family uint8) netip.Addr {
	if family == unix.AF_INET {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func isIP(family uint8) bool { return family == unix.AF_INET || family == unix.AF_INET6 }
