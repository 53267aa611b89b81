package rtnl

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// UnmarshalText takes ip(8)'s words, as String gives them. As there, a tos or tc is hexadecimal.
func (e *Encap) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		*e = Encap{}
		return nil
	}
	w := encapWords{rest: words[1:]}
	var read Encap
	switch words[0] {
	case "mpls":
		read = w.mpls()
	case "seg6":
		read = w.seg6()
	case "ip":
		read = w.tunnel("ttl", "tos", netip.Addr.Is4)
	case "ip6":
		read = w.tunnel("hoplimit", "tc", netip.Addr.Is6)
	default:
		return fmt.Errorf("rtnl: encap %q; mpls, seg6, ip and ip6 are possible", words[0])
	}
	if w.err == nil {
		w.err = read.fault(true)
	}
	if w.err != nil {
		return fmt.Errorf("rtnl: encap %q: %w", text, w.err)
	}
	*e = read
	return nil
}

// encapWords are what is left to read, and what was wrong first.
type encapWords struct {
	rest []string
	err  error
}

func (w *encapWords) next() string {
	if len(w.rest) == 0 {
		w.fail("it ends early")
		return ""
	}
	word := w.rest[0]
	w.rest = w.rest[1:]
	return word
}

func (w *encapWords) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *encapWords) number(word string, base, bits int) uint64 {
	if base == 16 {
		word = strings.TrimPrefix(word, "0x")
	}
	n, err := strconv.ParseUint(word, base, bits)
	if err != nil {
		w.fail("%q is no number of %d bits", word, bits)
	}
	return n
}

func (w *encapWords) address(word string) netip.Addr {
	a, err := netip.ParseAddr(word)
	if err != nil {
		w.fail("%q is no address", word)
	}
	return a
}

// each reads the options, each of which is a word that read knows.
func (w *encapWords) each(read func(word string) bool) {
	for len(w.rest) > 0 && w.err == nil {
		if word := w.next(); !read(word) {
			w.fail("%q is not known", word)
		}
	}
}

func (w *encapWords) mpls() Encap {
	var m MPLS
	for _, label := range strings.Split(w.next(), "/") {
		m.Labels = append(m.Labels, uint32(w.number(label, 10, 20)))
	}
	w.each(func(word string) bool {
		if word == "ttl" {
			m.TTL = uint8(w.number(w.next(), 10, 8))
		}
		return word == "ttl"
	})
	return m.Encap()
}

func (w *encapWords) seg6() Encap {
	var s SEG6
	w.each(func(word string) bool {
		switch word {
		case "mode":
			s.Mode = w.mode(w.next())
		case "segs":
			for _, segment := range strings.Split(w.next(), ",") {
				s.Segments = append(s.Segments, w.address(segment))
			}
		default:
			return false
		}
		return true
	})
	return s.Encap()
}

func (w *encapWords) mode(name string) SEG6Mode {
	for m := range seg6Modes {
		if seg6Modes[m].name == name {
			return SEG6Mode(m)
		}
	}
	w.fail("no mode: %q; encap, inline, l2encap, encap.red and l2encap.red are", name)
	return 0
}

func (w *encapWords) tunnel(ttl, tos string, family func(netip.Addr) bool) Encap {
	var t IPTunnel
	w.each(func(word string) bool {
		switch word {
		case "id":
			t.ID = w.number(w.next(), 10, 64)
		case "src":
			t.Src = w.address(w.next())
		case "dst":
			if t.Dst = w.address(w.next()); !family(t.Dst) {
				w.fail("%v is of the other family", t.Dst)
			}
		case ttl:
			t.TTL = uint8(w.number(w.next(), 10, 8))
		case tos:
			t.TOS = uint8(w.number(w.next(), 16, 8))
		case "key":
			t.Key = true
		case "csum":
			t.Checksum = true
		case "seq":
			t.Sequence = true
		default:
			return false
		}
		return true
	})
	return t.Encap()
}
