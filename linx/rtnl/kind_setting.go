package rtnl

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// A setting is one attribute of a kind of interface. The settings of a kind are a table, made anew for each
// struct that holds their values, which all else comes from: the words of ip(8), what is sent, what is read,
// what differs, and what is refused.
type setting struct {
	word string // ip(8)'s, and JSON's; "": it goes along with another
	attr uint16 // IFLA_, in IFLA_INFO_DATA
	value
	quality
}

// quality is what is peculiar to a setting.
type quality uint8

const (
	fixed  quality = 1 << iota // the kernel cannot change it, or ignores the change
	must                       // there is no interface without it
	always                     // said even if not asked for: to say nothing means something else
	bare                       // ip(8) takes the argument without the word
	first                      // changed alone: the kernel looks at some of the others before it
	kept                       // the kernel cannot take it back
	loose                      // there is no default to go back to: the kernel goes by something else
)

// lower is the attr of the setting that is sent as IFLA_LINK, beside IFLA_LINKINFO.
const lower = 1<<16 - 1

// value is a setting's value, which knows where it is kept. One that is not asked for, zero, stands for the
// kernel's default.
type value interface {
	asked() bool
	clear()
	set(from value)        // from is of the same setting
	same(other value) bool // both say the same to the kernel
	fault() error          // of one that is asked for
	argument() string      // what follows the word, with a space before it
	get(v []byte, name namer)
}

// single is a value that has an attribute to itself. All but bits are.
type single interface {
	value
	put(b *rtnetlink.Batch, attr uint16, index func(name string) int32)
}

func (s setting) words() string {
	switch {
	case !s.asked(), s.word == "":
		return ""
	case s.quality&bare != 0:
		return s.argument()
	}
	return " " + s.word + s.argument()
}

// faultOf finds what is wrong with the settings of an interface of what kind, each by itself.
func faultOf(what string, list []setting) error {
	for _, s := range list {
		if !s.asked() {
			if s.quality&must != 0 {
				return fmt.Errorf("no %s: there is no %s without it", s.word, what)
			}
			continue
		}
		if err := s.fault(); err != nil {
			return fmt.Errorf("%s: %w", s.word, err)
		}
	}
	return nil
}

// allAsked chooses what a creation says.
func allAsked(list []setting) []bool {
	asked := make([]bool, len(list))
	for i, s := range list {
		asked[i] = s.asked() || s.quality&always != 0
	}
	return asked
}

// differs says whether a setting is asked for and seen to be otherwise, or was asked for last, is not any
// more, and is still to be seen.
func differs(want, seen, last []setting, i int) bool {
	switch w, s := want[i], seen[i]; {
	case w.word == "": // it goes along
		return false
	case w.asked():
		return !w.same(s.value)
	default:
		return last != nil && last[i].asked() && s.asked() && w.quality&loose == 0
	}
}

// stuck says whether the kernel cannot change a setting in place.
func stuck(want, seen setting) bool {
	if s, ok := want.value.(interface{ stuck(seen value) bool }); ok && s.stuck(seen.value) {
		return true
	}
	return want.quality&fixed != 0 || want.quality&kept != 0 && !want.asked()
}

func diffSettings(want, seen, last []setting) (changeable, unchangeable []string) {
	for i, s := range want {
		switch {
		case !differs(want, seen, last, i):
		case stuck(s, seen[i]):
			unchangeable = append(unchangeable, s.word)
		default:
			changeable = append(changeable, s.word)
		}
	}
	return changeable, unchangeable
}

// merge makes merged, which holds what was seen, what it becomes, and says which of it changes.
func merge(merged, want, seen, last []setting) []bool {
	changes := make([]bool, len(merged))
	for i, s := range merged {
		if changes[i] = differs(want, seen, last, i) && !stuck(want[i], seen[i]); changes[i] {
			s.set(want[i].value)
		}
	}
	for i, s := range merged {
		if changes[i] && s.quality&first != 0 {
			clear(changes)
			changes[i] = true
			break
		}
	}
	return changes
}

// putInfo adds IFLA_LINKINFO, with the kind and those settings that are chosen, and IFLA_LINK if that is.
func putInfo(b *rtnetlink.Batch, kindAttr uint16, kind string, dataAttr uint16, list []setting, chosen []bool, index func(name string) int32) {
	for i, s := range list {
		if s.attr == lower && chosen[i] {
			s.value.(single).put(b, unix.IFLA_LINK, index)
		}
	}
	endInfo := b.Nest(unix.IFLA_LINKINFO | unix.NLA_F_NESTED)
	defer endInfo()
	b.String(kindAttr, kind)
	if len(list) == 0 {
		return
	}
	endData := b.Nest(dataAttr | unix.NLA_F_NESTED)
	defer endData()
	for i, s := range list {
		if !chosen[i] || s.attr == lower {
			continue
		}
		switch v := s.value.(type) {
		case single:
			v.put(b, s.attr, index)
		case bit:
			putBits(b, list, chosen, i)
		}
	}
}

// putBits adds the attribute that the i-th setting is a bit of, unless an earlier one has done so.
func putBits(b *rtnetlink.Batch, list []setting, chosen []bool, i int) {
	var on, mask uint32
	for j, s := range list {
		if s.attr != list[i].attr {
			continue
		}
		if j < i && chosen[j] {
			return
		}
		this := s.value.(bit)
		if chosen[j] {
			mask |= this.mask
		}
		if this.on() {
			on |= this.mask
		}
	}
	list[i].value.(bit).form.putWith(b, list[i].attr, on, mask)
}

// getSettings reads a list of attributes. What is not shown is left as it is.
func getSettings(list []setting, data []byte, name namer) {
	for typ, v := range rtnetlink.Attributes(data) {
		for _, s := range list {
			if s.attr == typ {
				s.get(v, name)
			} else if h, ok := s.value.(host); ok && h.attr6 == typ {
				h.get(v, name)
			}
		}
	}
}
