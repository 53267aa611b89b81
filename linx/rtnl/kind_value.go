package rtnl

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// integer is what a number is kept in: a signed one where 0 is a value besides the kernel's default.
// Negative stands for it then.
type integer interface {
	~int32 | ~uint8 | ~uint16 | ~uint32
}

// scalar is an integer of some bytes.
type scalar[T integer] struct {
	at          *T
	wire        wire
	standard    uint32 // the kernel's default
	least, most uint32
	slack       uint32 // the kernel may be off by as much
	hex         bool
}

func u8[T integer](at *T) scalar[T] {
	return scalar[T]{at: at, wire: wire{1, native}, most: math.MaxUint8}
}
func u16[T integer](at *T) scalar[T] {
	return scalar[T]{at: at, wire: wire{2, native}, most: math.MaxUint16}
}
func u32[T integer](at *T) scalar[T] {
	return scalar[T]{at: at, wire: wire{4, native}, most: math.MaxUint32}
}
func be16[T integer](at *T) scalar[T] {
	return scalar[T]{at: at, wire: wire{2, network}, most: math.MaxUint16}
}
func be32[T integer](at *T) scalar[T] {
	return scalar[T]{at: at, wire: wire{4, network}, most: math.MaxUint32}
}

// or says what the kernel's default is, if not 0.
func (n scalar[T]) or(standard uint32) scalar[T] { n.standard = standard; return n }

// within says what the kernel takes.
func (n scalar[T]) within(least, most uint32) scalar[T] { n.least, n.most = least, most; return n }

// about says that the kernel rounds.
func (n scalar[T]) about() scalar[T] { n.slack = 1; return n }

func (n scalar[T]) inHex() scalar[T] { n.hex = true; return n }

func (n scalar[T]) asked() bool    { return *n.at != 0 }
func (n scalar[T]) clear()         { *n.at = 0 }
func (n scalar[T]) set(from value) { *n.at = *from.(scalar[T]).at }

// kernel gives the value in the kernel's terms.
func (n scalar[T]) kernel() uint32 {
	switch v := *n.at; {
	case v == 0:
		return n.standard
	case v < 0:
		return 0
	default:
		return uint32(v)
	}
}

func (n scalar[T]) same(other value) bool {
	a, b := n.kernel(), other.(scalar[T]).kernel()
	return max(a, b)-min(a, b) <= n.slack
}

func (n scalar[T]) fault() error {
	if v := n.kernel(); v < n.least || v > n.most {
		return fmt.Errorf("%d is out of range; the kernel takes %d to %d", v, n.least, n.most)
	}
	return nil
}

func (n scalar[T]) argument() string {
	if n.hex {
		return fmt.Sprintf(" %#x", n.kernel())
	}
	return " " + strconv.FormatUint(uint64(n.kernel()), 10)
}

func (n scalar[T]) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	n.wire.put(b, attr, n.kernel())
}

func (n scalar[T]) get(v []byte, _ namer) { n.take(n.wire.get(v)) }

// take takes the value in the kernel's terms.
func (n scalar[T]) take(k uint32) {
	none := T(0)
	none-- // the largest, if T is unsigned
	switch {
	case k == n.standard:
		*n.at = 0
	case k == 0 && none < 0:
		*n.at = none
	case none < 0:
		*n.at = T(min(k, math.MaxInt32))
	default:
		*n.at = T(k)
	}
}

// wire is an integer's form in an attribute.
type wire struct {
	size  int
	order byteOrder
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var network = binary.BigEndian

func (w wire) put(b *rtnetlink.Batch, attr uint16, v uint32) {
	switch w.size {
	case 1:
		b.Uint8(attr, uint8(v))
	case 2:
		b.Bytes(attr, w.order.AppendUint16(nil, uint16(v)))
	default:
		b.Bytes(attr, w.order.AppendUint32(nil, v))
	}
}

func (w wire) get(v []byte) uint32 {
	switch {
	case len(v) < w.size:
		return 0
	case w.size == 1:
		return uint32(v[0])
	case w.size == 2:
		return uint32(w.order.Uint16(v))
	default:
		return w.order.Uint32(v)
	}
}

// toggle is a bool in an attribute of its own.
type toggle struct {
	at   *bool
	size int    // of the attribute; 0: it is there, or it is not
	off  bool   // it is the kernel's default that is 1
	says string // what follows the word
}

func yes(at *bool) toggle { return toggle{at: at, size: 1} }
func no(at *bool) toggle  { return toggle{at: at, size: 1, off: true} }

// saying says what follows the word.
func (f toggle) saying(says string) toggle { f.says = " " + says; return f }

// sized says how many bytes it has, if not one.
func (f toggle) sized(size int) toggle { f.size = size; return f }

func (f toggle) asked() bool           { return *f.at }
func (f toggle) clear()                { *f.at = false }
func (f toggle) set(from value)        { *f.at = *from.(toggle).at }
func (f toggle) same(other value) bool { return *f.at == *other.(toggle).at }
func (f toggle) fault() error          { return nil }
func (f toggle) argument() string      { return f.says }

func (f toggle) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	switch {
	case f.size > 0:
		wire{f.size, native}.put(b, attr, uint32(which(*f.at != f.off)))
	case *f.at:
		b.Bytes(attr, nil)
	}
}

// get takes an attribute without bytes for a yes: some are sent in one way and shown in the other.
func (f toggle) get(v []byte, _ namer) {
	*f.at = (len(v) == 0 || wire{min(len(v), 4), native}.get(v) != 0) != f.off
}

// bit is a bool that shares its attribute with others.
type bit struct {
	at   *bool
	of   *uint32 // in place of at: that it is not 0
	mask uint32
	off  bool // it is the kernel's default that is 1
	form bits
	says string
}

// bits is an attribute with a bit for each of several settings.
type bits struct {
	wire
	masked bool // there follows which of them are meant
}

// putWith adds the attribute.
func (f bits) putWith(b *rtnetlink.Batch, attr uint16, on, mask uint32) {
	if f.masked {
		b.Bytes(attr, native.AppendUint32(native.AppendUint32(nil, on), mask))
	} else {
		f.wire.put(b, attr, on)
	}
}

func (v bit) asked() bool {
	if v.of != nil {
		return *v.of != 0
	}
	return *v.at
}

func (v bit) clear() {
	if v.at != nil {
		*v.at = false
	}
}

func (v bit) set(from value) {
	if v.at != nil {
		*v.at = *from.(bit).at
	}
}

func (v bit) on() bool              { return v.asked() != v.off }
func (v bit) same(other value) bool { return v.asked() == other.asked() }
func (v bit) fault() error          { return nil }
func (v bit) argument() string      { return v.says }

func (v bit) get(data []byte, _ namer) {
	if v.at != nil {
		*v.at = (v.form.get(data)&v.mask != 0) != v.off
	}
}

// choice is one of several words. Of their list the first is the kernel's default.
type choice[T ~string] struct {
	at   *T
	wire wire
	from []word
	lone T // cannot be changed to, nor from
}

type word struct {
	text   string
	kernel uint32
}

func oneOf[T ~string](at *T, from []word) choice[T] {
	return choice[T]{at: at, wire: wire{1, native}, from: from}
}

// over says how the number is sent, if not as one byte.
func (c choice[T]) over(size int, order byteOrder) choice[T] { c.wire = wire{size, order}; return c }

// apart says what cannot be changed to, nor from.
func (c choice[T]) apart(lone T) choice[T] { c.lone = lone; return c }

func (c choice[T]) stuck(seen value) bool {
	return c.lone != "" && (*c.at == c.lone) != (*seen.(choice[T]).at == c.lone)
}

func (c choice[T]) asked() bool           { return *c.at != "" }
func (c choice[T]) clear()                { *c.at = "" }
func (c choice[T]) set(from value)        { *c.at = *from.(choice[T]).at }
func (c choice[T]) same(other value) bool { return c.text() == other.(choice[T]).text() }

func (c choice[T]) argument() string { return " " + c.text() }

func (c choice[T]) text() string {
	if *c.at == "" {
		return c.from[0].text
	}
	return string(*c.at)
}

func (c choice[T]) fault() error {
	var texts []string
	for _, w := range c.from {
		switch w.text {
		case string(*c.at):
			return nil
		case "":
		default:
			texts = append(texts, w.text)
		}
	}
	return fmt.Errorf("%q is not known; want one of %s", string(*c.at), strings.Join(texts, ", "))
}

// kernel gives the number of what is asked for, which is without fault.
func (c choice[T]) kernel() uint32 {
	i := max(0, slices.IndexFunc(c.from, func(w word) bool { return w.text == c.text() }))
	return c.from[i].kernel
}

func (c choice[T]) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	c.wire.put(b, attr, c.kernel())
}

func (c choice[T]) get(v []byte, _ namer) { c.take(c.wire.get(v)) }

// take takes the number of what is chosen.
func (c choice[T]) take(k uint32) {
	*c.at = T(strconv.FormatUint(uint64(k), 10)) // should it be a new one
	for i, w := range c.from {
		if w.kernel == k {
			*c.at = T(w.text)
			if i == 0 {
				*c.at = ""
			}
		}
	}
}

// device is the name of another interface.
type device struct {
	at   *string
	late bool // which need not exist yet
}

func (d device) asked() bool           { return *d.at != "" }
func (d device) clear()                { *d.at = "" }
func (d device) set(from value)        { *d.at = *from.(device).at }
func (d device) same(other value) bool { return *d.at == *other.(device).at }
func (d device) fault() error          { return interfaceFault(*d.at) }
func (d device) argument() string      { return " " + *d.at }

func (d device) put(b *rtnetlink.Batch, attr uint16, index func(string) int32) {
	var i int32
	if *d.at != "" {
		i = index(*d.at)
	}
	b.Uint32(attr, uint32(i))
}

func (d device) get(v []byte, name namer) {
	*d.at = ""
	if i := int32(uint32At(v)); i != 0 {
		*d.at = name(i)
	}
}

// host is the IP address of a host or a multicast group.
type host struct {
	at     *netip.Addr
	v4, v6 bool   // what it may be
	attr6  uint16 // of an IPv6 one, if it has one of its own
	words  bool   // ip(8)'s word is "group" or "remote"
	anchor bool   // whether there is one cannot be changed
}

func host4(at *netip.Addr) host                { return host{at: at, v4: true} }
func host6(at *netip.Addr) host                { return host{at: at, v6: true} }
func host46(at *netip.Addr, attr6 uint16) host { return host{at: at, v4: true, v6: true, attr6: attr6} }

func (h host) orGroup() host  { h.words = true; return h }
func (h host) anchored() host { h.anchor = true; return h }

func (h host) asked() bool           { return h.at.IsValid() }
func (h host) clear()                { *h.at = netip.Addr{} }
func (h host) same(other value) bool { return *h.at == *other.(host).at }

func (h host) argument() string {
	switch {
	case !h.words:
		return " " + h.at.String()
	case h.at.IsMulticast():
		return " group " + h.at.String()
	}
	return " remote " + h.at.String()
}

// set keeps the family of what goes, where the kernel wants to hear of that.
func (h host) set(from value) {
	switch a := *from.(host).at; {
	case a.IsValid() || !h.at.IsValid() || h.attr6 == 0:
		*h.at = a
	case h.at.Is6():
		*h.at = netip.IPv6Unspecified()
	default:
		*h.at = netip.IPv4Unspecified()
	}
}

// stuck says that the family differs, or what else the kernel cannot change.
func (h host) stuck(seen value) bool {
	other := seen.(host)
	return h.asked() && other.asked() && h.at.Is6() != other.at.Is6() || h.anchor && h.asked() != other.asked()
}

func (h host) fault() error {
	switch a := *h.at; {
	case a.Is4In6():
		return mappedFault(a)
	case a.Zone() != "":
		return fmt.Errorf("%v has a zone; write %v, and the interface as dev", a, a.WithZone(""))
	case a.Is4() && !h.v4, a.Is6() && !h.v6:
		return fmt.Errorf("%v is not %s", a, familyName(h.v6))
	case a.IsUnspecified():
		return fmt.Errorf("%v is no address; for any, leave it out", a)
	}
	return nil
}

func (h host) put(b *rtnetlink.Batch, attr uint16, _ func(string) int32) {
	switch a := *h.at; {
	case a.Is6() && h.attr6 != 0:
		b.Bytes(h.attr6, a.AsSlice())
	case a.IsValid():
		b.Bytes(attr, a.AsSlice())
	case h.v4:
		b.Bytes(attr, make([]byte, 4))
	default:
		b.Bytes(attr, make([]byte, 16))
	}
}

func (h host) get(v []byte, _ namer) {
	if a, ok := netip.AddrFromSlice(v); ok && !a.IsUnspecified() {
		*h.at = a
	} else if h.at.Is6() == (len(v) == 16) {
		*h.at = netip.Addr{}
	}
}
