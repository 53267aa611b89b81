package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unique"

	"golang.org/x/sys/unix"
)

// Encap is how packets are wrapped on their way to a next hop, what ip(8) calls lightweight tunnel
// encapsulation. It is made by MPLS, SEG6 and IPTunnel, or of ip(8)'s words, and is comparable. Zero: not at
// all.
//
//	rtnl.Route{Dst: dst, Gateway: gw, Encap: rtnl.MPLS{Labels: []uint32{100, 200}}.Encap()}
//
// It is part of the next hop: another's route with another one is not as desired. A kind that the kernel
// lacks is refused with EOPNOTSUPP.
type Encap struct{ handle unique.Handle[encap] }

// MPLS pushes labels (RFC 3032).
type MPLS struct {
	// Labels are pushed so that the first is the outermost: 1 to 30, of at most 20 bits each. 3, the implicit
	// null label, is refused: no packet has it.
	Labels []uint32
	// TTL is that of the labels. 0: as net.mpls.ip_ttl_propagate has it.
	TTL uint8
}

// SEG6 is segment routing over IPv6 (RFC 8754), without HMAC.
type SEG6 struct {
	// Mode is how the segments are put on the packet. Zero: SEG6Encap.
	Mode SEG6Mode
	// Segments are passed in this order: 1 to 127 IPv6 addresses, 126 inline.
	Segments []netip.Addr
}

// SEG6Mode is how segments are put on a packet.
type SEG6Mode uint8

const (
	SEG6Encap      SEG6Mode = iota // an IPv6 header with the segments, around the packet
	SEG6Inline                     // in the packet's own IPv6 header: for IPv6 routes only
	SEG6L2Encap                    // around the whole frame
	SEG6EncapRed                   // as SEG6Encap, without the first segment, which is the destination anyway
	SEG6L2EncapRed                 // as SEG6L2Encap, without the first segment
)

var seg6Modes = [...]struct {
	name   string
	kernel uint8 // SEG6_IPTUN_MODE_
}{
	SEG6Encap:      {"encap", 1},
	SEG6Inline:     {"inline", 0},
	SEG6L2Encap:    {"l2encap", 2},
	SEG6EncapRed:   {"encap.red", 3},
	SEG6L2EncapRed: {"l2encap.red", 4},
}

// String gives ip(8)'s name: "inline".
func (m SEG6Mode) String() string {
	if int(m) < len(seg6Modes) {
		return seg6Modes[m].name
	}
	return "SEG6Mode(" + strconv.Itoa(int(m)) + ")"
}

// IPTunnel tells the route's interface, a tunnel of mode "external" (such as a vxlan, gre or geneve one),
// where its other end is.
type IPTunnel struct {
	// Dst is the other end, and Src the local one, of the same family. Zero Src: the kernel chooses.
	Dst, Src netip.Addr
	// ID is the VNI or key.
	ID uint64
	// TTL and TOS are those of the outer packet, for IPv6 its hop limit and traffic class. 0: the kernel's
	// choice.
	TTL, TOS uint8
	// Key, Checksum and Sequence say that the outer header has them, for GRE.
	Key, Checksum, Sequence bool
}

// Encap gives m for a Route. What is wrong with it is found when the route is validated.
func (m MPLS) Encap() Encap {
	e := encap{kind: unix.LWTUNNEL_ENCAP_MPLS, ttl: m.TTL}
	for _, label := range m.Labels {
		e.list += string(binary.BigEndian.AppendUint32(nil, label))
	}
	return e.checked(m.fault())
}

func (m MPLS) fault() error {
	if n := len(m.Labels); n == 0 || n > 30 {
		return fmt.Errorf("MPLS with %d labels; 1 to 30 are possible", n)
	}
	for _, label := range m.Labels {
		if label >= 1<<20 || label == 3 {
			return fmt.Errorf("MPLS label %d; 20 bits are possible, and not 3, the implicit null label", label)
		}
	}
	return nil
}

// Encap gives s for a Route. What is wrong with it is found when the route is validated.
func (s SEG6) Encap() Encap {
	e := encap{kind: unix.LWTUNNEL_ENCAP_SEG6, mode: uint8(s.Mode)}
	for _, segment := range s.Segments {
		b := segment.As16()
		e.list += string(b[:])
	}
	return e.checked(s.fault())
}

func (s SEG6) fault() error {
	if int(s.Mode) >= len(seg6Modes) {
		return fmt.Errorf("no SEG6 mode: %v; the constants from SEG6Encap to SEG6L2EncapRed are", s.Mode)
	}
	limit := 127 // the header's length is in 8 bits
	if s.Mode == SEG6Inline {
		limit--
	}
	if n := len(s.Segments); n == 0 || n > limit {
		return fmt.Errorf("SEG6 with %d segments; 1 to %d are possible", n, limit)
	}
	for _, a := range s.Segments {
		if !a.Is6() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			return fmt.Errorf("SEG6 segment %v; segments are IPv6 addresses of hosts, without zone", a)
		}
	}
	return nil
}

// Encap gives t for a Route. What is wrong with it is found when the route is validated.
func (t IPTunnel) Encap() Encap {
	e := encap{
		kind: unix.LWTUNNEL_ENCAP_IP, id: t.ID, src: packIP(t.Src), dst: packIP(t.Dst), ttl: t.TTL, tos: t.TOS,
		flags: uint16(flag(t.Checksum, tunnelCsum) | flag(t.Key, tunnelKey) | flag(t.Sequence, tunnelSeq)),
	}
	if t.Dst.Is6() {
		e.kind = unix.LWTUNNEL_ENCAP_IP6
	}
	return e.checked(t.fault())
}

func (t IPTunnel) fault() error {
	for _, a := range []netip.Addr{t.Dst, t.Src} {
		switch {
		case a.Is4In6():
			return mappedFault(a)
		case a.Zone() != "":
			return fmt.Errorf("tunnel's end %v has a zone; write %v", a, a.WithZone(""))
		}
	}
	switch {
	case !t.Dst.IsValid(), t.Dst.IsUnspecified():
		return errors.New("IPTunnel without Dst; give the address of the other end")
	case t.Src.IsValid() && t.Src.Is6() != t.Dst.Is6():
		return fmt.Errorf("tunnel's ends %v and %v are of different families", t.Src, t.Dst)
	case t.Src.IsValid() && (t.Src.IsUnspecified() || t.Src.IsMulticast()):
		return fmt.Errorf("tunnel's source %v is no address of a host; for the kernel's choice, leave it out", t.Src)
	}
	return nil
}

// checked gives e as an Encap, or what is wrong instead.
func (e encap) checked(fault error) Encap {
	if fault != nil {
		e = encap{wrong: fault.Error()}
	}
	return Encap{unique.Make(e)}
}

// kernel gives what e is, in the kernel's terms.
func (e Encap) kernel() encap {
	if e == (Encap{}) {
		return encap{}
	}
	return e.handle.Value()
}

func (e Encap) fault(v6 bool) error {
	switch k := e.kernel(); {
	case k.wrong != "":
		return errors.New(k.wrong)
	case k.unknown:
		return fmt.Errorf("encap %v: it has attributes that this package cannot name", e)
	case k.kind == unix.LWTUNNEL_ENCAP_SEG6 && SEG6Mode(k.mode) == SEG6Inline && !v6:
		return errors.New("SEG6Inline on an IPv4 route; IPv4 headers hold no segments, SEG6Encap is for all")
	}
	return nil
}

// encapNames are ip(8)'s.
var encapNames = [...]string{
	unix.LWTUNNEL_ENCAP_NONE: "none", unix.LWTUNNEL_ENCAP_MPLS: "mpls", unix.LWTUNNEL_ENCAP_IP: "ip",
	unix.LWTUNNEL_ENCAP_ILA: "ila", unix.LWTUNNEL_ENCAP_IP6: "ip6", unix.LWTUNNEL_ENCAP_SEG6: "seg6",
	unix.LWTUNNEL_ENCAP_BPF: "bpf", unix.LWTUNNEL_ENCAP_SEG6_LOCAL: "seg6local", unix.LWTUNNEL_ENCAP_RPL: "rpl",
	unix.LWTUNNEL_ENCAP_IOAM6: "ioam6", unix.LWTUNNEL_ENCAP_XFRM: "xfrm",
}

// String gives ip(8)'s words: "mpls 100/200 ttl 9", "seg6 mode encap segs fc00::1,fc00::2",
// "ip id 7 dst 10.9.0.1". Zero: "".
func (e Encap) String() string {
	k := e.kernel()
	switch {
	case e == Encap{}:
		return ""
	case k.wrong != "":
		return "(" + k.wrong + ")"
	case k.unknown && int(k.kind) < len(encapNames):
		return encapNames[k.kind] + " ..."
	case k.unknown:
		return strconv.Itoa(int(k.kind)) + " ..."
	}
	var words []string
	say := func(word string, value any) { words = append(words, word, fmt.Sprint(value)) }
	switch k.kind {
	case unix.LWTUNNEL_ENCAP_MPLS:
		say("mpls", strings.Join(k.labels(), "/"))
		if k.ttl != 0 {
			say("ttl", k.ttl)
		}
	case unix.LWTUNNEL_ENCAP_SEG6:
		words = append(words, "seg6")
		say("mode", SEG6Mode(k.mode))
		say("segs", strings.Join(k.segments(), ","))
	default:
		v6, ttl, tos := k.kind == unix.LWTUNNEL_ENCAP_IP6, "ttl", "tos"
		if v6 {
			ttl, tos = "hoplimit", "tc"
		}
		words = append(words, encapNames[k.kind])
		say("id", k.id)
		if k.src != (ip{}) {
			say("src", k.src.addr(v6))
		}
		say("dst", k.dst.addr(v6))
		if k.ttl != 0 {
			say(ttl, k.ttl)
		}
		if k.tos != 0 {
			say(tos, fmt.Sprintf("%#x", k.tos)) // a plain number would be hexadecimal
		}
		for _, f := range tunnelFlags {
			if k.flags&f.bit != 0 {
				words = append(words, f.word)
			}
		}
	}
	return strings.Join(words, " ")
}

var tunnelFlags = [...]struct {
	word string
	bit  uint16
}{{"key", tunnelKey}, {"csum", tunnelCsum}, {"seq", tunnelSeq}}

func (e *encap) labels() (out []string) {
	for part := range slices.Chunk([]byte(e.list), 4) {
		out = append(out, strconv.FormatUint(uint64(binary.BigEndian.Uint32(part)), 10))
	}
	return out
}

func (e *encap) segments() (out []string) {
	for part := range slices.Chunk([]byte(e.list), 16) {
		out = append(out, netip.AddrFrom16([16]byte(part)).String())
	}
	return out
}

// MarshalText gives what String gives; what is no encapsulation, or one that this package cannot say, is an
// error.
func (e Encap) MarshalText() ([]byte, error) {
	if err := e.fault(true); err != nil {
		return nil, fmt.Errorf("rtnl: %w", err)
	}
	return []byte(e.String()), nil
}
