package rtnl

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linx-go/linx-go/linx"
)

const hour = Lifetime(time.Hour)

// TestAddressPrint: addresses read like ip(8).
func TestAddressPrint(t *testing.T) {
	for want, change := range map[string]func(*Address){
		"address 10.0.0.2/24 dev v0":                       func(*Address) {},
		"address 10.0.0.2 peer 10.0.0.3/24 dev v0":         func(a *Address) { a.Peer = ipa("10.0.0.3") },
		"address 10.0.0.2/24 dev v0 broadcast 10.0.0.255":  func(a *Address) { a.Broadcast = ipa("10.0.0.255") },
		"address 10.0.0.2/24 dev v0 scope link label v0:x": func(a *Address) { a.Scope, a.Label = ScopeLink, "v0:x" },
		"address 10.0.0.2/24 dev v0 metric 7 noprefixroute": func(a *Address) {
			a.Metric, a.NoPrefixRoute = 7, true
		},
		"address 10.0.0.2/24 dev v0 valid_lft 5400 preferred_lft 5400": func(a *Address) { a.ValidLifetime = hour + hour/2 },
		"address 10.0.0.2/24 dev v0 valid_lft 3600 preferred_lft 1":    func(a *Address) { a.ValidLifetime, a.PreferredLifetime = hour, Lifetime(time.Second) },
		"address 10.0.0.2/24 dev v0 valid_lft forever preferred_lft 0": func(a *Address) { a.Deprecated = true },
		"address 2001:db8::2/64 dev v0 nodad home mngtmpaddr": func(a *Address) {
			a.Prefix, a.NoDAD, a.Home, a.ManageTempAddr = pfx("2001:db8::2/64"), true, true, true
		},
	} {
		a := on("v0", "10.0.0.2/24")
		change(&a)
		if a.String() != want {
			t.Errorf("%s, not %s", a, want)
		}
		if err := a.fault(); err != nil {
			t.Error(err)
		}
	}
}

func TestAddressJSON(t *testing.T) {
	text := `{"addresses":[{"interface":"v0","prefix":"10.0.0.2/24","peer":"10.0.0.3","broadcast":"10.0.0.255","scope":"link",` +
		`"label":"v0:x","metric":7,"validLifetime":"1h30m0s","preferredLifetime":"1m0s","noprefixroute":true},` +
		`{"interface":"v0","prefix":"2001:db8::2/64","deprecated":true,"nodad":true,"home":true,"mngtmpaddr":true}]}`
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("%s, not %s (%v)", back, text, err)
	}
	l := LastApplied{namespace: "boot/1", addresses: []ownedAddress{{Address: s.Addresses[0], Index: 2, Claimed: true}, {Address: s.Addresses[1]}}}
	data, err := json.Marshal(l)
	var back LastApplied
	if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(back.addresses, l.addresses) {
		t.Errorf("%s: %v", data, err)
	}
	for in, want := range map[string]string{
		`{"addresses": [{"validLifetime": "5400"}]}`: "1h30m",
		`{"addresses": [{"validLifetime": 5400}]}`:   "validLifetime",
		`{"addresses": [{"scope": "galaxy"}]}`:       "global",
		`{"addresses": [{"lifetime": "1h"}]}`:        "lifetime",
	} {
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// TestBadAddresses: each is refused by Validate with an error that names the entry and says what would be
// right.
func TestBadAddresses(t *testing.T) {
	four, six := on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")
	for name, c := range map[string]struct {
		base   Address
		change func(*Address)
		want   string
	}{
		"peer of another family":         {four, func(a *Address) { a.Peer = ipa("2001:db8::3") }, "different families"},
		"IPv6 peer of another family":    {six, func(a *Address) { a.Peer = ipa("10.0.0.3") }, "different families"},
		"mapped peer":                    {four, func(a *Address) { a.Peer = ipa("::ffff:10.0.0.3") }, "write 10.0.0.3"},
		"peer with zone":                 {six, func(a *Address) { a.Peer = ipa("fe80::1%v0") }, "write fe80::1"},
		"peer of nobody":                 {four, func(a *Address) { a.Peer = ipa("0.0.0.0") }, "no address of a host"},
		"multicast peer":                 {six, func(a *Address) { a.Peer = ipa("ff02::1") }, "no address of a host"},
		"peer of itself":                 {four, func(a *Address) { a.Peer = ipa("10.0.0.2") }, "leave it out"},
		"IPv6 broadcast":                 {four, func(a *Address) { a.Broadcast = ipa("ff02::1") }, "no IPv4 address"},
		"broadcast of nobody":            {four, func(a *Address) { a.Broadcast = ipa("0.0.0.0") }, "leave it out"},
		"broadcast for IPv6":             {six, func(a *Address) { a.Broadcast = ipa("10.0.0.255") }, "IPv4 only"},
		"label for IPv6":                 {six, func(a *Address) { a.Label = "v0:x" }, "IPv4 only"},
		"scope for IPv6":                 {six, func(a *Address) { a.Scope = ScopeLink }, "IPv4 only"},
		"no such scope":                  {four, func(a *Address) { a.Scope = 9 }, "ScopeHost"},
		"label too long":                 {four, func(a *Address) { a.Label = "v0:4567890123456" }, "at most 15"},
		"label with a space":             {four, func(a *Address) { a.Label = "v0: x" }, "v0:www"},
		"label with NUL":                 {four, func(a *Address) { a.Label = "v0:\x00" }, "v0:www"},
		"negative lifetime":              {four, func(a *Address) { a.ValidLifetime = -hour }, "whole seconds"},
		"half a second":                  {four, func(a *Address) { a.PreferredLifetime = Lifetime(time.Second / 2) }, "whole seconds"},
		"two hundred years":              {four, func(a *Address) { a.ValidLifetime = 24 * 365 * 200 * hour }, "no end"},
		"longer preferred than valid":    {six, func(a *Address) { a.ValidLifetime, a.PreferredLifetime = hour, hour+hour }, "at most as long"},
		"IPv4 preferred, not valid":      {four, func(a *Address) { a.PreferredLifetime = hour }, "give ValidLifetime"},
		"deprecated and preferred":       {six, func(a *Address) { a.Deprecated, a.PreferredLifetime = true, hour }, "leave out PreferredLifetime"},
		"NoDAD for IPv4":                 {four, func(a *Address) { a.NoDAD = true }, "IPv6 only"},
		"Home for IPv4":                  {four, func(a *Address) { a.Home = true }, "IPv6 only"},
		"ManageTempAddr for IPv4":        {four, func(a *Address) { a.ManageTempAddr = true }, "IPv6 only"},
		"ManageTempAddr and length":      {on("v0", "2001:db8::2/128"), func(a *Address) { a.ManageTempAddr = true }, "takes 64"},
		"the same":                       {four, func(*Address) {}, "addresses[0]"},
		"the same, with a label":         {four, func(a *Address) { a.Label, a.Metric = "v0:x", 7 }, "addresses[0]"},
		"the same, peer nearby":          {four, func(a *Address) { a.Peer = ipa("10.0.0.3") }, "addresses[0]"},
		"the same, peers of one network": {four, func(a *Address) { a.Peer = ipa("10.9.0.3") }, "addresses[2]"},
		"the same IPv6, with a peer":     {six, func(a *Address) { a.Peer = ipa("2001:db8:9::1") }, "addresses[1]"},
	} {
		bad, far := c.base, four
		far.Peer = ipa("10.9.0.9")
		c.change(&bad)
		err := New(linx.Self(), Options{}).Validate(State{Addresses: []Address{four, six, far, bad}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "addresses[3]") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
	with := func(a Address, peer string) Address { a.Peer = ipa(peer); return a }
	if err := New(linx.Self(), Options{}).Validate(State{Addresses: []Address{
		four, with(four, "10.1.0.3"), with(four, "10.2.0.3"), with(on("v0", "10.0.0.2/32"), "10.0.0.3"), six, with(on("v1", "2001:db8::2/64"), "fe80::9"),
	}}); err != nil {
		t.Error(err)
	}
}

// TestRemedy: what it takes to make an address what is desired.
func TestRemedy(t *testing.T) {
	with := func(prefix string, change func(*Address)) Address {
		a := on("v0", prefix)
		change(&a)
		return a
	}
	lives := func(valid, preferred Lifetime) func(*Address) {
		return func(a *Address) { a.ValidLifetime, a.PreferredLifetime = valid, preferred }
	}
	plain := func(*Address) {}
	flags := func(a *Address) { a.NoPrefixRoute = true }
	metric := func(a *Address) { a.Metric = 7 }
	brd := func(a *Address) { a.Broadcast = ipa("10.0.0.255") }
	label := func(a *Address) { a.Label = "v0:x" }
	link := func(a *Address) { a.Scope = ScopeLink }
	const four, six = "10.0.0.2/24", "2001:db8::2/64"
	for name, c := range map[string]struct {
		want, seen   Address
		ours, theirs remedy
	}{
		"alike":               {with(four, plain), with(four, plain), nothing, nothing},
		"label":               {with(four, label), with(four, plain), anew, anew},
		"label of the kernel": {with(four, plain), with(four, label), nothing, nothing},
		"broadcast":           {with(four, brd), with(four, plain), anew, anew},
		"more broadcast":      {with(four, plain), with(four, brd), nothing, nothing},
		"scope":               {with(four, link), with(four, plain), anew, anew},
		"another's scope":     {with(four, plain), with(four, link), anew, anew},
		"IPv4 flag":           {with(four, flags), with(four, plain), anew, anew},
		"IPv6 flag":           {with(six, flags), with(six, plain), inPlace, inPlace},
		"more flags":          {with(six, plain), with(six, flags), nothing, nothing},
		"metric":              {with(four, metric), with(four, plain), inPlace, inPlace},
		"more metric":         {with(four, plain), with(four, metric), nothing, nothing},
		"length":              {with(six, plain), on("v0", "2001:db8::2/128"), anew, anew},
		"peer":                {with(four, func(a *Address) { a.Peer = ipa("10.0.0.3") }), with(four, plain), anew, anew},
		"countdown":           {with(four, lives(hour, 0)), with(four, lives(hour*2/3, 0)), nothing, nothing},
		"half over":           {with(four, lives(hour, 0)), with(four, lives(hour/2, 0)), renewal, nothing},
		"preference half over": {with(six, lives(hour, hour/4)), with(six, lives(hour*3/4, hour/10)),
			renewal, nothing},
		"lengthened":         {with(four, lives(hour, 0)), with(four, lives(2*hour, hour)), inPlace, inPlace},
		"made to last":       {with(four, lives(hour, 0)), with(four, plain), inPlace, inPlace},
		"made to end":        {with(four, plain), with(four, lives(hour, 0)), renewal, nothing},
		"deprecated":         {with(six, func(a *Address) { a.Deprecated = true }), with(six, plain), inPlace, inPlace},
		"made deprecated":    {with(six, plain), with(six, func(a *Address) { a.Deprecated = true }), renewal, nothing},
		"deprecated already": {with(six, func(a *Address) { a.Deprecated = true }), with(six, func(a *Address) { a.Deprecated = true }), nothing, nothing},
	} {
		x, err := newIndex(State{Addresses: []Address{c.want}})
		if err != nil {
			t.Fatal(err)
		}
		s := (&model{}).survey(x)
		seen := packAddress(&c.seen, modelLinks["v0"])
		seen.filled("v0")
		for mine, want := range map[bool]remedy{true: c.ours, false: c.theirs} {
			if got := s.remedyFor(0, &seen, mine); got != want {
				t.Errorf("%s, mine %v: %d, not %d", name, mine, got, want)
			}
		}
	}
}

// filled puts in what the kernel does.
func (a *address) filled(name string) {
	if !a.v6 && a.label == ([16]byte{}) {
		copy(a.label[:], name)
	}
}

// TestTakenBack: what was asked for and is no longer is to be the kernel's default again; what never was stays.
func TestTakenBack(t *testing.T) {
	full4 := Address{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Broadcast: ipa("10.0.0.9"), Label: "v0:x", Metric: 7, NoPrefixRoute: true}
	full6 := Address{Interface: "v0", Prefix: pfx("2001:db8::2/64"), Metric: 7, NoPrefixRoute: true, Home: true, NoDAD: true}
	for _, full := range []Address{full4, full6} {
		plain := Address{Interface: "v0", Prefix: full.Prefix}
		want, seen := packAddress(&plain, 2), packAddress(&full, 2)
		for _, before := range []Address{full, plain, {Interface: "v0", Prefix: full.Prefix, Metric: 7}} {
			to := want.complete(&seen, "v0", func() (address, bool) { return packAddress(&before, 2), true })
			got := to.unpack("v0")
			should := full
			should.Metric = 0
			switch before {
			case full:
				should = plain
			case plain:
				should.Metric = full.Metric
			}
			if got != should {
				t.Errorf("asked for %v before: %v, not %v", before, got, should)
			}
		}
	}
}

// TestAddressKey: what the kernel cannot tell apart.
func TestAddressKey(t *testing.T) {
	key := func(prefix, peer string) addressKey {
		a := on("v0", prefix)
		if peer != "" {
			a.Peer = netip.MustParseAddr(peer)
		}
		p := packAddress(&a, 2)
		return p.key()
	}
	for _, c := range []struct {
		a, b [2]string
		same bool
	}{
		{[2]string{"10.0.0.2/24", ""}, [2]string{"10.0.0.2/24", "10.0.0.9"}, true},
		{[2]string{"10.0.0.2/24", ""}, [2]string{"10.0.0.2/24", "10.0.1.9"}, false},
		{[2]string{"10.0.0.2/24", "10.0.1.1"}, [2]string{"10.0.0.2/24", "10.0.1.9"}, true},
		{[2]string{"10.0.0.2/24", ""}, [2]string{"10.0.0.2/16", ""}, false},
		{[2]string{"10.0.0.2/32", ""}, [2]string{"10.0.0.2/32", "10.0.0.3"}, false},
		{[2]string{"10.0.0.2/0", ""}, [2]string{"10.0.0.2/0", "99.0.0.3"}, true},
		{[2]string{"2001:db8::2/64", ""}, [2]string{"2001:db8::2/128", "fe80::1"}, true},
	} {
		if got := key(c.a[0], c.a[1]) == key(c.b[0], c.b[1]); got != c.same {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
	}
}
