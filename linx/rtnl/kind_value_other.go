package rtnl

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Values that one kind has.

// ports is the range of a vxlan's source ports, of which the last is not used.
type ports struct{ at *PortRange }

func (p ports) asked() bool           { return *p.at != PortRange{} }
func (p ports) clear()                { *p.at = PortRange{} }
func (p ports) set(from value)        { *p.at = *from.(ports).at }
func (p ports) same(other value) bool { return *p.at == *other.(ports).at }
func (p ports) argument() string      { return fmt.Sprintf(" %d %d", p.at.first, p.at.last) }

func (p ports) fault() error {
	if p.at.first == 0 || p.at.first >= p.at.last {
		return fmt.Errorf("%v is empty; the last port is not used, and the first is from 1 on", p.at)
	}
	return nil
}

func (p ports) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	b.Bytes(attr, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.at.first), p.at.last))
}

func (p ports) get(v []byte, _ namer) {
	if len(v) >= 4 {
		*p.at = PortRange{binary.BigEndian.Uint16(v), binary.BigEndian.Uint16(v[2:])}
	}
}

// hardware is a link-layer address.
type hardware struct{ at *MAC }

func (h hardware) asked() bool           { return *h.at != MAC{} }
func (h hardware) clear()                { *h.at = MAC{} }
func (h hardware) set(from value)        { *h.at = *from.(hardware).at }
func (h hardware) same(other value) bool { return *h.at == *other.(hardware).at }
func (h hardware) argument() string      { return " " + h.at.String() }

func (h hardware) fault() error {
	if h.at[0]&1 != 0 {
		return fmt.Errorf("%v is a group's; the lowest bit of the first byte must be 0", h.at)
	}
	return nil
}

func (h hardware) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) { b.Bytes(attr, h.at[:]) }
func (h hardware) get(v []byte, _ namer)                                     { h.clear(); copy(h.at[:], v) }

// targets are IPv4 addresses, as in "10.0.0.1,10.0.0.2".
type targets struct{ at *string }

const maximumTargets = 16 // BOND_MAX_ARP_TARGETS

// list gives the addresses, in the order of their text; those that are none are invalid.
func (t targets) list() []netip.Addr {
	var list []netip.Addr
	for text := range strings.SplitSeq(*t.at, ",") {
		a, _ := netip.ParseAddr(text)
		list = append(list, a)
	}
	return list
}

func (t targets) asked() bool           { return *t.at != "" }
func (t targets) clear()                { *t.at = "" }
func (t targets) set(from value)        { *t.at = *from.(targets).at }
func (t targets) same(other value) bool { return *t.at == *other.(targets).at }
func (t targets) argument() string      { return " " + *t.at }

func (t targets) fault() error {
	list := t.list()
	if len(list) > maximumTargets {
		return fmt.Errorf("%d addresses; at most %d are possible", len(list), maximumTargets)
	}
	for i, text := range strings.Split(*t.at, ",") {
		if a := list[i]; !a.Is4() || a.IsUnspecified() || a.String() != text {
			return fmt.Errorf("%q is no IPv4 address; want them as in 10.0.0.1,10.0.0.2", text)
		}
	}
	return nil
}

func (t targets) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	end := b.Nest(attr)
	defer end()
	for i, a := range t.list() {
		b.Bytes(uint16(i), a.AsSlice())
	}
}

func (t targets) get(v []byte, _ namer) {
	var texts []string
	for _, v := range rtnetlink.Attributes(v) {
		if a, ok := netip.AddrFromSlice(v); ok && a.Is4() {
			texts = append(texts, a.String())
		}
	}
	*t.at = strings.Join(texts, ",")
}

// flowInfo is the traffic class and the flow label of IPv6 packets.
type flowInfo struct {
	class *uint8
	label *uint32
}

const flowLabels = 0xfffff

func (f flowInfo) asked() bool { return *f.class != 0 || *f.label != 0 }
func (f flowInfo) clear()      { *f.class, *f.label = 0, 0 }

func (f flowInfo) set(from value) {
	other := from.(flowInfo)
	*f.class, *f.label = *other.class, *other.label
}

func (f flowInfo) same(other value) bool {
	o := other.(flowInfo)
	return *f.class == *o.class && *f.label == *o.label
}

func (f flowInfo) argument() string { return fmt.Sprintf(" %#x flowlabel %#x", *f.class, *f.label) }

func (f flowInfo) fault() error {
	if *f.label > flowLabels {
		return fmt.Errorf("flowlabel %#x is out of range; at most %#x", *f.label, flowLabels)
	}
	return nil
}

func (f flowInfo) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	wire{4, network}.put(b, attr, uint32(*f.class)<<20|*f.label)
}

func (f flowInfo) get(v []byte, _ namer) {
	info := wire{4, network}.get(v)
	*f.class, *f.label = uint8(info>>20), info&flowLabels
}
