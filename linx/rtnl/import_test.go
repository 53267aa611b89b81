package rtnl

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

// configured is what people do by ip(8), and what an observed State says of it; of what it cannot say, the
// beginning of what is in unsaid.
var configured = []struct{ command, said, unsaid string }{
	{"link add v0 type veth peer name v1", "link v0 up type veth peer name v1", ""},
	{"link set v0 up", "link v1 up", ""},
	{"link set v1 up", "", ""},
	{"link add br0 type bridge stp_state 1", "link br0 up type bridge stp_state 1", ""},
	{"link add p0 mtu 1400 type veth peer name p1", "link p0 mtu 1400 alias uplink master br0 up type veth peer name p1", ""},
	{"link set p0 master br0 up alias uplink", "link p1", ""},
	{"link set br0 up", "", ""},
	{"link add vx0 mtu 1430 type vxlan id 5 dstport 4789 remote 10.0.0.9 dev v0",
		"link vx0 mtu 1430 type vxlan id 5 remote 10.0.0.9 dev v0 dstport 4789", ""},
	{"link add mv0 link v1 type macvlan mode bridge", "link mv0 link v1 type macvlan mode bridge", ""},
	{"link add ifb5 group 7 type ifb", "link ifb5 group 7 type ifb", ""},
	{"link property add dev br0 altname lan", "", ""},

	{"addr add 10.0.0.2/24 dev v0", "address 10.0.0.2/24 dev v0", ""},
	{"addr add 10.0.0.3/24 dev v0", "address 10.0.0.3/24 dev v0", ""},
	{"addr add 10.0.1.2/24 dev v0", "address 10.0.1.2/24 dev v0", ""},
	{"addr add 2001:db8::9/64 dev v0", "address 2001:db8::9/64 dev v0", ""},
	{"addr add 2001:db8::3/64 dev v0", "address 2001:db8::3/64 dev v0", ""},
	{"addr add fe80::5/64 dev v0", "address fe80::5/64 dev v0", ""},
	{"addr add 10.0.2.1/24 dev v1", "address 10.0.2.1/24 dev v1", ""},
	{"addr add 127.0.0.2/8 dev lo", "address 127.0.0.2/8 dev lo", ""},
	{"addr add 10.0.5.1 peer 10.0.5.2/32 dev v1", "address 10.0.5.1 peer 10.0.5.2/32 dev v1", ""},
	{"addr add 10.0.6.1/24 brd + label v1:x scope link metric 7 noprefixroute dev v1",
		"address 10.0.6.1/24 dev v1 broadcast 10.0.6.255 scope link label v1:x metric 7 noprefixroute", ""},
	{"addr add 10.0.7.1/24 scope 50 dev v1", "", "address 10.0.7.1/24 dev v1"},
	{"addr add 224.0.0.9/32 autojoin dev v1", "", "address 224.0.0.9/32 dev v1"},
	{"addr add 2001:db8:7::1 peer 2001:db8:7::2/64 home mngtmpaddr nodad preferred_lft 0 dev v1",
		"address 2001:db8:7::1 peer 2001:db8:7::2/64 dev v1 nodad home mngtmpaddr valid_lft forever preferred_lft 0", ""},

	{"route add default via 10.0.0.1", "route default via 10.0.0.1 dev v0", ""},
	{"route add 10.1.0.0/16 via 10.0.0.1 metric 50 table 100", "route 10.1.0.0/16 via 10.0.0.1 dev v0 metric 50 table 100", ""},
	{"route add 10.2.0.0/16 dev v0", "route 10.2.0.0/16 dev v0", ""},
	{"route add 10.2.0.0/16 dev v0 tos 0x10 proto bird", "route 10.2.0.0/16 tos 0x10 dev v0", ""},
	{"route add 10.3.0.0/16 via 10.9.9.9 dev v0 onlink mtu 1400 src 10.0.0.3", "route 10.3.0.0/16 via 10.9.9.9 dev v0 src 10.0.0.3 mtu 1400 onlink", ""},
	{"route add blackhole 10.4.0.0/16", "route blackhole 10.4.0.0/16", ""},
	{"route add throw 10.5.0.0/16 table 300", "route throw 10.5.0.0/16 table 300", ""},
	{"route add local 10.6.0.0/16 dev lo", "route local 10.6.0.0/16 dev lo table 255", ""},
	{"route add 10.7.0.0/16 dev v0 scope site", "route 10.7.0.0/16 dev v0 scope site", ""},
	{"route append 10.2.0.0/16 via 10.0.0.1", "", "route 10.2.0.0/16 via 10.0.0.1 dev v0: it is behind another"},
	{"route add 10.8.0.0/16 via 10.0.0.1 realms 7", "", "route 10.8.0.0/16 via 10.0.0.1 dev v0"},
	{"route add 10.8.1.0/24 via 10.0.0.1 mtu lock 1300", "route 10.8.1.0/24 via 10.0.0.1 dev v0 mtu lock 1300", ""},
	{"route add 10.8.3.0/24 via 10.0.0.1 mtu 1300 rtt 10", "", "route 10.8.3.0/24 via 10.0.0.1 dev v0 mtu 1300"},
	{"-6 route add 2001:db8:7::/48 dev v0 hoplimit 9 congctl reno pref high",
		"route 2001:db8:7::/48 dev v0 hoplimit 9 congctl reno pref high", ""},
	{"route add multicast 232.0.0.0/8 dev v0", "", "route 232.0.0.0/8 dev v0"},
	{"route add 10.8.2.0/24 via inet6 fe80::9 dev v0", "", "route 10.8.2.0/24 dev v0"},
	{"nexthop add id 5 via 10.0.0.1 dev v0", "nexthop id 5 via 10.0.0.1 dev v0", ""},
	{"nexthop add id 4 blackhole", "nexthop id 4 blackhole", ""},
	{"nexthop add id 7 via 10.9.9.9 dev v0 onlink proto static", "nexthop id 7 via 10.9.9.9 dev v0 onlink", ""},
	{"nexthop add id 6 group 5/7,3", "nexthop id 6 group 5/7,3", ""},
	{"route add 10.10.0.0/16 nhid 6", "route 10.10.0.0/16 nhid 6", ""},
	{"route add 10.11.0.0/16 nhid 4 metric 7", "route 10.11.0.0/16 nhid 4 metric 7", ""},
	{"nexthop add id 9 encap ip id 5 dst 10.0.0.9 dev v0", "", "nexthop id 9 dev v0: it has attributes"},
	{"nexthop add id 10 group 5/9", "", "nexthop id 10 group 5/9: it has attributes"},
	{"route add 10.12.0.0/16 nhid 9", "", "route 10.12.0.0/16 nhid 9: it has attributes"},
	{"route add 10.9.0.0/16 nexthop via 10.0.0.1 weight 2 nexthop dev v1",
		"route 10.9.0.0/16 nexthop via 10.0.0.1 dev v0 weight 2 nexthop dev v1", ""},
	{"-6 route add 2001:db8:8::/48 nexthop via 2001:db8::7 dev v0 nexthop via fe80::7 dev v1 weight 3",
		"route 2001:db8:8::/48 nexthop via 2001:db8::7 dev v0 nexthop via fe80::7 dev v1 weight 3", ""},
	{"-6 route add default via 2001:db8::1", "route default via 2001:db8::1 dev v0", ""},
	{"-6 route add 2001:db8:1::/48 via fe80::9 dev v0 metric 7", "route 2001:db8:1::/48 via fe80::9 dev v0 metric 7", ""},
	{"-6 route add unreachable 2001:db8:2::/48 table 200", "route unreachable 2001:db8:2::/48 table 200", ""},
	{"-6 route add 2001:db8:3::/48 dev v1 mtu 1300", "route 2001:db8:3::/48 dev v1 mtu 1300", ""},
	{"-6 route add 2001:db8:4::/48 from 2001:db8:5::/48 dev v0", "", "route 2001:db8:4::/48 dev v0: it is for packets from"},
	{"-6 route add 2001:db8:6::/48 dev v0 expires 900", "", "route 2001:db8:6::/48 dev v0"},

	{"rule add from 10.0.0.0/8 lookup 100 priority 1000", "rule from 10.0.0.0/8 lookup 100 priority 1000", ""},
	{"rule add fwmark 5/0xff lookup main priority 1000", "rule from 0.0.0.0/0 fwmark 0x5/0xff lookup main priority 1000", ""},
	{"rule add iif v9 ipproto tcp dport 80-90 blackhole priority 5", "rule from 0.0.0.0/0 iif v9 ipproto 6 dport 80-90 blackhole priority 5", ""},
	{"rule add goto 2000 priority 6", "rule from 0.0.0.0/0 goto 2000 priority 6", ""},
	{"rule add lookup main suppress_prefixlength 0 priority 7", "rule from 0.0.0.0/0 lookup main suppress_prefixlength 0 priority 7", ""},
	{"rule add lookup 100 priority 0", "", "rule from 0.0.0.0/0 lookup 100 priority 0"},
	{"rule add not from 10.0.0.0/8 lookup 100 priority 8", "rule not from 10.0.0.0/8 lookup 100 priority 8", ""},
	{"rule del priority 32767", "", "rule from 0.0.0.0/0 lookup 253 priority 32767: the kernel once made it"},
	{"-6 rule add to 2001:db8::/32 prohibit priority 9", "rule from all to 2001:db8::/32 prohibit priority 9", ""},

	{"neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev v0", "neighbor 10.0.0.7 lladdr 02:00:00:00:00:07 dev v0 nud permanent", ""},
	{"neigh add 10.0.0.6 lladdr 02:00:00:00:00:06 dev v0 nud noarp", "neighbor 10.0.0.6 lladdr 02:00:00:00:00:06 dev v0 nud noarp", ""},
	{"neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0 nud reachable", "", passes},
	{"neigh add proxy 10.0.0.9 dev v0", "neighbor proxy 10.0.0.9 dev v0", ""},
	{"neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev v0 router", "", "neighbor 2001:db8::7 lladdr 02:00:00:00:00:07 dev v0 nud permanent"},
	{"neigh add 10.0.0.10 dev v0 managed", "", "neighbor 10.0.0.10"},
	{"neigh add 10.0.0.11 lladdr 02:00:00:00:00:11 dev v0 extern_learn", "", "neighbor 10.0.0.11"},
}

// passes: it comes and goes by itself.
const passes = "-"

// emptyKernel is a namespace with passes in it but lo, in which IPv6 addresses can be used at once.
func emptyKernel(t *testing.T) (*kernel, witness) {
	k := &kernel{Net: testns.New(t), t: t}
	k.src = New(k.Namespace(), Options{})
	t.Cleanup(func() { k.src.Close() })
	k.sysctl("net/ipv6/conf/default/accept_dad", "0")
	return k, newWitness(t, k.Net)
}

// TestObserve: what people have configured is said, or said not to be sayable.
func TestObserve(t *testing.T) {
	k, w := emptyKernel(t)
	var commands []string
	said, unsaid := []string{"link lo up"}, []string(nil)
	for _, c := range configured {
		commands = append(commands, c.command)
		if c.said != "" {
			said = append(said, c.said)
		}
		if c.unsaid != "" && c.unsaid != passes {
			unsaid = append(unsaid, c.unsaid)
		}
	}
	w.batch(commands...)
	state, not, err := k.src.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := state.lines()
	slices.Sort(said)
	slices.Sort(got)
	if !slices.Equal(got, said) {
		t.Errorf("it says\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(said, "\n\t"))
	}
	slices.Sort(not)
	slices.Sort(unsaid)
	if !slices.EqualFunc(not, unsaid, strings.HasPrefix) {
		t.Errorf("it says not\n\t%s\nbut should not\n\t%s", strings.Join(not, "\n\t"), strings.Join(unsaid, "\n\t"))
	}
	if err := k.src.Validate(state); err != nil {
		t.Error(err)
	}
	state.Rules = nil // which ours would stand beside
	if plan, err := k.src.Plan(t.Context(), state, LastApplied{}); err != nil || len(plan) != 0 {
		t.Errorf("to do where it was observed: %v (%v)", plan, err)
	}
}

// lines are what a state says, as ip(8) takes it.
func (s *State) lines() (lines []string) {
	for _, l := range s.Links {
		l.Address = MAC{} // of the kernel's choice
		lines = append(lines, l.String())
	}
	for _, a := range s.Addresses {
		lines = append(lines, a.String())
	}
	for _, n := range s.Neighbors {
		lines = append(lines, n.String())
	}
	for _, o := range s.Nexthops {
		lines = append(lines, o.String())
	}
	for _, r := range s.Routes {
		lines = append(lines, r.String())
	}
	for _, r := range s.Rules {
		lines = append(lines, r.String())
	}
	return lines
}

// TestObserveReplayed: put into an empty namespace, what was observed gives the same dump, in the same order.
func TestObserveReplayed(t *testing.T) {
	k, w := emptyKernel(t)
	empty, v := emptyKernel(t)
	var commands []string
	for _, c := range configured {
		if c.unsaid == "" {
			commands = append(commands, c.command)
		}
	}
	w.batch(commands...)
	state, unsaid, err := k.src.Observe(t.Context())
	if err != nil || len(unsaid) > 0 {
		t.Fatal(err, unsaid)
	}
	data, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, state) {
		t.Fatalf("by JSON it became %+v (%v)\nof %s", back, err, data)
	}
	empty.converge(back)
	was, is := w.look(), v.look()
	if unown(was); !slices.Equal(was, unown(is)) {
		t.Errorf("not the same, or in another order:\n%v", differ(was, is))
	}
	again, unsaid, err := empty.src.Observe(t.Context())
	if err != nil || len(unsaid) > 0 || !reflect.DeepEqual(again, state) {
		t.Errorf("observed again: %v\nnot %v (%v %v)", again.lines(), state.lines(), unsaid, err)
	}
}

// unown takes away who made the objects.
func unown(things []thing) []thing {
	for i := range things {
		things[i].owner = ""
	}
	return things
}

// TestLinkAsConfigured: what an interface has taken from its ports, or from what it is made of, nobody asked
// for.
func TestLinkAsConfigured(t *testing.T) {
	mac, other := MAC{2, 0, 0, 0, 0, 1}, MAC{2, 0, 0, 0, 0, 2}
	from := &seenLink{Link: Link{MTU: 1400, Address: mac}}
	for _, c := range []struct {
		kind    LinkKind
		address MAC
		below   *seenLink
		ports   []*seenLink
		want    Link
	}{
		{KindBridge, mac, nil, []*seenLink{from}, Link{}},
		{KindBridge, other, nil, []*seenLink{from}, Link{Address: other}},
		{KindBridge, mac, nil, nil, Link{MTU: 1400, Address: mac}},
		{KindBond, mac, nil, []*seenLink{from}, Link{MTU: 1400}},
		{KindVRF, mac, nil, []*seenLink{from}, Link{MTU: 1400, Address: mac}},
		{KindVLAN, mac, from, nil, Link{}},
		{KindMACVLAN, other, from, nil, Link{Address: other}},
	} {
		l := seenLink{Link: Link{Kind: c.kind, MTU: 1400, Address: c.address, TxQueueLen: 1000, Admin: Down, Master: NoMaster}}
		c.want.Kind = c.kind
		if got := l.asConfigured(c.below, c.ports); got.String() != c.want.String() {
			t.Errorf("%s, %v: %v", c.kind, c.address, got)
		}
	}
}
