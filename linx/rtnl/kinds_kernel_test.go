package rtnl

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
)

// kindSteps are what the interface x is to be, one after the other, each by changing the one before in
// place.
var kindSteps = [][]Link{
	{
		{Kind: KindBridge},
		{Kind: KindBridge, Bridge: Bridge{STP: true, ForwardDelay: 401, HelloTime: 101, MaxAge: 601, AgeingTime: 1001, Priority: 5,
			GroupForwardMask: 8, NoMulticastSnooping: true, MulticastQuerier: true, MulticastQueryAddress: true,
			MulticastRouter: 2, IGMPVersion: 3, MLDVersion: 2, MulticastStats: true, NetfilterIPTables: true,
			NetfilterIP6Tables: true, NetfilterARPTables: true}},
		{Kind: KindBridge, Bridge: Bridge{ForwardDelay: -1, AgeingTime: -1, Priority: -1, MulticastRouter: -1}},
		{Kind: KindBridge},
	},
	{
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 42, Port: 4789, SourcePorts: Ports(1000, 2000), MaxAddresses: 9, Proxy: true, RSC: true,
			L2Miss: true, L3Miss: true, NoUDPChecksum: true, GBP: true}},
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 42, Port: 4789, SourcePorts: Ports(1000, 2000), MaxAddresses: 9, Proxy: true, RSC: true,
			L2Miss: true, L3Miss: true, NoUDPChecksum: true, GBP: true, Remote: ipa("239.1.1.1"), Local: ipa("10.0.0.1"),
			Device: "v0", TTL: 5, TOS: 0x10, DF: DFSet, Ageing: 7, NoLearning: true}},
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 42, Port: 4789, SourcePorts: Ports(1000, 2000), MaxAddresses: 9, Proxy: true, RSC: true,
			L2Miss: true, L3Miss: true, NoUDPChecksum: true, GBP: true, Remote: ipa("10.0.0.2"), Device: "v1", TOS: 1,
			DF: DFInherit, Ageing: 8}},
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 42, Port: 4789, SourcePorts: Ports(1000, 2000), MaxAddresses: 9, Proxy: true, RSC: true,
			L2Miss: true, L3Miss: true, NoUDPChecksum: true, GBP: true, Device: "v1"}},
	},
	{
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 43, Port: 4790, Remote: ipa("2001:db8::1"), Local: ipa("2001:db8::2"), FlowLabel: 0x12,
			ZeroUDP6Send: true, ZeroUDP6Receive: true}},
		{Kind: KindVXLAN, VXLAN: VXLAN{ID: 43, Port: 4790, Remote: ipa("2001:db8::3"), Local: ipa("2001:db8::4"), FlowLabel: 0x13,
			ZeroUDP6Send: true, ZeroUDP6Receive: true}},
	},
	{{Kind: KindVXLAN, VXLAN: VXLAN{Port: 4789, External: true, NoLearning: true}}},
	{
		{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0"}},
		{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: MACVLANPrivate, BroadcastQueue: 10}},
		{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: MACVLANBridge, BroadcastQueue: -1}},
		{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0"}},
	},
	{
		{Kind: KindMACVTap, MACVLAN: MACVLAN{Link: "v1", Mode: MACVLANPassthru}},
		{Kind: KindMACVTap, MACVLAN: MACVLAN{Link: "v1", Mode: MACVLANPassthru, NoPromiscuous: true}},
	},
	{{Kind: KindIFB}},
	{{Kind: KindDummy}},
	{{Kind: KindWireGuard}},
	{{Kind: KindVRF, VRF: VRF{Table: 300}}},
	{
		{Kind: KindVLAN, VLAN: VLAN{Link: "v0", ID: 5, Protocol: VLAN8021AD, GVRP: true}},
		{Kind: KindVLAN, VLAN: VLAN{Link: "v0", ID: 5, Protocol: VLAN8021AD, NoReorderHeader: true, MVRP: true, LooseBinding: true}},
		{Kind: KindVLAN, VLAN: VLAN{Link: "v0", ID: 5, Protocol: VLAN8021AD}},
	},
	{
		{Kind: KindIPVLAN, IPVLAN: IPVLAN{Link: "v0"}},
		{Kind: KindIPVLAN, IPVLAN: IPVLAN{Link: "v0", Mode: IPVLANL2, Isolation: IPVLANPrivate}},
		{Kind: KindIPVLAN, IPVLAN: IPVLAN{Link: "v0"}},
	},
	{
		{Kind: KindGeneve, Geneve: Geneve{ID: 42, Remote: ipa("10.0.0.2"), Port: 6082, UDPChecksum: true}},
		{Kind: KindGeneve, Geneve: Geneve{ID: 42, Remote: ipa("10.0.0.3"), Port: 6082, UDPChecksum: true, TTL: 4, TOS: 0x10, DF: DFInherit}},
		{Kind: KindGeneve, Geneve: Geneve{ID: 42, Remote: ipa("10.0.0.2"), Port: 6082, UDPChecksum: true}},
	},
	{
		{Kind: KindGRE, Tunnel: Tunnel{Remote: ipa("10.0.0.2")}},
		{Kind: KindGRE, Tunnel: Tunnel{Local: ipa("10.0.0.1"), Remote: ipa("10.0.0.3"), Device: "v0", TTL: 5, TOS: 0x10, Mark: 9, InKey: 7,
			OutKey: 8, OutChecksum: true}},
		{Kind: KindGRE, Tunnel: Tunnel{Remote: ipa("10.0.0.2")}},
	},
	{
		{Kind: KindIPIP, Tunnel: Tunnel{Remote: ipa("10.0.0.2")}},
		{Kind: KindIPIP, Tunnel: Tunnel{Local: ipa("10.0.0.1"), Remote: ipa("10.0.0.3"), TOS: 0x10, NoPMTUDiscovery: true}},
	},
	{
		{Kind: KindIP6Tunnel, Tunnel: Tunnel{Remote: ipa("2001:db8::2")}},
		{Kind: KindIP6Tunnel, Tunnel: Tunnel{Remote: ipa("2001:db8::2"), TTL: -1, TOS: 0x10, FlowLabel: 0x12, NoEncapLimit: true}},
		{Kind: KindIP6Tunnel, Tunnel: Tunnel{Remote: ipa("2001:db8::2")}},
	},
	{
		{Kind: KindBond, Bond: Bond{Mode: BondActiveBackup}},
		{Kind: KindBond, Bond: Bond{Mode: BondActiveBackup, MIIMonitor: 100, UpDelay: 200, DownDelay: 300, MinLinks: 2, NumGratuitousARP: -1,
			ResendIGMP: 3, PrimaryReselect: BondReselectBetter, HashPolicy: BondHashLayer34}},
		{Kind: KindBond, Bond: Bond{Mode: BondActiveBackup}},
	},
}

// TestKindsStuck: what the kernel cannot change in place is said, and nothing is done unless the interface
// may be made anew.
func TestKindsStuck(t *testing.T) {
	k := newKernel(t, Options{})
	for _, c := range []struct {
		from, to Link
		want     string
	}{
		{Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Device: "v0"}}, Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 6, Port: 4789}}, "id, dev, dstport"},
		{Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Remote: ipa("10.0.0.1")}},
			Link{Kind: KindVXLAN, VXLAN: VXLAN{ID: 5, Remote: ipa("2001:db8::1")}}, "remote"},
		{Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0"}},
			Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v1", Mode: MACVLANPassthru}}, "link, mode"},
		{Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: MACVLANPassthru, NoPromiscuous: true}},
			Link{Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: MACVLANPassthru}}, "flag"},
	} {
		c.from.Name, c.to.Name = "x", "x"
		k.converge(State{Links: []Link{c.from}})
		r := k.pass(State{Links: []Link{c.to}})
		if len(r.Applied) != 0 || len(r.Failed) != 1 || !strings.HasSuffix(r.Failed[0].Err.Error(), "Recreate: "+c.want) {
			t.Error(c.to, show(r))
		}
		c.to.Recreate = true
		k.converge(State{Links: []Link{c.to}})
		k.settled(State{Links: []Link{c.to}})
		k.converge(State{})
	}
}

// TestKindsOnTheKernel: what ip(8) shows of an interface of ours is what it shows of one that it has made of
// our words. Each next step is a change in place, after which there is nothing to do.
func TestKindsOnTheKernel(t *testing.T) {
	ours, theirs := newKernel(t, Options{}), newKernel(t, Options{})
	for _, steps := range kindSteps {
		t.Run(string(steps[0].Kind), func(t *testing.T) {
			ours, theirs := *ours, *theirs
			ours.t, theirs.t = t, t
			defer ours.converge(State{})
			var made int
			for i, l := range steps {
				l.Name = "x"
				state := State{Links: []Link{l}}
				if i == 0 {
					if r := ours.pass(state); len(r.Failed) == 1 && errors.Is(r.Failed[0].Err, unix.EOPNOTSUPP) {
						t.Skip("this kernel has no ", l.Kind, "; its messages are in TestKindGolden")
					}
					made = ours.link("x").Attrs().Index
				}
				ours.converge(state)
				ours.settled(state)
				if index := ours.link("x").Attrs().Index; index != made {
					t.Errorf("%v is made anew, as %d", l, index)
				}
				if !testns.HasIP() {
					continue
				}
				theirs.run("link add name x" + l.settings())
				if got, want := ours.ipSettings("x"), theirs.ipSettings("x"); !reflect.DeepEqual(got, want) {
					t.Errorf("%v is\n\t%v\nnot\n\t%v", l, got, want)
				}
				theirs.run("link del x")
			}
		})
	}
}

// ipSettings gives what ip(8) shows of an interface's kind, but for what changes by itself.
func (k *kernel) ipSettings(name string) map[string]any {
	k.t.Helper()
	var links []struct {
		Link string `json:"link"`
		Info struct {
			Kind string         `json:"info_kind"`
			Data map[string]any `json:"info_data"`
			Port map[string]any `json:"info_slave_data"`
		} `json:"linkinfo"`
	}
	if err := json.Unmarshal([]byte(k.IP("-details", "-json", "link", "show", "dev", name)), &links); err != nil {
		k.t.Fatal(err)
	}
	all := map[string]any{"link": links[0].Link, "kind": links[0].Info.Kind}
	maps.Copy(all, links[0].Info.Data)
	maps.Copy(all, links[0].Info.Port)
	maps.DeleteFunc(all, func(key string, _ any) bool {
		return strings.HasSuffix(key, "_timer") || strings.HasSuffix(key, "_id") || strings.HasPrefix(key, "root") ||
			strings.HasPrefix(key, "topology") || key == "id" || key == "no" || strings.HasPrefix(key, "designated")
	})
	return all
}

// TestPortsOnTheKernel: what ip(8) shows of a port of ours is what it shows of another that was told our
// words.
func TestPortsOnTheKernel(t *testing.T) {
	k := newKernel(t, Options{})
	bridge := Link{Name: "br0", Kind: KindBridge}
	for _, port := range []BridgePort{
		{},
		{Cost: 7, Priority: 5, Hairpin: true, Guard: true, RootBlock: true, FastLeave: true, NoLearning: true, NoFlood: true,
			NoMulticastFlood: true, NoBroadcastFlood: true, MulticastToUnicast: true, MulticastRouter: 2, GroupForwardMask: 8,
			ProxyARP: true, NeighborSuppression: true, Isolated: true},
		{Cost: 7, Priority: -1, MulticastRouter: -1, Locked: true, NoLearning: true},
		{Cost: 2}, // what a veth has
	} {
		state := State{Links: []Link{{Name: "p0", Kind: KindVeth, Veth: Veth{Peer: "p1"}, Master: "br0", Port: port}, bridge}}
		k.converge(state)
		k.settled(state)
		if !testns.HasIP() {
			continue
		}
		k.run("link set p1 nomaster") // and by the defaults again
		k.run("link set p1 master br0")
		if port != (BridgePort{}) {
			k.run("link set dev p1" + port.words())
		}
		got, want := k.ipSettings("p0"), k.ipSettings("p1")
		want["link"] = "p1"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v is\n\t%v\nnot\n\t%v", port, got, want)
		}
	}
}

// TestTunsOnTheKernel: what ip(8) shows of a tun of ours is what it shows of one that it has made of our
// words.
func TestTunsOnTheKernel(t *testing.T) {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no tun here: ", err)
	}
	f.Close()
	k := newKernel(t, Options{})
	for _, tun := range []Tun{
		{Mode: TunIP},
		{Mode: TunEthernet, User: -1, Group: 5, PacketInfo: true, VNetHeader: true, MultiQueue: true},
	} {
		l := Link{Name: "x", Kind: KindTun, Tun: tun, Recreate: true}
		k.converge(State{Links: []Link{l}})
		k.settled(State{Links: []Link{l}})
		if testns.HasIP() {
			k.run("tuntap add dev y" + strings.TrimPrefix(l.settings(), " type tun"))
			if got, want := k.ipSettings("x"), k.ipSettings("y"); !reflect.DeepEqual(got, want) {
				t.Errorf("%v is\n\t%v\nnot\n\t%v", l, got, want)
			}
			k.run("link del y")
		}
	}
}
