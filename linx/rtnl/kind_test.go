package rtnl

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

func v0Is3(string) int32 { return 3 }
func is3v0(int32) string { return "v0" }

// said gives what a request says, as kindGolden has it, and its kind.
func said(request []byte) (kind string, attributes map[string]string) {
	attributes = make(map[string]string)
	for typ, v := range rtnetlink.Attributes(request[unix.SizeofNlMsghdr+unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_LINK:
			attributes["link"] = hex.EncodeToString(v)
		case unix.IFLA_LINKINFO:
			for typ, v := range rtnetlink.Attributes(v) {
				switch typ {
				case unix.IFLA_INFO_KIND, unix.IFLA_INFO_SLAVE_KIND:
					kind = text(v)
				case unix.IFLA_INFO_DATA, unix.IFLA_INFO_SLAVE_DATA:
					for typ, v := range rtnetlink.Attributes(v) {
						attributes[fmt.Sprint(typ)] += hex.EncodeToString(v) // once each
					}
				}
			}
		}
	}
	return kind, attributes
}

// request gives a request with what put adds.
func request(put func(b *rtnetlink.Batch)) []byte {
	var b rtnetlink.Batch
	b.Begin(unix.RTM_NEWLINK, 0)
	putIfinfomsg(&b, 0, 0, 0)
	put(&b)
	return b.Request(0)
}

// unsaid gives what the attributes of a kind are that are not asked for.
func unsaid(kind LinkKind) map[string]string {
	l := Link{Kind: kind}
	_, defaults := said(request(func(b *rtnetlink.Batch) {
		list := kind.of().in(&l)
		all := make([]bool, len(list))
		for i := range all {
			all[i] = true
		}
		putInfo(b, unix.IFLA_INFO_KIND, string(kind), unix.IFLA_INFO_DATA, list, all, v0Is3)
	}))
	return defaults
}

// TestKindGolden: links read like ip(8), and say what it says: what it says besides is as if not asked for.
func TestKindGolden(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	seen := make(map[LinkKind]bool)
	for _, g := range kindGolden {
		seen[g.link.Kind] = true
		if err := g.link.settingsFault(); err != nil {
			t.Errorf("%s: %v", g.words, err)
		}
		if words := g.link.settings(); words != g.words {
			t.Errorf("%q, not %q", words, g.words)
		}
		kind, ours := said(request(func(b *rtnetlink.Batch) { putKind(b, &g.link, v0Is3) }))
		theirs := make(map[string]string)
		for _, attribute := range strings.Fields(g.data) {
			number, payload, _ := strings.Cut(attribute, ":")
			theirs[number] = payload
		}
		if kind != string(g.link.Kind) {
			t.Errorf("%s: kind %q", g.words, kind)
		}
		defaults := unsaid(g.link.Kind)
		for number, payload := range theirs {
			own, asked := ours[number]
			usual := defaults[number] == payload || strings.Trim(payload, "0") == "" && defaults[number] == ""
			if version := strings.HasPrefix(kind, "ip6gre") && number == "22"; version && !asked {
				continue // of ERSPAN, which is another kind
			}
			if asked && own != payload || !asked && !usual {
				t.Errorf("%s: attribute %s is %q, not %q; by default %q", g.words, number, own, payload, defaults[number])
			}
		}
		for number, payload := range ours {
			if _, ok := theirs[number]; !ok && payload != defaults[number] {
				t.Errorf("%s: attribute %s, which ip does not send, is %q", g.words, number, payload)
			}
		}
	}
	for i := range kindTables {
		if name := kindTables[i].name; !seen[name] && name != KindVeth && name != KindTun {
			t.Errorf("no %s", name)
		}
	}
}

// places gives where a setting's value is kept.
func places(s setting) (at []uintptr) {
	v := reflect.ValueOf(s.value)
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
			at = append(at, v.Field(i).Pointer())
		}
	}
	return at
}

// TestKindTables: each field of the settings is in a table, and has ip(8)'s word in JSON too, perhaps with a
// "no" before it. What is zero is not asked for.
func TestKindTables(t *testing.T) {
	var l Link
	words := make(map[uintptr][]string)
	note := func(list []setting) {
		for _, s := range list {
			if s.asked() {
				t.Errorf("%s of nothing is asked for", s.word)
			}
			for _, at := range places(s) {
				words[at] = append(words[at], s.word)
			}
		}
	}
	for i := range kindTables {
		note(kindTables[i].in(&l))
	}
	note(l.Port.settings())
	others := map[string]string{"nopromisc": "flag", "inherit_tos": "tclass", "flowlabel": "tclass"}
	for _, settings := range []any{&l.Bond, &l.Bridge, &l.Geneve, &l.IPVLAN, &l.MACVLAN, &l.Tun, &l.Tunnel, &l.VLAN, &l.VRF, &l.VXLAN, &l.Port} {
		v := reflect.ValueOf(settings).Elem()
		for i := range v.NumField() {
			field := v.Type().Field(i)
			tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !slices.ContainsFunc(words[v.Field(i).Addr().Pointer()], func(word string) bool {
				return word != "" && strings.Contains(strings.ReplaceAll(tag, "ignore_", "ignore-"), word) || others[tag] == word
			}) {
				t.Errorf("%v.%s is %q in JSON, %q for ip", v.Type(), field.Name, tag, words[v.Field(i).Addr().Pointer()])
			}
		}
	}
}

// drawSettings asks for some of the settings of l's kind.
func drawSettings(t *rapid.T, label string, l *Link) {
	for _, s := range l.Kind.of().in(l) {
		if s.quality&must == 0 && !rapid.Bool().Draw(t, label+" "+s.word) {
			continue
		}
		switch v := s.value.(type) {
		case device:
			*v.at = "v0"
		case host:
			*v.at = ipa(rapid.SampledFrom([]string{"10.0.0.1", "239.1.1.1"}).Draw(t, label))
			if v.v6 && (!v.v4 || rapid.Bool().Draw(t, label)) {
				*v.at = ipa("2001:db8::1")
			}
		case targets:
			*v.at = rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.1,10.0.0.2"}).Draw(t, label)
		case ports:
			*v.at = Ports(1000, 2000)
		case hardware:
			*v.at = mac(1)
		case flowInfo:
			*v.class, *v.label = rapid.Uint8().Draw(t, label), rapid.Uint32Range(0, flowLabels).Draw(t, label)
		case toggle:
			*v.at = true
		case bit:
			if v.at != nil {
				*v.at = true
			}
		case interface{ take(k uint32) }:
			fields := reflect.ValueOf(v)
			if words := fields.FieldByName("from"); words.IsValid() {
				i := rapid.IntRange(1, words.Len()-1).Draw(t, label)
				v.take(uint32(words.Index(i).FieldByName("kernel").Uint()))
			} else {
				least, most := fields.FieldByName("least").Uint(), fields.FieldByName("most").Uint()
				v.take(uint32(rapid.Uint64Range(least, min(most, math.MaxInt32)).Draw(t, label)))
			}
		}
	}
}

// TestKindRoundTrip: what a creation says is what is read from the same attributes.
func TestKindRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Link{Kind: rapid.SampledFrom(kindTables[:]).Draw(t, "kind").name}
		drawSettings(t, "want", &want)
		l := decodeLinkFully(request(func(b *rtnetlink.Batch) { putKind(b, &want, v0Is3) })[unix.SizeofNlMsghdr:], is3v0)
		for _, links := range [][2]*Link{{&want, &l.Link}, {&l.Link, &want}} {
			if changeable, fixed := links[0].kindDiff(links[1], nil); len(changeable)+len(fixed) > 0 {
				t.Fatalf("%s became %s: %q %q", want.settings(), l.settings(), changeable, fixed)
			}
		}
	})
}

// TestKindKeepsFamily: an IPv6 address goes as one; what the kernel takes for an IPv4 one it refuses.
func TestKindKeepsFamily(t *testing.T) {
	want := Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5}}
	seen := Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Remote: ipa("2001:db8::1"), Local: ipa("2001:db8::2")}}
	_, attributes := said(request(func(b *rtnetlink.Batch) { putKindChange(b, &want, &seen, &seen, v0Is3) }))
	if none := strings.Repeat("00", 16); len(attributes) != 2 || attributes["16"] != none || attributes["17"] != none {
		t.Error(attributes)
	}
}

// TestKindChange: one change gives what is asked for, as far as it can, puts back what is not any more, and
// leaves the rest.
func TestKindChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kindTables[:]).Draw(t, "kind")
		want, seen, last := Link{Kind: kind.name}, Link{Kind: kind.name}, &Link{Kind: kind.name}
		drawSettings(t, "want", &want)
		drawSettings(t, "seen", &seen)
		if drawSettings(t, "last", last); rapid.Bool().Draw(t, "none") {
			last = nil
		}
		shown := seenLink{Link: seen} // by the kernel
		if kind.whole {
			shown.Link = Link{}
		}
		said := request(func(b *rtnetlink.Batch) { putKindChange(b, &want, &seen, last, v0Is3) })
		for typ, info := range rtnetlink.Attributes(said[unix.SizeofNlMsghdr+unix.SizeofIfInfomsg:]) {
			if typ != unix.IFLA_LINKINFO {
				t.Fatalf("a change says %d", typ)
			}
			shown.decodeInfo(info, 0, is3v0)
		}
		if changeable, _ := want.kindDiff(&shown.Link, last); len(changeable) > 0 {
			t.Fatalf("still otherwise: %q\nwant %s\nseen %s\nis %s", changeable, want.settings(), seen.settings(), shown.settings())
		}
		asked, before, lately := kind.in(&want), kind.in(&seen), kind.in(last)
		for i, s := range kind.in(&shown.Link) {
			withdrawn := last != nil && lately[i].asked() && !asked[i].asked()
			switch {
			case s.word == "", s.attr == lower, s.quality&fixed == 0 && asked[i].asked():
			case withdrawn && s.quality&(fixed|loose) == 0:
				if s.asked() {
					t.Fatalf("%s is %s, although not asked for any more", s.word, s.words())
				}
			case !s.same(before[i].value):
				t.Fatalf("%s was %s, is %s", s.word, before[i].words(), s.words())
			}
		}
	})
}
