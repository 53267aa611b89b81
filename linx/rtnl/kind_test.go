package rtnl

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
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

// TestBadKinds: each is refused by Validate with an error that names the entry and says what would be right.
func TestBadKinds(t *testing.T) {
	vxlan := VXLAN{ID: 5}
	for name, c := range map[string]struct {
		link Link
		want string
	}{
		"no such kind":         {Link{Kind: "switch"}, "bond, bridge, dummy"},
		"without a kind":       {Link{VXLAN: vxlan}, `id 5 without a Kind; it is a setting of Kind "vxlan"`},
		"of another kind":      {Link{Kind: KindBridge, VRF: VRF{Table: 5}}, `table 5 is not for Kind "bridge"; it is a setting of "vrf"`},
		"of another tunnel":    {Link{Kind: KindIPIP, Tunnel: Tunnel{InKey: 5}}, `ikey 5 is not for Kind "ipip"; it is a setting of "gre"`},
		"of the other family":  {Link{Kind: KindGRE, Tunnel: Tunnel{Local: ipa("2001:db8::1")}}, "2001:db8::1 is not IPv4"},
		"none for ifb":         {Link{Kind: KindIFB, Bridge: Bridge{STP: true}}, "stp_state 1 is not for"},
		"mapped":               {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Local: ipa("::ffff:10.0.0.1")}}, "write 10.0.0.1"},
		"unspecified":          {Link{Kind: KindGRE, Tunnel: Tunnel{Local: ipa("0.0.0.0")}}, "leave it out"},
		"zone":                 {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Local: ipa("fe80::1%v0")}}, "write fe80::1"},
		"two families":         {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Remote: ipa("10.0.0.1"), Local: ipa("::2")}}, "different families"},
		"no id":                {Link{Kind: KindVXLAN}, "no id"},
		"id too large":         {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 1 << 24}}, "the kernel takes 1 to 16777215"},
		"group without dev":    {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Remote: ipa("239.1.1.1")}}, "takes a dev"},
		"local group":          {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Local: ipa("239.1.1.1")}}, "no address of a host"},
		"label over IPv4":      {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, FlowLabel: 5}}, "takes an IPv6 remote"},
		"external with id":     {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, External: true, NoLearning: true}}, "leave it out"},
		"external and learns":  {Link{Kind: KindVXLAN, VXLAN: VXLAN{External: true}}, "want nolearning"},
		"empty ports":          {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, SourcePorts: Ports(5, 5)}}, "is empty"},
		"no device":            {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Device: "a/b"}}, "names hold no slash"},
		"df":                   {Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, DF: "on"}}, "want one of unset, set, inherit"},
		"geneve without":       {Link{Kind: KindGeneve, Geneve: Geneve{ID: 5}}, "no remote"},
		"geneve to a group":    {Link{Kind: KindGeneve, Geneve: Geneve{ID: 5, Remote: ipa("239.1.1.1")}}, "neither multicast"},
		"geneve told outside":  {Link{Kind: KindGeneve, Geneve: Geneve{TTL: 5, External: true}}, "leave out the rest"},
		"vlan of nothing":      {Link{Kind: KindVLAN, VLAN: VLAN{ID: 5}}, "no link: there is no vlan without it"},
		"vlan 0":               {Link{Kind: KindVLAN, VLAN: VLAN{Link: "v0"}}, "no id"},
		"vlan 4095":            {Link{Kind: KindVLAN, VLAN: VLAN{Link: "v0", ID: 4095}}, "1 to 4094"},
		"protocol":             {Link{Kind: KindVLAN, VLAN: VLAN{Link: "v0", ID: 5, Protocol: "802.1q"}}, "802.1Q, 802.1ad"},
		"nopromisc":            {Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", NoPromiscuous: true}}, "mode passthru"},
		"macvlan mode":         {Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: "source"}}, "vepa, private, bridge, passthru"},
		"vrf":                  {Link{Kind: KindVRF}, "no table"},
		"tun":                  {Link{Kind: KindTun}, "no mode"},
		"tun mode":             {Link{Kind: KindTun, Tun: Tun{Mode: "ip"}}, "want one of tun, tap"},
		"hello":                {Link{Kind: KindBridge, Bridge: Bridge{HelloTime: 99}}, "100 to 1000"},
		"forward delay":        {Link{Kind: KindBridge, Bridge: Bridge{STP: true, ForwardDelay: -1}}, "200 to 3000"},
		"priority":             {Link{Kind: KindBridge, Bridge: Bridge{Priority: 65536}}, "0 to 65535"},
		"mask":                 {Link{Kind: KindBridge, Bridge: Bridge{GroupForwardMask: 0xf}}, "0x8 would do"},
		"ttl and no discovery": {Link{Kind: KindGRE, Tunnel: Tunnel{TTL: 5, NoPMTUDiscovery: true}}, "leave out one"},
		"ignore-df":            {Link{Kind: KindGRE, Tunnel: Tunnel{IgnoreDF: true}}, "nopmtudisc"},
		"ttl":                  {Link{Kind: KindGRE, Tunnel: Tunnel{TTL: 256}}, "0 to 255"},
		"limit and none":       {Link{Kind: KindIP6Tunnel, Tunnel: Tunnel{EncapLimit: 5, NoEncapLimit: true}}, "leave out one"},
		"port without encap":   {Link{Kind: KindGRE, Tunnel: Tunnel{EncapPort: 5}}, "fou or gue"},
		"tunnel told outside":  {Link{Kind: KindSIT, Tunnel: Tunnel{External: true, TTL: 5}}, "leave out the rest"},
		"mode of sit":          {Link{Kind: KindIPIP, Tunnel: Tunnel{Mode: TunnelIP6IP}}, "any, ipip, mplsip"},
		"two monitors":         {Link{Kind: KindBond, Bond: Bond{MIIMonitor: 1, ARPInterval: 1, ARPTargets: "10.0.0.1"}}, "one way"},
		"arp for nobody":       {Link{Kind: KindBond, Bond: Bond{ARPInterval: 1}}, "arp_ip_target"},
		"arp targets":          {Link{Kind: KindBond, Bond: Bond{ARPTargets: "10.0.0.1, 10.0.0.2"}}, `" 10.0.0.2" is no IPv4 address`},
		"delay":                {Link{Kind: KindBond, Bond: Bond{MIIMonitor: 100, UpDelay: 250}}, "would make it 200"},
		"delay of nothing":     {Link{Kind: KindBond, Bond: Bond{UpDelay: 250}}, "without miimon"},
		"actor":                {Link{Kind: KindBond, Bond: Bond{ADActorSystem: MAC{1}}}, "lowest bit"},
		"port cost":            {Link{Port: BridgePort{Cost: 65536}}, "1 to 65535"},
		"port priority":        {Link{Port: BridgePort{Priority: 64}}, "0 to 63"},
	} {
		c.link.Name = "x"
		err := New(linx.Self(), Options{}).Validate(State{Links: []Link{{Name: "y", Kind: KindIFB}, c.link}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "links[1]") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
}

// TestKindJSON: links survive JSON.
func TestKindJSON(t *testing.T) {
	for _, g := range kindGolden {
		g.link.Name = "x"
		data, err := json.Marshal(State{Links: []Link{g.link}})
		var back State
		if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(back.Links[0], g.link) {
			t.Errorf("%v became %s: %v", g.link, data, err)
		}
	}
	for text, want := range map[string]Link{
		`{"links":[{"name":"x","kind":"vxlan","vxlan":{"id":42,"remote":"10.0.0.2","srcport":"1000-2000","nolearning":true}}]}`: {Name: "x",
			Kind: KindVXLAN, VXLAN: VXLAN{ID: 42, Remote: ipa("10.0.0.2"), SourcePorts: Ports(1000, 2000), NoLearning: true}},
		`{"links":[{"name":"x","master":"br0","port":{"priority":-1,"no_flood":true}}]}`: {Name: "x", Master: "br0",
			Port: BridgePort{Priority: -1, NoFlood: true}},
	} {
		data, err := json.Marshal(State{Links: []Link{want}})
		if err != nil || string(data) != text {
			t.Errorf("%s, not %s: %v", data, text, err)
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

// TestKindStuck: what the kernel would ignore, or refuse, is not tried.
func TestKindStuck(t *testing.T) {
	for want, c := range map[string][2]Tunnel{
		"remote":       {{}, {Remote: ipa("10.0.0.1")}},
		"remote again": {{Remote: ipa("10.0.0.1")}, {}},
		"mode":         {{Mode: TunnelIPIP}, {}},
		"isatap":       {{}, {ISATAP: true}},
		"external":     {{External: true}, {}},
		"":             {{Remote: ipa("10.0.0.1")}, {Remote: ipa("10.0.0.2"), TOS: 1, Encap: EncapFOU, Mark: 5}},
	} {
		a, b := Link{Kind: KindSIT, Tunnel: c[0]}, Link{Kind: KindSIT, Tunnel: c[1]}
		if _, fixed := b.kindDiff(&a, &a); strings.Join(fixed, " ") != strings.TrimSuffix(want, " again") {
			t.Errorf("%s to %s: stuck at %q, not %q", a.settings(), b.settings(), fixed, want)
		}
	}
	// The family of an address, but only if there was one.
	six, four := Link{Kind: KindVXLAN, VXLAN: VXLAN{Local: ipa("::1")}}, Link{Kind: KindVXLAN, VXLAN: VXLAN{Local: ipa("10.0.0.1")}}
	if _, fixed := six.kindDiff(&four, nil); len(fixed) != 1 {
		t.Error(fixed)
	}
	if _, fixed := six.kindDiff(&Link{Kind: KindVXLAN}, nil); len(fixed) != 0 {
		t.Error(fixed)
	}
}

// TestTunnelForgets: what the kernel keeps unless it is named is named.
func TestTunnelForgets(t *testing.T) {
	for kind, c := range map[LinkKind]struct {
		seen  Tunnel
		names []int
	}{
		KindGRE:    {Tunnel{Mark: 5, Encap: EncapFOU}, []int{ifGREMark, ifGREEncapType}},
		KindIPIP:   {Tunnel{Mark: 5, Encap: EncapGUE}, []int{ifTunMark, ifTunEncapType}},
		KindGRETap: {Tunnel{NoPMTUDiscovery: true, IgnoreDF: true}, []int{ifGREIgnoreDF}},
	} {
		want, seen := Link{Kind: kind}, Link{Kind: kind, Tunnel: c.seen}
		_, attributes := said(request(func(b *rtnetlink.Batch) { putKindChange(b, &want, &seen, &seen, v0Is3) }))
		for _, name := range c.names {
			if payload, ok := attributes[strconv.Itoa(name)]; !ok || strings.Trim(payload, "0") != "" {
				t.Errorf("%s: %d is %q", kind, name, payload)
			}
		}
	}
}

// TestKindChange: a change gives what is asked for, as far as it can, puts back what is not any more, and
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
		for range 2 {                 // some things are changed first, alone
			said := request(func(b *rtnetlink.Batch) { putKindChange(b, &want, new(shown.Link), last, v0Is3) })
			if kind.whole {
				shown.Link = Link{}
			}
			for typ, info := range rtnetlink.Attributes(said[unix.SizeofNlMsghdr+unix.SizeofIfInfomsg:]) {
				if typ != unix.IFLA_LINKINFO {
					t.Fatalf("a change says %d", typ)
				}
				shown.decodeInfo(info, 0, is3v0)
			}
		}
		if changeable, _ := want.kindDiff(&shown.Link, last); len(changeable) > 0 {
			t.Fatalf("still otherwise: %q\nwant %s\nseen %s\nis %s", changeable, want.settings(), seen.settings(), shown.settings())
		}
		asked, before, lately := kind.in(&want), kind.in(&seen), kind.in(last)
		for i, s := range kind.in(&shown.Link) {
			withdrawn := last != nil && lately[i].asked() && !asked[i].asked()
			switch {
			case s.word == "", s.attr == lower, !stuck(asked[i], before[i]) && asked[i].asked():
			case withdrawn && !stuck(asked[i], before[i]) && s.quality&loose == 0:
				if s.asked() {
					t.Fatalf("%s is %s, although not asked for any more", s.word, s.words())
				}
			case !s.same(before[i].value):
				t.Fatalf("%s was %s, is %s", s.word, before[i].words(), s.words())
			}
		}
	})
}
