package monitor

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
)

// What the kernel tells is decoded to what was asked of it. The changes are made by ip(8).
func TestDecode(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	c := dial(t, n, "v0")
	v0, v1 := c.v0, dial(t, n, "v1").v0
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	n.IP("address", "add", "10.0.0.1/24", "dev", "v0")
	n.IP("address", "add", "fd00::1/64", "dev", "v0", "nodad")

	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	serve(t, m)

	for _, test := range []struct {
		do      []string
		kind    Kind
		deleted bool
		want    any    // what it decodes to
		text    string // and prints as
	}{
		{[]string{"link", "set", "v0", "mtu", "1400"}, KindLink, false, func(l Link) bool {
			return l.Index == v0 && l.Name == "v0" && l.MTU == 1400 && l.Kind == "veth" && l.Flags&unix.IFF_UP != 0 &&
				l.Peer == v1 && l.PeerNSID == -1 && l.Master == 0 && l.State == 6 && len(l.Hardware) == 6 &&
				l.Broadcast.String() == "ff:ff:ff:ff:ff:ff"
		}, ""},
		{[]string{"address", "add", "10.1.0.1/24", "broadcast", "+", "dev", "v0", "label", "v0:x"}, KindAddress, false,
			Address{Index: v0, Prefix: p("10.1.0.1/24"), Broadcast: a("10.1.0.255"), Label: "v0:x", Flags: unix.IFA_F_PERMANENT,
				Valid: Forever, Preferred: Forever},
			"{v0}: inet 10.1.0.1/24 brd 10.1.0.255 scope global v0:x valid_lft forever preferred_lft forever"},
		{[]string{"address", "delete", "10.1.0.1/24", "dev", "v0"}, KindAddress, true,
			Address{Index: v0, Prefix: p("10.1.0.1/24"), Broadcast: a("10.1.0.255"), Label: "v0:x", Flags: unix.IFA_F_PERMANENT,
				Valid: Forever, Preferred: Forever},
			"Deleted {v0}: inet 10.1.0.1/24 brd 10.1.0.255 scope global v0:x valid_lft forever preferred_lft forever"},
		{[]string{"address", "add", "10.2.0.1", "peer", "10.2.0.2/32", "dev", "v0", "scope", "link", "valid_lft", "600", "preferred_lft", "300"},
			KindAddress, false,
			Address{Index: v0, Prefix: p("10.2.0.1/32"), Peer: a("10.2.0.2"), Label: "v0", Scope: unix.RT_SCOPE_LINK,
				Valid: 600 * time.Second, Preferred: 300 * time.Second},
			"{v0}: inet 10.2.0.1 peer 10.2.0.2/32 scope link v0 valid_lft 600sec preferred_lft 300sec"},
		{[]string{"address", "add", "fd02::1/64", "dev", "v0", "nodad", "noprefixroute"}, KindAddress, false,
			Address{Index: v0, Prefix: p("fd02::1/64"), Valid: Forever, Preferred: Forever,
				Flags: unix.IFA_F_PERMANENT | unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE},
			"{v0}: inet6 fd02::1/64 scope global nodad noprefixroute valid_lft forever preferred_lft forever"},
		{[]string{"route", "add", "10.3.0.0/16", "via", "10.0.0.2", "proto", "static", "metric", "7", "src", "10.0.0.1", "table", "1000"},
			KindRoute, false,
			Route{Dst: p("10.3.0.0/16"), Gateway: a("10.0.0.2"), Index: v0, Table: 1000, Metric: 7, Protocol: unix.RTPROT_STATIC,
				Type: unix.RTN_UNICAST, Source: a("10.0.0.1")},
			"10.3.0.0/16 via 10.0.0.2 dev if{v0} table 1000 proto static src 10.0.0.1 metric 7"},
		{[]string{"route", "add", "default", "dev", "v0", "proto", "76", "tos", "0x10"}, KindRoute, false,
			Route{Dst: p("0.0.0.0/0"), Index: v0, Table: 254, Protocol: 76, Type: unix.RTN_UNICAST, Scope: unix.RT_SCOPE_LINK, TOS: 0x10},
			"default tos 0x10 dev if{v0} proto 76 scope link"},
		{[]string{"route", "add", "blackhole", "10.4.0.0/16", "proto", "static"}, KindRoute, false,
			Route{Dst: p("10.4.0.0/16"), Table: 254, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_BLACKHOLE},
			"blackhole 10.4.0.0/16 proto static"},
		{[]string{"route", "add", "10.5.0.0/16", "proto", "static", "nexthop", "via", "10.0.0.2", "weight", "3",
			"nexthop", "via", "10.0.7.7", "dev", "v0", "onlink"}, KindRoute, false,
			Route{Dst: p("10.5.0.0/16"), Table: 254, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST, NextHops: []NextHop{
				{Gateway: a("10.0.0.2"), Index: v0, Weight: 3},
				{Gateway: a("10.0.7.7"), Index: v0, Weight: 1, Flags: unix.RTNH_F_ONLINK},
			}},
			"10.5.0.0/16 proto static nexthop via 10.0.0.2 dev if{v0} weight 3 nexthop via 10.0.7.7 dev if{v0} weight 1 onlink"},
		{[]string{"route", "add", "10.6.0.0/16", "via", "inet6", "fd00::2", "dev", "v0", "proto", "static"}, KindRoute, false,
			Route{Dst: p("10.6.0.0/16"), Gateway: a("fd00::2"), Index: v0, Table: 254, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST},
			"10.6.0.0/16 via fd00::2 dev if{v0} proto static"},
		{[]string{"route", "add", "fd03::/64", "via", "fd00::2", "proto", "static"}, KindRoute, false,
			Route{Dst: p("fd03::/64"), Gateway: a("fd00::2"), Index: v0, Table: 254, Metric: 1024, Protocol: unix.RTPROT_STATIC,
				Type: unix.RTN_UNICAST},
			"fd03::/64 via fd00::2 dev if{v0} proto static metric 1024"},
		{[]string{"route", "delete", "fd03::/64"}, KindRoute, true,
			Route{Dst: p("fd03::/64"), Gateway: a("fd00::2"), Index: v0, Table: 254, Metric: 1024, Protocol: unix.RTPROT_STATIC,
				Type: unix.RTN_UNICAST},
			"Deleted fd03::/64 via fd00::2 dev if{v0} proto static metric 1024"},
		{[]string{"rule", "add", "priority", "70", "not", "from", "10.0.0.0/8", "to", "10.9.0.0/16", "fwmark", "0x5/0xf",
			"iif", "v0", "oif", "v1", "tos", "0x10", "lookup", "1000", "protocol", "76"}, KindRule, false,
			Rule{Priority: 70, From: p("10.0.0.0/8"), To: p("10.9.0.0/16"), Mark: 5, MarkMask: 15, IIF: "v0", OIF: "v1", TOS: 0x10,
				Invert: true, Action: unix.FR_ACT_TO_TBL, Table: 1000, Protocol: 76},
			"70: not from 10.0.0.0/8 to 10.9.0.0/16 tos 0x10 fwmark 0x5/0xf iif v0 oif v1 lookup 1000 proto 76"},
		{[]string{"-6", "rule", "add", "priority", "71", "goto", "32766"}, KindRule, false,
			Rule{IPv6: true, Priority: 71, Action: unix.FR_ACT_GOTO, Goto: 32766},
			"71: from all goto 32766"},
		{[]string{"rule", "delete", "priority", "70"}, KindRule, true,
			Rule{Priority: 70, From: p("10.0.0.0/8"), To: p("10.9.0.0/16"), Mark: 5, MarkMask: 15, IIF: "v0", OIF: "v1", TOS: 0x10,
				Invert: true, Action: unix.FR_ACT_TO_TBL, Table: 1000, Protocol: 76},
			"Deleted 70: not from 10.0.0.0/8 to 10.9.0.0/16 tos 0x10 fwmark 0x5/0xf iif v0 oif v1 lookup 1000 proto 76"},
		{[]string{"neighbor", "add", "10.0.0.9", "lladdr", "02:00:00:00:00:09", "dev", "v0", "protocol", "76"}, KindNeighbor, false,
			Neighbor{Family: unix.AF_INET, Index: v0, Addr: a("10.0.0.9"), Hardware: []byte{2, 0, 0, 0, 0, 9},
				State: unix.NUD_PERMANENT, Protocol: 76},
			"10.0.0.9 dev if{v0} lladdr 02:00:00:00:00:09 PERMANENT proto 76"},
		{[]string{"link", "delete", "v0"}, KindLink, true, func(l Link) bool { return l.Index == v0 && l.Name == "v0" }, ""},
	} {
		text := strings.ReplaceAll(test.text, "{v0}", fmt.Sprint(v0))
		r.take()
		n.IP(test.do...)
		r.wait(t, fmt.Sprintf("ip %q: %q, %#v", test.do, text, test.want), func(e Event) bool {
			got, ok := decoded(e)
			if !ok || e.Kind != test.kind || e.Deleted() != test.deleted || e.New() == test.deleted {
				return false
			}
			if f, is := test.want.(func(Link) bool); is {
				return f(got.(Link))
			}
			return reflect.DeepEqual(got, test.want) && e.String() == text
		})
	}
}

// decoded gives what the event's method gives.
func decoded(e Event) (any, bool) {
	switch e.Kind {
	case KindLink:
		return pair(e.Link())
	case KindAddress:
		return pair(e.Address())
	case KindRoute:
		return pair(e.Route())
	case KindRule:
		return pair(e.Rule())
	case KindNeighbor:
		return pair(e.Neighbor())
	}
	return nil, false
}

func pair[T any](v T, ok bool) (any, bool) { return v, ok }
