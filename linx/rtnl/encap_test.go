package rtnl

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
)

// TestEncapBytes: the bytes are those that `ip route add ... encap ...` (6.1.0) sends, by strace, but for the
// padding, which is zero here. The words are ip(8)'s.
func TestEncapBytes(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	const segment1, segment2 = "fc00000000000000 0000000000000001", "fc00000000000000 0000000000000002"
	for words, c := range map[string]struct {
		encap Encap
		bytes string
	}{
		"mpls 100/200": {MPLS{Labels: []uint32{100, 200}}.Encap(),
			"10001680 0c000100 00064000 000c8100 06001500 01000000"},
		"mpls 100 ttl 9": {MPLS{Labels: []uint32{100}, TTL: 9}.Encap(),
			"14001680 08000100 00064100 05000200 09000000 06001500 01000000"},
		"ip id 7 src 10.0.0.2 dst 10.9.0.1 ttl 9 tos 0x4": {
			IPTunnel{Dst: ipa("10.9.0.1"), Src: ipa("10.0.0.2"), ID: 7, TTL: 9, TOS: 4}.Encap(),
			"30001680 0c000100 00000000 00000007 08000300 0a000002 08000200 0a090001" +
				"05000400 09000000 05000500 04000000 06001500 02000000"},
		"ip id 7 dst 10.9.0.1 key csum seq": {
			IPTunnel{Dst: ipa("10.9.0.1"), ID: 7, Key: true, Checksum: true, Sequence: true}.Encap(),
			"20001680 0c000100 00000000 00000007 08000200 0a090001 06000600 000d0000 06001500 02000000"},
		"ip6 id 7 src 2001:db8::2 dst 2001:db8::9 hoplimit 9 tc 0x4": {
			IPTunnel{Dst: ipa("2001:db8::9"), Src: ipa("2001:db8::2"), ID: 7, TTL: 9, TOS: 4}.Encap(),
			"48001680 0c000100 00000000 00000007 14000300 20010db8 00000000 00000000 00000002" +
				"14000200 20010db8 00000000 00000000 00000009 05000400 09000000 05000500 04000000 06001500 04000000"},
		"seg6 mode encap segs fc00::1,fc00::2": {SEG6{Segments: []netip.Addr{ipa("fc00::1"), ipa("fc00::2")}}.Encap(),
			"34001680 30000100 01000000 00040401 01000000" + segment2 + segment1 + "06001500 05000000"},
		"seg6 mode inline segs fc00::1,fc00::2": {
			SEG6{Mode: SEG6Inline, Segments: []netip.Addr{ipa("fc00::1"), ipa("fc00::2")}}.Encap(),
			"44001680 40000100 00000000 00060402 02000000 0000000000000000 0000000000000000" + segment2 + segment1 +
				"06001500 05000000"},
		"seg6 mode l2encap.red segs fc00::1": {SEG6{Mode: SEG6L2EncapRed, Segments: []netip.Addr{ipa("fc00::1")}}.Encap(),
			"24001680 20000100 04000000 00020400 00000000" + segment1 + "06001500 05000000"},
	} {
		if c.encap.String() != words {
			t.Errorf("%s, not %s", c.encap, words)
		}
		var read Encap
		if err := read.UnmarshalText([]byte(words)); err != nil || read != c.encap {
			t.Errorf("%s was read as %v (%v)", words, read, err)
		}
		want, err := hex.DecodeString(strings.ReplaceAll(c.bytes, " ", ""))
		if err != nil {
			t.Fatal(words, err)
		}
		var b rtnetlink.Batch
		b.Begin(unix.RTM_NEWROUTE, 0)
		putEncap(&b, c.encap.handle)
		if got := b.Request(0)[unix.SizeofNlMsghdr:]; string(got) != string(want) {
			t.Errorf("%s\n%x is not\n%x", words, got, want)
		}
		r := packRoute(&Route{Dst: pfx("2001:db8:1::/48"), Interface: "v0", Encap: c.encap}, 3)
		if got := redecoded(&r); got != r {
			t.Errorf("%s was seen as %v", words, Encap{got.encap})
		}
	}
	if (Encap{}).String() != "" {
		t.Error(Encap{})
	}
}

// redecoded is r after it was sent.
func redecoded(r *route) (got route) {
	var b rtnetlink.Batch
	putRoute(&b, 0, r, nil)
	new(routeDecoder).decode(b.Request(0)[unix.SizeofNlMsghdr:], &got)
	return got
}

func drawEncap(t *rapid.T, v6 bool) Encap {
	number := func(label string, most int) int {
		return rapid.OneOf(rapid.Just(0), rapid.IntRange(0, most)).Draw(t, label)
	}
	addr6 := rapid.SampledFrom([]netip.Addr{ipa("2001:db8::9"), ipa("fc00::1"), ipa("fe80::7")})
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		labels := rapid.SliceOfN(rapid.Uint32Range(16, 1<<20-1), 1, 30).Draw(t, "labels")
		return MPLS{Labels: labels, TTL: uint8(number("ttl", 255))}.Encap()
	case 1:
		s := SEG6{Mode: SEG6Mode(number("mode", len(seg6Modes)-1)), Segments: rapid.SliceOfN(addr6, 1, 5).Draw(t, "segments")}
		if s.Mode == SEG6Inline && !v6 {
			s.Mode = SEG6Encap
		}
		return s.Encap()
	case 2:
		u := IPTunnel{Dst: ipa("10.9.0.1"), ID: rapid.Uint64().Draw(t, "id"), TTL: uint8(number("ttl", 255)), TOS: uint8(number("tos", 255))}
		u.Key, u.Checksum, u.Sequence = number("key", 1) == 1, number("csum", 1) == 1, number("seq", 1) == 1
		if rapid.Bool().Draw(t, "six") {
			u.Dst, u.Src = ipa("2001:db8::9"), addr6.Draw(t, "src")
		}
		return u.Encap()
	}
	return Encap{}
}

// TestEncapSeen: what is asked for is what is sent, seen, said and read again; two that differ are told
// apart.
func TestEncapSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Route{Dst: pfx("2001:db8:1::/48"), Interface: "v0"}
		other := r
		r.Encap, other.Encap = drawEncap(t, true), drawEncap(t, true)
		if err := r.fault(); err != nil {
			t.Fatal(err)
		}
		want, with := packRoute(&r, 3), packRoute(&other, 3)
		got := redecoded(&want)
		if !want.is(&got, 3) || got.unpack("v0").String() != r.String() {
			t.Fatalf("%v was seen as %v", r, got.unpack("v0"))
		}
		if with.is(&got, 3) != (r.Encap.String() == other.Encap.String()) {
			t.Fatalf("%v as %v", r.Encap, other.Encap)
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Route
		if err := json.Unmarshal(data, &back); err != nil || back.Encap != r.Encap {
			t.Fatalf("%s became %v (%v)", data, back, err)
		}
	})
}

// TestEncapUnknown: what an Encap cannot hold is never what is wanted, nor is it deleted where that takes its
// name, and can be told.
func TestEncapUnknown(t *testing.T) {
	mpls := MPLS{Labels: []uint32{100}}.Encap()
	for name, c := range map[string]struct {
		kind uint16
		raw  string
		says string
	}{
		"another kind":       {unix.LWTUNNEL_ENCAP_BPF, "0800010001000000", "bpf ..."},
		"a kind of tomorrow": {99, "", "99 ..."},
		"propagated TTL":     {unix.LWTUNNEL_ENCAP_MPLS, "08000100 00064100 05000200 00000000", "mpls ..."},
		"TTL in the label":   {unix.LWTUNNEL_ENCAP_MPLS, "08000100 00064109", "mpls ..."},
		"no labels":          {unix.LWTUNNEL_ENCAP_MPLS, "", "mpls ..."},
		"a mode of tomorrow": {unix.LWTUNNEL_ENCAP_SEG6, "20000100 09000000 00020400 00000000 fc000000000000000000000000000001", "seg6 ..."},
		"HMAC":               {unix.LWTUNNEL_ENCAP_SEG6, "20000100 01000000 00020400 00080000 fc000000000000000000000000000001", "seg6 ..."},
		"cut off":            {unix.LWTUNNEL_ENCAP_SEG6, "10000100 01000000 00020400 00000000", "seg6 ..."},
		"tunnel options":     {unix.LWTUNNEL_ENCAP_IP, "08000200 0a090001 04000880", "ip ..."},
		"tunnel flags":       {unix.LWTUNNEL_ENCAP_IP, "08000200 0a090001 06000600 01000000", "ip ..."},
	} {
		raw, err := hex.DecodeString(strings.ReplaceAll(c.raw, " ", ""))
		if err != nil {
			t.Fatal(name, err)
		}
		for _, dst := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
			want := packRoute(&Route{Dst: pfx(dst), Interface: "v0", Encap: mpls}, 3)
			plain := want
			plain.encap = packRoute(&Route{}, 0).encap
			var b rtnetlink.Batch
			putRoute(&b, 0, &plain, nil)
			b.Bytes(unix.RTA_ENCAP, raw)
			b.Uint16(unix.RTA_ENCAP_TYPE, c.kind)
			var got route
			if !new(routeDecoder).decode(b.Request(0)[unix.SizeofNlMsghdr:], &got) || want.is(&got, 3) || plain.is(&got, 3) {
				t.Errorf("%s: seen as %v", name, got.unpack("v0"))
			}
			if got.strange == got.v6 {
				t.Errorf("%s: %v: strange is %v", name, dst, got.strange)
			}
			r := got.unpack("v0")
			if !strings.Contains(r.String(), " encap "+c.says+" dev") || r.fault() == nil {
				t.Errorf("%s: %v: %v", name, r, r.fault())
			}
			if _, err := r.Encap.MarshalText(); err == nil {
				t.Errorf("%s: it marshals", name)
			}
		}
	}
}

// TestEncapFaults: each is refused by Validate, in words.
func TestEncapFaults(t *testing.T) {
	six := []netip.Addr{ipa("fc00::1")}
	many := make([]netip.Addr, 127)
	for i := range many {
		many[i] = six[0]
	}
	r4 := Route{Dst: pfx("10.1.0.0/16"), Interface: "v0"}
	for want, r := range map[string]Route{
		"0 labels":                 {Encap: MPLS{}.Encap()},
		"31 labels":                {Encap: MPLS{Labels: make([]uint32, 31)}.Encap()},
		"1048576":                  {Encap: MPLS{Labels: []uint32{1 << 20}}.Encap()},
		"implicit null":            {Encap: MPLS{Labels: []uint32{3}}.Encap()},
		"0 segments":               {Encap: SEG6{}.Encap()},
		"1 to 126":                 {Encap: SEG6{Mode: SEG6Inline, Segments: many}.Encap()},
		"SEG6L2EncapRed":           {Encap: SEG6{Mode: 9, Segments: six}.Encap()},
		"segment 10.0.0.1":         {Encap: SEG6{Segments: []netip.Addr{ipa("10.0.0.1")}}.Encap()},
		"segment ::ffff:10.0.0.1":  {Encap: SEG6{Segments: []netip.Addr{ipa("::ffff:10.0.0.1")}}.Encap()},
		"segment fe80::1%v0":       {Encap: SEG6{Segments: []netip.Addr{ipa("fe80::1%v0")}}.Encap()},
		"segment ::;":              {Encap: SEG6{Segments: []netip.Addr{ipa("::")}}.Encap()},
		"segment invalid IP":       {Encap: SEG6{Segments: make([]netip.Addr, 1)}.Encap()},
		"SEG6Inline on an IPv4":    {Encap: SEG6{Mode: SEG6Inline, Segments: six}.Encap()},
		"other end":                {Encap: IPTunnel{}.Encap()},
		"different families":       {Encap: IPTunnel{Dst: ipa("10.0.0.1"), Src: ipa("fc00::1")}.Encap()},
		"write 10.0.0.1":           {Encap: IPTunnel{Dst: ipa("::ffff:10.0.0.1")}.Encap()},
		"write fe80::1":            {Encap: IPTunnel{Dst: ipa("fe80::1%v0")}.Encap()},
		"source 224.0.0.1":         {Encap: IPTunnel{Dst: ipa("10.0.0.1"), Src: ipa("224.0.0.1")}.Encap()},
		"a local route":            {Type: Local, Encap: MPLS{Labels: []uint32{100}}.Encap()},
		"blackhole route: packets": {Type: Blackhole, Encap: MPLS{Labels: []uint32{100}}.Encap()},
	} {
		r.Dst, r.Interface = r4.Dst, r4.Interface
		if r.Type == Blackhole {
			r.Interface = ""
		}
		err := New(linx.Self(), Options{}).Validate(State{Routes: []Route{r}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "routes[0]") {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	var e Encap
	for words, want := range map[string]string{
		"gre":                          "mpls, seg6, ip and ip6",
		"mpls":                         "ends early",
		"mpls 100 ttl":                 "ends early",
		"mpls 100/x":                   `"x"`,
		"mpls 100 tos 5":               `"tos" is not known`,
		"mpls 3":                       "implicit null",
		"seg6 mode outline segs fc::1": "inline",
		"seg6 mode encap":              "0 segments",
		"ip dst fc00::1":               "other family",
		"ip6 dst fc00::1 ttl 5":        `"ttl" is not known`,
		"ip dst 10.0.0.1 id -1":        `"-1"`,
		"ip dst somewhere":             `"somewhere"`,
	} {
		if err := e.UnmarshalText([]byte(words)); err == nil || !strings.Contains(err.Error(), want) || e != (Encap{}) {
			t.Errorf("%s: %q is not in: %v", words, want, err)
		}
	}
}
