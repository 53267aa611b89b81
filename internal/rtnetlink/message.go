package rtnetlink

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

var native = binary.NativeEndian

// Header is a netlink message's header without its length.
type Header struct {
	Type, Flags uint16
	Seq, Port   uint32
}

// Messages walks the messages of a datagram: header, and the body behind it, which points into b. It stops
// at the first malformed one; the kernel sends none.
func Messages(b []byte) iter.Seq2[Header, []byte] {
	return func(yield func(Header, []byte) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			size := int(native.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return
			}
			h := Header{
				Type:  native.Uint16(b[4:]),
				Flags: native.Uint16(b[6:]),
				Seq:   native.Uint32(b[8:]),
				Port:  native.Uint32(b[12:]),
			}
			if !yield(h, b[unix.SizeofNlMsghdr:size:size]) {
				return
			}
			b = b[min(align(size), len(b)):]
		}
	}
}

// Attributes walks the attributes in b (what follows a message's fixed part, or the payload of a nested
// one): type without its flag bits, and payload, which points into b. It stops at the first malformed one;
// the kernel sends none.
func Attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			size := int(native.Uint16(b))
			if size < unix.SizeofNlAttr || size > len(b) {
				return
			}
			typ := native.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(typ, b[unix.SizeofNlAttr:size:size]) {
				return
			}
			b = b[min(align(size), len(b)):]
		}
	}
}

// align rounds up to the 4 bytes that messages and attributes are aligned to.
func align(n int) int { return (n + 3) &^ 3 }
