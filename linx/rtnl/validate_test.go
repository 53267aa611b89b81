package rtnl

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ipa(s string) netip.Addr   { return netip.MustParseAddr(s) }

// on gives an address of an interface.
func on(name, prefix string) Address { return Address{Interface: name, Prefix: pfx(prefix)} }

// TestBadInput: each is refused by Validate with an error that names the entry and says what would be right.
func TestBadInput(t *testing.T) {
	good := Route{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.2")}
	v6 := Route{Dst: pfx("2001:db8::/32"), Gateway: ipa("2001:db8::1")}
	route := func(r Route) State { return State{Routes: []Route{good, r}} }
	address := func(a Address) State { return State{Addresses: []Address{on("v9", "10.9.0.1/24"), a}} }
	for name, c := range map[string]struct {
		state State
		want  []string
	}{
		"address without interface":   {address(on("", "10.0.0.1/24")), []string{"addresses[1]", "eth0"}},
		"interface name too long":     {address(on("a234567890123456", "10.0.0.1/24")), []string{"addresses[1]", "at most 15"}},
		"interface name with slash":   {address(on("v0/1", "10.0.0.1/24")), []string{"addresses[1]", "slash"}},
		"interface name with space":   {address(on("v 0", "10.0.0.1/24")), []string{"addresses[1]", "space"}},
		"interface name with NUL":     {address(on("v\x000", "10.0.0.1/24")), []string{"addresses[1]", "NUL"}},
		"interface named dot dot":     {address(on("..", "10.0.0.1/24")), []string{"addresses[1]", ".."}},
		"address without prefix":      {address(Address{Interface: "v0"}), []string{"addresses[1]", "10.0.0.2/24"}},
		"mapped address":              {address(Address{Interface: "v0", Prefix: netip.PrefixFrom(ipa("::ffff:10.0.0.1"), 120)}), []string{"addresses[1]", "write 10.0.0.1"}},
		"unspecified address":         {address(on("v0", "0.0.0.0/24")), []string{"addresses[1]", "no address of a host"}},
		"multicast address":           {address(on("v0", "ff02::1/64")), []string{"addresses[1]", "no address of a host"}},
		"same IPv4 address":           {address(on("v9", "10.9.0.1/24")), []string{"addresses[1]", "addresses[0]"}},
		"host bits":                   {route(Route{Dst: pfx("10.2.0.1/16"), Gateway: ipa("10.0.0.2")}), []string{"routes[1]", "10.2.0.0/16"}},
		"IPv6 host bits":              {route(Route{Dst: pfx("2001:db8::1/64"), Interface: "v0"}), []string{"routes[1]", "2001:db8::/64"}},
		"prefix too long":             {route(Route{Dst: netip.PrefixFrom(ipa("10.0.0.0"), 33), Interface: "v0"}), []string{"routes[1]", "at most 32"}},
		"mapped destination":          {route(Route{Dst: netip.PrefixFrom(ipa("::ffff:10.0.0.0"), 104), Interface: "v0"}), []string{"routes[1]", "write it as IPv4"}},
		"mixed families":              {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("2001:db8::1")}), []string{"routes[1]", "different families"}},
		"mapped gateway":              {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("::ffff:10.0.0.1")}), []string{"routes[1]", "write 10.0.0.1"}},
		"gateway with zone":           {route(Route{Gateway: ipa("fe80::1%v0")}), []string{"routes[1]", `Interface "v0"`}},
		"link-local without device":   {route(Route{Gateway: ipa("fe80::1")}), []string{"routes[1]", "give its Interface"}},
		"unspecified gateway":         {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("0.0.0.0")}), []string{"routes[1]", "leave it out"}},
		"default without family":      {route(Route{Interface: "v0"}), []string{"routes[1]", "0.0.0.0/0 or ::/0"}},
		"leads nowhere":               {route(Route{Dst: pfx("10.2.0.0/16")}), []string{"routes[1]", "give one"}},
		"blackhole with gateway":      {route(Route{Dst: pfx("10.2.0.0/16"), Type: Blackhole, Gateway: ipa("10.0.0.2")}), []string{"routes[1]", "leave out Gateway"}},
		"unreachable with interface":  {route(Route{Dst: pfx("10.2.0.0/16"), Type: Unreachable, Interface: "v0"}), []string{"routes[1]", "Interface"}},
		"prohibit with MTU":           {route(Route{Dst: pfx("10.2.0.0/16"), Type: Prohibit, MTU: 1400}), []string{"routes[1]", "MTU"}},
		"local with gateway":          {route(Route{Dst: pfx("10.2.0.0/16"), Type: Local, Gateway: ipa("10.0.0.2"), Interface: "lo"}), []string{"routes[1]", "no Gateway"}},
		"local without interface":     {route(Route{Dst: pfx("10.2.0.0/16"), Type: Local}), []string{"routes[1]", "such as lo"}},
		"no such type":                {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Type: 99}), []string{"routes[1]", "Throw"}},
		"no such scope":               {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Scope: 99}), []string{"routes[1]", "ScopeHost"}},
		"a local route, far away":     {route(Route{Dst: pfx("10.2.0.0/16"), Type: Local, Interface: "lo", Scope: ScopeLink}), []string{"routes[1]", "host"}},
		"a gateway on this host":      {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.2"), Scope: ScopeHost}), []string{"routes[1]", "scope link"}},
		"too many ways":               {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: make([]NextHop, 1001)}), []string{"routes[1]", "1000"}},
		"ways on this host":           {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: ways("10.0.0.2", "10.0.0.3"), Scope: ScopeHost}), []string{"routes[1]", "scope link"}},
		"on link, of scope link":      {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.2"), Interface: "v0", OnLink: true, Scope: ScopeLink}), []string{"routes[1]", "OnLink"}},
		"IPv6, wrapped, over lo":      {route(Route{Dst: v6.Dst, Interface: "lo", Encap: MPLS{Labels: []uint32{16}}.Encap()}), []string{"routes[1]", "Encap"}},
		"IPv6 with scope":             {route(Route{Dst: v6.Dst, Gateway: v6.Gateway, Scope: ScopeLink}), []string{"routes[1]", "ScopeDefault"}},
		"IPv6 with TOS":               {route(Route{Dst: v6.Dst, Gateway: v6.Gateway, TOS: 16}), []string{"routes[1]", "leave it 0"}},
		"TOS with ECN bits":           {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", TOS: 17}), []string{"routes[1]", "0x10"}},
		"blackhole with preference":   {route(Route{Dst: pfx("2001:db8:2::/48"), Type: Blackhole, Preference: PreferenceLow}), []string{"routes[1]", "nowhere"}},
		"advmss too large":            {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", AdvMSS: 65496}), []string{"routes[1]", "65495"}},
		"hop limit too large":         {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", HopLimit: 256}), []string{"routes[1]", "255"}},
		"lock of no MTU":              {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", MTULock: true}), []string{"routes[1]", "MTULock"}},
		"lock of no algorithm":        {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", CongCtlLock: true}), []string{"routes[1]", "cubic"}},
		"algorithm that JSON changes": {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", CongCtl: "r\xff"}), []string{"routes[1]", "congestion"}},
		"label that JSON changes": {State{Addresses: []Address{{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Label: "v0:\xff"}}},
			[]string{"addresses[0]", "UTF-8"}},
		"algorithm too long":          {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", CongCtl: "a234567890123456"}), []string{"routes[1]", "at most 15"}},
		"algorithm with space":        {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", CongCtl: "new reno"}), []string{"routes[1]", "new reno"}},
		"IPv4 preference":             {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Preference: PreferenceHigh}), []string{"routes[1]", "PreferenceMedium"}},
		"unknown preference":          {route(Route{Dst: pfx("2001:db8:2::/48"), Interface: "v0", Preference: 3}), []string{"routes[1]", "PreferenceHigh"}},
		"MTU too large":               {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", MTU: 65535}), []string{"routes[1]", "65520"}},
		"onlink without gateway":      {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", OnLink: true}), []string{"routes[1]", "OnLink"}},
		"onlink without interface":    {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.2"), OnLink: true}), []string{"routes[1]", "OnLink"}},
		"source of other family":      {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Source: ipa("2001:db8::1")}), []string{"routes[1]", "IPv4"}},
		"mapped source":               {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Source: ipa("::ffff:10.0.0.1")}), []string{"routes[1]", "write 10.0.0.1"}},
		"multicast source":            {route(Route{Dst: pfx("10.2.0.0/16"), Interface: "v0", Source: ipa("224.0.0.1")}), []string{"routes[1]", "leave it out"}},
		"same route":                  {route(good), []string{"routes[1]", "routes[0]", "another metric"}},
		"same route, other gateway":   {route(Route{Dst: good.Dst, Gateway: ipa("10.0.0.3")}), []string{"routes[1]", "routes[0]"}},
		"several ways and a gateway":  {route(Route{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.2"), NextHops: ways("10.0.0.3")}), []string{"routes[1]", "put them into NextHops"}},
		"several ways of a blackhole": {route(Route{Dst: pfx("10.2.0.0/16"), Type: Blackhole, NextHops: ways("10.0.0.3")}), []string{"routes[1]", "unicast"}},
		"a way that is none":          {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: ways("10.0.0.3", "0.0.0.0")}), []string{"routes[1]", "NextHops[1]", "leave it out"}},
		"an empty way":                {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: make([]NextHop, 1)}), []string{"routes[1]", "NextHops[0]", "give one"}},
		"weight":                      {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: ways("10.0.0.3", "10.0.0.4*257")}), []string{"NextHops[1]", "256"}},
		"a way twice":                 {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: ways("10.0.0.3", "10.0.0.4", "10.0.0.3")}), []string{"NextHops[2]", "NextHops[0]"}},
		"a way of the other family":   {route(Route{Dst: pfx("10.2.0.0/16"), NextHops: ways("2001:db8::1")}), []string{"NextHops[0]", "IPv4"}},
		"ways of both families":       {route(Route{NextHops: ways("2001:db8::1", "10.0.0.1")}), []string{"NextHops[1]", "IPv6"}},
		"several IPv6 devices":        {route(Route{Dst: v6.Dst, NextHops: []NextHop{{Interface: "v0"}, {Gateway: v6.Gateway}}}), []string{"NextHops[0]", "Gateway"}},
		"an object and a gateway":     {route(Route{Dst: pfx("10.2.0.0/16"), NextHopID: 7, Gateway: ipa("10.0.0.2")}), []string{"routes[1]", "NextHopID"}},
		"an object and ways":          {route(Route{Dst: pfx("10.2.0.0/16"), NextHopID: 7, NextHops: ways("10.0.0.2")}), []string{"routes[1]", "NextHopID"}},
		"a blackhole with an object":  {route(Route{Dst: pfx("10.2.0.0/16"), NextHopID: 7, Type: Blackhole}), []string{"routes[1]", "unicast"}},
		"IPv6 with an object":         {route(Route{Dst: v6.Dst, NextHopID: 7}), []string{"routes[1]", "crashes Linux 6.18"}},
		"one of our own objects":      {route(Route{Dst: pfx("10.2.0.0/16"), NextHopID: firstNexthop}), []string{"routes[1]", "Options.NexthopObjects"}},
		"IPv6 metric 0 is 1024": {State{Routes: []Route{v6, {Dst: v6.Dst, Gateway: v6.Gateway, Metric: 1024}}},
			[]string{"routes[1]", "routes[0]", "metric 0 means 1024"}},
		"default twice": {State{Routes: []Route{{Gateway: ipa("10.0.0.1")}, {Dst: pfx("0.0.0.0/0"), Gateway: ipa("10.0.0.2")}}},
			[]string{"routes[1]", "routes[0]"}},
		"IPv6 address of two lengths": {State{Addresses: []Address{on("v0", "2001:db8::1/64"), on("v0", "2001:db8::1/128")}},
			[]string{"addresses[1]", "addresses[0]"}},
		"several": {State{Addresses: []Address{{}}, Routes: []Route{{}}}, []string{"addresses[0]", "routes[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := New(linx.Self(), Options{}).Validate(c.state)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	for name, c := range map[string]struct {
		source *Source
		want   string
	}{
		"negative protocol": {New(linx.Self(), Options{Protocol: -1}), "out of range"},
		"protocol too high": {New(linx.Self(), Options{Protocol: 256}), "out of range"},
		"kernel's":          {New(linx.Self(), Options{Protocol: 2}), "deleted as ours"},
		"static":            {New(linx.Self(), Options{Protocol: 4}), "deleted as ours"},
		"router advert":     {New(linx.Self(), Options{Protocol: 9}), "deleted as ours"},
		"policy":            {New(linx.Self(), Options{Conflict: 3}), "TakeOver"},
		"pid":               {New(linx.PID(0), Options{}), "pid"},
		"path":              {New(linx.Path(""), Options{}), "path"},
	} {
		err := c.source.Validate(State{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
		if _, err := c.source.Reconcile(t.Context(), State{}, LastApplied{}, nil); err == nil {
			t.Errorf("%s: Reconcile accepted it", name)
		}
	}
}

// TestGoodInput: what looks odd and is right.
func TestGoodInput(t *testing.T) {
	err := New(linx.Self(), Options{Protocol: 186, Conflict: TakeOver}).Validate(State{
		Addresses: []Address{
			on("v0", "10.0.0.1/24"), on("v0", "10.0.0.1/16"), on("v1", "10.0.0.1/24"), // IPv4 knows all three apart
			on("v0", "10.0.1.0/31"), on("lo", "127.0.0.5/8"), on("v0", "fe80::1/64"),
		},
		Routes: []Route{
			{Gateway: ipa("10.0.0.1")},
			{Gateway: ipa("10.0.0.1"), Metric: 5},
			{Gateway: ipa("10.0.0.1"), TOS: 16},
			{Gateway: ipa("10.0.0.1"), Table: 4294967295},
			{Gateway: ipa("fe80::1"), Interface: "v0"},
			{Dst: pfx("::/0"), Interface: "v0", Metric: 4294967295},
			{Dst: pfx("10.0.0.0/8"), Type: Throw},
			{Dst: pfx("10.0.0.1/32"), Interface: "a23456789012345", Scope: ScopeHost, MTU: 65520},
		},
	})
	if err != nil {
		t.Error(err)
	}
}
