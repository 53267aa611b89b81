package rtnl

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unique"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// encap is how packets are wrapped on their way to a next hop, in the kernel's terms where it is not said
// otherwise.
type encap struct {
	kind     uint16 // LWTUNNEL_ENCAP_
	mode     uint8  // of SEG6: a SEG6Mode
	ttl, tos uint8
	flags    uint16 // tunnelKey and the like
	id       uint64
	src, dst ip
	list     string // labels, of 4 bytes each, or segments, of 16, in the order in which they are passed
	unknown  bool   // more than this can hold: list has all attributes
	wrong    string // no encap, but why not
}

// What x/sys/unix lacks.
const (
	// LWTUNNEL_IP_ and LWTUNNEL_IP6_
	tunnelID, tunnelDst, tunnelSrc, tunnelTTL, tunnelTOS, tunnelFlagBits = 1, 2, 3, 4, 5, 6

	tunnelCsum, tunnelKey, tunnelSeq = 0x01, 0x04, 0x08 // TUNNEL_

	seg6SRH        = 1 // SEG6_IPTUNNEL_SRH
	seg6HeaderSize = 8 // struct ipv6_sr_hdr, without segments
	srhType        = 4 // IPV6_SRCRT_TYPE_4

	mplsBottom = 0x100 // MPLS_LS_S_MASK
	mplsShift  = 12    // MPLS_LS_LABEL_SHIFT
)

// putEncap adds the attributes of a next hop's encapsulation.
func putEncap(b *rtnetlink.Batch, h unique.Handle[encap]) {
	if h == (unique.Handle[encap]{}) {
		return
	}
	e := h.Value()
	end := b.Nest(unix.RTA_ENCAP | unix.NLA_F_NESTED)
	e.put(b)
	end()
	b.Uint16(unix.RTA_ENCAP_TYPE, e.kind)
}

func (e *encap) put(b *rtnetlink.Batch) {
	switch e.kind {
	case unix.LWTUNNEL_ENCAP_MPLS:
		b.Bytes(unix.MPLS_IPTUNNEL_DST, e.labelStack())
		if e.ttl != 0 {
			b.Uint8(unix.MPLS_IPTUNNEL_TTL, e.ttl)
		}
	case unix.LWTUNNEL_ENCAP_SEG6:
		b.Bytes(seg6SRH, e.routingHeader())
	default:
		v6 := e.kind == unix.LWTUNNEL_ENCAP_IP6
		b.Bytes(tunnelID, binary.BigEndian.AppendUint64(nil, e.id))
		if e.src != (ip{}) {
			b.Bytes(tunnelSrc, e.src.bytes(v6))
		}
		b.Bytes(tunnelDst, e.dst.bytes(v6))
		if e.ttl != 0 {
			b.Uint8(tunnelTTL, e.ttl)
		}
		if e.tos != 0 {
			b.Uint8(tunnelTOS, e.tos)
		}
		if e.flags != 0 {
			b.Bytes(tunnelFlagBits, binary.BigEndian.AppendUint16(nil, e.flags))
		}
	}
}

// labelStack gives labels as packets have them, the last one marked.
func (e *encap) labelStack() []byte {
	stack := []byte(e.list)
	for label := range slices.Chunk(stack, 4) {
		binary.BigEndian.PutUint32(label, binary.BigEndian.Uint32(label)<<mplsShift)
	}
	stack[len(stack)-2] |= mplsBottom >> 8
	return stack
}

// routingHeader gives a struct seg6_iptunnel_encap: the segments are in reverse, and inline there is one more
// for the packet's own destination.
func (e *encap) routingHeader() []byte {
	mode := seg6Modes[e.mode].kernel
	var segments []byte
	if SEG6Mode(e.mode) == SEG6Inline {
		segments = make([]byte, 16)
	}
	for n := len(e.list) - 16; n >= 0; n -= 16 {
		segments = append(segments, e.list[n:n+16]...)
	}
	last := uint8(len(segments)/16 - 1)
	header := native.AppendUint32(nil, uint32(mode))
	header = append(header, 0, uint8(len(segments)/8), srhType, last, last, 0, 0, 0)
	return append(header, segments...)
}

// encapDecoder decodes encapsulations one after another, and remembers the last one: the next is mostly the
// same.
type encapDecoder struct {
	kind   uint16
	raw    []byte
	handle unique.Handle[encap]
}

// decode reads RTA_ENCAP, of a kind.
func (d *encapDecoder) decode(kind uint16, raw []byte) unique.Handle[encap] {
	if kind != d.kind || !bytes.Equal(raw, d.raw) {
		d.kind, d.raw = kind, append(d.raw[:0], raw...)
		d.handle = unique.Make(decodeEncap(kind, raw))
	}
	return d.handle
}

func decodeEncap(kind uint16, raw []byte) encap {
	e := encap{kind: kind}
	for typ, v := range rtnetlink.Attributes(raw) {
		var known bool
		switch kind {
		case unix.LWTUNNEL_ENCAP_MPLS:
			known = e.decodeMPLS(typ, v)
		case unix.LWTUNNEL_ENCAP_SEG6:
			known = e.decodeSEG6(typ, v)
		case unix.LWTUNNEL_ENCAP_IP, unix.LWTUNNEL_ENCAP_IP6:
			known = e.decodeTunnel(typ, v)
		}
		e.unknown = e.unknown || !known
	}
	whole := len(e.list) > 0 || e.dst != ip{}
	if e.unknown || !whole {
		return encap{kind: kind, list: string(raw), unknown: true}
	}
	return e
}

func (e *encap) decodeMPLS(typ uint16, v []byte) bool {
	switch {
	case typ == unix.MPLS_IPTUNNEL_TTL && uint8At(v) != 0: // 0 is not the same as none
		e.ttl = v[0]
		return true
	case typ != unix.MPLS_IPTUNNEL_DST, len(v) == 0, len(v)%4 != 0:
		return false
	}
	labels := slices.Clone(v)
	for label := range slices.Chunk(labels, 4) {
		binary.BigEndian.PutUint32(label, binary.BigEndian.Uint32(label)>>mplsShift)
	}
	e.list = string(labels)
	return bytes.Equal(e.labelStack(), v)
}

func (e *encap) decodeSEG6(typ uint16, v []byte) bool {
	const fixed = 4 + seg6HeaderSize
	if typ != seg6SRH || len(v) < fixed+16 || (len(v)-fixed)%16 != 0 {
		return false
	}
	known := false
	for m := range seg6Modes {
		if uint32(seg6Modes[m].kernel) == native.Uint32(v) {
			e.mode, known = uint8(m), true
		}
	}
	segments := v[fixed:]
	if SEG6Mode(e.mode) == SEG6Inline {
		segments = segments[16:]
	}
	var list []byte
	for n := len(segments) - 16; n >= 0; n -= 16 {
		list = append(list, segments[n:n+16]...)
	}
	e.list = string(list)
	return known && bytes.Equal(e.routingHeader(), v)
}

func (e *encap) decodeTunnel(typ uint16, v []byte) bool {
	switch typ {
	case tunnelID:
		if len(v) == 8 {
			e.id = binary.BigEndian.Uint64(v)
		}
	case tunnelDst:
		copy(e.dst[:], v)
	case tunnelSrc:
		copy(e.src[:], v)
	case tunnelTTL:
		e.ttl = uint8At(v)
	case tunnelTOS:
		e.tos = uint8At(v)
	case tunnelFlagBits:
		if len(v) == 2 {
			e.flags = binary.BigEndian.Uint16(v)
		}
		return e.flags&^(tunnelCsum|tunnelKey|tunnelSeq) == 0
	default:
		return false
	}
	return true
}
