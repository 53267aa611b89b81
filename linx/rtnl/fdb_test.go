package rtnl

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
)

// TestFDBPrint: entries of forwarding databases read like bridge(8).
func TestFDBPrint(t *testing.T) {
	for want, n := range map[string]Neighbor{
		"fdb 02:00:00:00:00:01 dev vx0 dst 10.0.0.7 port 8472 vni 5 src_vni 7 via v0 self permanent": self(
			Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{Port: 8472, VNI: 5, SrcVNI: 7, Via: "v0"}),
		"fdb 02:00:00:00:00:01 dev v0 vlan 10 master static sticky": {
			Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master, Vlan: 10, Sticky: true}},
	} {
		if n.String() != want {
			t.Errorf("%s, not %s", n, want)
		}
	}
}

func TestFDBJSON(t *testing.T) {
	text := `{"neighbors":[{"interface":"vx0","destination":"10.0.0.7","lladdr":"02:00:00:00:00:01",` +
		`"fdb":{"of":"self","port":8472,"vni":5,"srcVNI":7,"via":"v0"}},` +
		`{"interface":"v0","lladdr":"02:00:00:00:00:01","state":"static","fdb":{"of":"master","vlan":10,"sticky":true}}]}`
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("%s, not %s (%v)", back, text, err)
	}
	for in, want := range map[string]string{
		`{"neighbors": [{"fdb": {"of": "bridge"}}]}`:             "self and master",
		`{"neighbors": [{"fdb": {"of": "self", "vid": 1}}]}`:     "vid",
		`{"neighbors": [{"state": "dynamic", "fdb": {}}]}`:       "static",
		`{"neighbors": [{"fdb": {"of": "self", "vlan": 70000}}]`: "",
	} {
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	l := LastApplied{namespace: "boot/1", neighbors: []ownedNeighbor{{Neighbor: s.Neighbors[0], Index: 2, Via: 3}}}
	data, err := json.Marshal(l)
	var back LastApplied
	if err != nil || json.Unmarshal(data, &back) != nil || !slices.Equal(back.neighbors, l.neighbors) {
		t.Errorf("%s: %v", data, err)
	}
}

// TestBadFDB: each is refused by Validate with an error that names the entry and says what would be right.
func TestBadFDB(t *testing.T) {
	vtep := self(Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{})
	port := Neighbor{Interface: "v0", LinkAddr: mac(2), State: Static, FDB: FDB{Of: Master, Vlan: 10}}
	flood := self(Neighbor{Interface: "vx0", Destination: ipa("10.0.0.7")}, FDB{})
	good := State{Neighbors: []Neighbor{vtep, port, flood}}
	for name, c := range map[string]struct {
		bad  Neighbor
		with func(*Neighbor)
		want string
	}{
		"no interface":         {vtep, func(n *Neighbor) { n.Interface = "" }, "eth0"},
		"no table":             {vtep, func(n *Neighbor) { n.FDB = FDB{VNI: 5} }, "Self and Master"},
		"no such table":        {vtep, func(n *Neighbor) { n.FDB.Of = 3 }, "Self and Master"},
		"proxy":                {vtep, func(n *Neighbor) { n.Proxy = true }, "Proxy"},
		"noarp":                {vtep, func(n *Neighbor) { n.State = NoARP }, "Permanent and Static"},
		"no address":           {port, func(n *Neighbor) { n.LinkAddr = MAC{} }, "LinkAddr"},
		"tunnel of a bridge":   {port, func(n *Neighbor) { n.Destination = ipa("10.0.0.7") }, "leads to a port"},
		"port of a bridge":     {port, func(n *Neighbor) { n.FDB.Port = 1 }, "leads to a port"},
		"sticky vxlan":         {vtep, func(n *Neighbor) { n.State, n.FDB.Sticky = Static, true }, "Sticky"},
		"sticky and permanent": {port, func(n *Neighbor) { n.State, n.FDB.Sticky = Permanent, true }, "Sticky"},
		"vlan":                 {port, func(n *Neighbor) { n.FDB.Vlan = 4095 }, "4094"},
		"vlan of a vxlan":      {vtep, func(n *Neighbor) { n.FDB.Vlan = 10 }, "no VLANs"},
		"vni":                  {vtep, func(n *Neighbor) { n.FDB.VNI = 1 << 24 }, "16777215"},
		"source vni":           {vtep, func(n *Neighbor) { n.FDB.SrcVNI = 1 << 24 }, "16777215"},
		"vni to nowhere":       {vtep, func(n *Neighbor) { n.Destination, n.FDB.VNI = netip.Addr{}, 5 }, "Destination"},
		"mapped":               {vtep, func(n *Neighbor) { n.Destination = ipa("::ffff:10.0.0.1") }, "write 10.0.0.1"},
		"zone":                 {vtep, func(n *Neighbor) { n.Destination = ipa("fe80::1%v0") }, `Via "v0"`},
		"unspecified":          {vtep, func(n *Neighbor) { n.Destination = ipa("0.0.0.0") }, "leave it out"},
		"via":                  {vtep, func(n *Neighbor) { n.FDB.Via = "a/b" }, "no slash"},
		"the same":             {vtep, func(n *Neighbor) {}, "neighbors[0]"},
		"elsewhere":            {vtep, func(n *Neighbor) { n.Destination, n.FDB.VNI = ipa("10.0.0.8"), 5 }, "neighbors[0]"},
		"with and without":     {port, func(n *Neighbor) { n.FDB.Vlan = 0 }, "in each VLAN"},
		"two states":           {flood, func(n *Neighbor) { n.Destination, n.State = ipa("10.0.0.8"), Static }, "one state"},
	} {
		c.with(&c.bad)
		err := New(linx.Self(), Options{}).Validate(State{Neighbors: append(slices.Clone(good.Neighbors), c.bad)})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "neighbors[3]") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
	other, source, vlan := flood, vtep, port
	other.Destination, source.FDB.SrcVNI, vlan.FDB.Vlan = ipa("10.0.0.8"), 7, 11
	good.Neighbors = append(good.Neighbors, other, source, vlan, Neighbor{Interface: "vx0", Destination: ipa("10.0.0.7"), LinkAddr: mac(1)})
	if err := New(linx.Self(), Options{}).Validate(good); err != nil {
		t.Error(err)
	}
}

// TestFDBBytes: requests are what bridge(8) of iproute2 6.1 sends, from the flags on and but for the sequence
// number, with v0 of index 4 and vx0 of 5; and they come back from the decoder.
func TestFDBBytes(t *testing.T) {
	flood := self(Neighbor{Interface: "vx0", Destination: ipa("2001:db8::7")}, FDB{})
	for want, n := range map[string]Neighbor{
		"07000000 04000000 42004400 0a000200 02000000 00010000 06000500 0a000000": { // add .. dev v0 vlan 10 master static sticky
			Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master, Vlan: 10, Sticky: true}},
		"07000000 05000000 c0000200 0a000200 02000000 00010000 0800010" + // add .. dst 10.0.0.7 port 8472 vni 5 src_vni 7 via v0
			"0 0a000007 06000600 21180000 08000700 05000000 08000b00 07000000 08000800 04000000": self(
			Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{Port: 8472, VNI: 5, SrcVNI: 7, Via: "v0"}),
		"07000000 05000000 c0000200 0a000200 00000000 00000000 14000100 20010db8 00000000 00000000 00000007": flood, // append
	} {
		index := map[string]int32{"": 0, "v0": 4, "vx0": 5}
		p := packNeighbor(&n, index[n.Interface], index[n.FDB.Via])
		for _, typ := range []uint16{unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH} {
			var b rtnetlink.Batch
			if typ == unix.RTM_NEWNEIGH {
				putNeighbor(&b, 0, &p, us)
			} else {
				dropNeighbor(&b, &p)
			}
			request := b.Request(0)
			if got := hex.EncodeToString(request[16:]); got != strings.ReplaceAll(want, " ", "") || native.Uint16(request[4:]) != typ {
				t.Errorf("%v: %d %s, not %s", n, native.Uint16(request[4:]), got, want)
			}
			var seen seenNeighbor
			if n.FDB.Of == Master { // the kernel shows whose it is
				b.Uint32(unix.NDA_MASTER, 9)
			}
			if !decodeNeighbor(b.Request(0)[16:], &seen) || seen.neighbor != p || seen.strange {
				t.Errorf("%v came back as %+v, not %+v", n, seen, p)
			}
		}
	}
	p := &pass{source: &Source{}}
	n := packNeighbor(&flood, 5, 0)
	if flags := p.fdbFlags(Create, &n); flags != unix.NLM_F_CREATE|unix.NLM_F_APPEND {
		t.Errorf("appended with %#x", flags)
	}
}

// TestStrangeStation: what this package cannot say is not taken for what it can.
func TestStrangeStation(t *testing.T) {
	p := packNeighbor(&Neighbor{LinkAddr: mac(1), Destination: ipa("10.0.0.7"), FDB: FDB{Of: Self}}, 5, 0)
	for name, add := range map[string]func(*rtnetlink.Batch){
		"nexthop object": func(b *rtnetlink.Batch) { b.Uint32(ndaNexthopID, 7) },
		"namespace":      func(b *rtnetlink.Batch) { b.Uint32(unix.NDA_LINK_NETNSID, 7) },
		"no Ethernet":    func(b *rtnetlink.Batch) { b.Bytes(unix.NDA_LLADDR, make([]byte, 20)) },
	} {
		var b rtnetlink.Batch
		putNeighbor(&b, 0, &p, us)
		add(&b)
		var seen seenNeighbor
		if !decodeNeighbor(b.Request(0)[16:], &seen) || !seen.strange {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

// TestStationMoves: an entry that is to move to another port is ours where it is, for as long as it has not.
func TestStationMoves(t *testing.T) {
	old := Neighbor{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}}
	moved := old
	moved.Interface = "v1"
	x, err := newIndex(State{Neighbors: []Neighbor{moved}})
	if err != nil {
		t.Fatal(err)
	}
	v0, v1 := fdbModelLinks["v0"].index, fdbModelLinks["v1"].index
	rec := ownedNeighbor{Neighbor: old, Index: v0}
	s := &survey{want: x, last: &LastApplied{neighbors: []ownedNeighbor{rec}}, madeNeighbors: make(map[neighborKey]neighbor)}
	s.reset()
	for name, l := range fdbModelLinks {
		s.seeLink([]byte(name), l)
	}
	there := seenNeighbor{neighbor: packNeighbor(&old, v0, 0), there: true, bridge: 9}
	s.exact = map[neighbor]struct{}{there.neighbor: {}}
	s.placeStations()
	s.seeNeighbor(&there)
	p := &pass{want: x, survey: s, last: *s.last, fresh: true}
	if d := s.diff(Refuse, isTagged, modelName); len(d.neighborUpdates) != 1 || d.size() != 1 {
		t.Errorf("%+v", d)
	}
	if owned := p.ownedNeighbors(); !slices.Equal(owned, []ownedNeighbor{rec}) {
		t.Errorf("before: %+v", owned)
	}
	made := s.wantedNeighbor(0)
	s.madeNeighbors[made.neighborKey], p.fresh = made, false
	if owned := p.ownedNeighbors(); !slices.Contains(owned, ownedNeighbor{Neighbor: moved, Index: v1}) {
		t.Errorf("after, and not seen since: %+v", owned)
	}
}
