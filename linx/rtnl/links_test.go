package rtnl

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/linx"
)

func macvlan(name, over string) Link {
	return Link{Name: name, Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: over}}
}

func veth(name, peer string) Link { return Link{Name: name, Kind: KindVeth, Veth: Veth{Peer: peer}} }

func TestBadLinks(t *testing.T) {
	for name, c := range map[string]struct {
		links []Link
		want  string
	}{
		"no name":              {[]Link{{}}, "links[0]: no Name"},
		"name too long":        {[]Link{{Name: "a234567890123456"}}, "at most 15"},
		"format of a peer":     {[]Link{veth("p0", "p%d")}, "a number in place of the %"},
		"bytes":                {[]Link{{Name: "br\xff"}}, "no UTF-8"},
		"a space of a byte":    {[]Link{{Name: "\u00e0"}}, "takes the byte a0"},
		"alias of bytes":       {[]Link{{Name: "eth0", Alias: "\xff"}}, "no UTF-8"},
		"altname of bytes":     {[]Link{{Name: "eth0", AltNames: []string{"\xff"}}}, "no UTF-8"},
		"format":               {[]Link{{Name: "br%d", Kind: KindBridge}}, "a number in place of the %"},
		"recreated eth0":       {[]Link{{Name: "eth0", Recreate: true}}, "it has Recreate, but no Kind"},
		"MTU":                  {[]Link{{Name: "eth0", MTU: 1 << 31}}, "at most 2147483647"},
		"group address":        {[]Link{{Name: "eth0", Address: MAC{1}}}, "a group's"},
		"state":                {[]Link{{Name: "eth0", Admin: 3}}, "Up and Down are"},
		"alias":                {[]Link{{Name: "eth0", Alias: strings.Repeat("x", 256)}}, "at most 255"},
		"alias with NUL":       {[]Link{{Name: "eth0", Alias: "a\x00b"}}, "NUL"},
		"queue":                {[]Link{{Name: "eth0", TxQueueLen: 1 << 31}}, "at most 2147483647"},
		"group":                {[]Link{{Name: "eth0", Group: 1 << 31}}, "at most 2147483647"},
		"empty altname":        {[]Link{{Name: "eth0", AltNames: []string{""}}}, "1 to 127"},
		"long altname":         {[]Link{{Name: "eth0", AltNames: []string{strings.Repeat("x", 128)}}}, "1 to 127"},
		"altname is name":      {[]Link{{Name: "eth0", AltNames: []string{"eth0"}}}, "is its name"},
		"altname twice":        {[]Link{{Name: "eth0", AltNames: []string{"a", "a"}}}, "there twice"},
		"altname is another's": {[]Link{{Name: "eth0"}, {Name: "eth1", AltNames: []string{"eth0"}}}, "links[1]: link eth1: its alternative name eth0 is the name of links[0]"},
		"altname of two":       {[]Link{{Name: "eth0", AltNames: []string{"a"}}, {Name: "eth1", AltNames: []string{"a"}}}, "links[1]: link eth1: links[0] has the alternative name a too"},
		"same name":            {[]Link{{Name: "eth0"}, {Name: "eth0", MTU: 1400}}, "links[1]: link eth0 mtu 1400: links[0] has the same name"},
		"own master":           {[]Link{{Name: "eth0", Master: "eth0"}}, "its own Master"},
		"bad master":           {[]Link{{Name: "eth0", Master: "a/b"}}, "slash"},
		"unknown kind":         {[]Link{{Name: "x", Kind: "nonesuch"}}, "no kind of interface"},
		"veth without peer":    {[]Link{{Name: "p0", Kind: KindVeth}}, "no Veth.Peer"},
		"veth to itself":       {[]Link{veth("p0", "p0")}, "its own Veth.Peer"},
		"bad peer":             {[]Link{veth("p0", "p 1")}, "space"},
		"peer's namespace":     {[]Link{{Name: "p0", Kind: KindVeth, Veth: Veth{Peer: "p1", PeerNamespace: linx.PID(-1)}}}, "a pid is between"},
		"stray veth":           {[]Link{{Name: "p0", Kind: KindBridge, Veth: Veth{Peer: "p1"}}}, "Veth is set"},
		"made twice":           {[]Link{veth("p0", "p1"), veth("p1", "p0")}, "leave out the Kind there"},
		"peer twice":           {[]Link{veth("p0", "p2"), veth("p1", "p2")}, "links[1]: link p1 type veth peer name p2: links[0] makes p2 too"},
		"cycle":                {[]Link{{Name: "a", Master: "b"}, {Name: "b", Master: "c"}, {Name: "c", Master: "a"}}, "it needs itself: a needs b needs c needs a"},
		"cycle by peer":        {[]Link{{Name: "p0", Kind: KindVeth, Master: "m", Veth: Veth{Peer: "p1"}}, macvlan("m", "p1")}, "it needs itself"},
		"port":                 {[]Link{{Name: "eth0", Port: BridgePort{Cost: 70000}}}, "cost"},
	} {
		err := New(linx.Self(), Options{}).Validate(State{Links: c.links})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rtnl: links[") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
	if err := New(linx.Self(), Options{}).Validate(State{Links: []Link{
		{Name: "a%d", MTU: 1}, {Name: "b", Master: NoMaster}, {Name: "p1", Master: "br0"}, veth("p0", "p1"), {Name: "br0", Kind: KindBridge},
		{Name: "p2", Kind: KindVeth, Veth: Veth{Peer: "p2", PeerNamespace: linx.Path("/x")}},
	}}); err != nil {
		t.Error(err)
	}
}

// TestLinkOrder: whatever order they are written in, each link comes behind its master, what it is made of,
// and the pair that it is an end of.
func TestLinkOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Each needs only those in front of it.
		list := []Link{{Name: "n0", Kind: KindBridge}}
		needs := map[string]string{}
		for i := range rapid.IntRange(1, 12).Draw(t, "links") {
			name, before := fmt.Sprintf("m%d", i), list[rapid.IntRange(0, len(list)-1).Draw(t, "needs")].Name
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				list = append(list, Link{Name: name, Kind: KindBridge, Master: before})
			case 1:
				list = append(list, macvlan(name, before))
			case 2:
				list = append(list, Link{Name: name, Master: before})
			case 3:
				peer := "x" + name
				list = append(list, Link{Name: name, Kind: KindVeth, Master: before, Veth: Veth{Peer: peer}}, Link{Name: peer})
				needs[peer] = name
			}
			needs[name] = before
		}
		seed := rapid.Uint64().Draw(t, "order")
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		x, err := newIndex(State{Links: list})
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for n, i := range x.linkOrder {
			at[list[i].Name] = n
		}
		if len(at) != len(list) {
			t.Fatalf("%v", x.linkOrder)
		}
		for name, before := range needs {
			if at[name] < at[before] {
				t.Fatalf("%s comes before %s", name, before)
			}
		}
	})
}

// TestLinkJSON: states and records, there and back.
func TestLinkJSON(t *testing.T) {
	state := State{Links: []Link{
		{Name: "p0", Kind: KindVeth, Recreate: true, MTU: 1400, Address: mac(1), Admin: Up, Master: NoMaster, Alias: "x", TxQueueLen: 5, Group: 6,
			AltNames: []string{"lan"}, Veth: Veth{Peer: "p1", PeerNamespace: linx.PID(7)}, Port: BridgePort{Cost: 9}},
		{Name: "eth0", Admin: Down},
	}}
	data, err := json.Marshal(state)
	want := `{"links":[{"name":"p0","kind":"veth","recreate":true,"mtu":1400,"address":"02:00:00:00:00:01","admin":"up","master":"no master",` +
		`"alias":"x","txqueuelen":5,"group":6,"altnames":["lan"],"veth":{"peer":"p1","peerNamespace":"pid 7"},"port":{"cost":9}},` +
		`{"name":"eth0","admin":"down"}]}`
	if err != nil || string(data) != want {
		t.Errorf("%s\nnot\n%s (%v)", data, want, err)
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, state) {
		t.Errorf("%+v (%v)", back, err)
	}
	l := LastApplied{
		namespace: "boot/1",
		links:     []ownedLink{{Link: state.Links[0], Index: 40000, Claimed: true}},
		adjusted:  []adjustment{{Name: "eth0", Index: 2, Attribute: "state", Applied: "down", Original: "up"}},
	}
	data, err = json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var last LastApplied
	if err := json.Unmarshal(data, &last); err != nil || !reflect.DeepEqual(last, l) {
		t.Errorf("%+v (%v)", last, err)
	}
	for _, bad := range []string{
		`{"links":[{"name":"eth0","index":2}]}`, `{"links":[{"name":"br0","kind":"bridge"}]}`, `{"links":[{"name":"","kind":"bridge","index":2}]}`,
		`{"adjusted":[{"name":"eth0","index":2,"attribute":"colour"}]}`, `{"adjusted":[{"name":"eth0","attribute":"mtu"}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), &last); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
	if err := json.Unmarshal([]byte(`{"links":[{"name":"eth0","admin":"sideways"}]}`), &back); err == nil || !strings.Contains(err.Error(), "up and down are") {
		t.Error(err)
	}
	if err := json.Unmarshal([]byte(`{"links":[{"name":"eth0","mtuu":1}]}`), &back); err == nil {
		t.Error("an unknown field is accepted")
	}
}

// TestBondPort: a bond takes only ports that are down. (This kernel has no bonds to try it on.)
func TestBondPort(t *testing.T) {
	x, err := newIndex(State{Links: []Link{{Name: "v0", Master: "bond0", Admin: Up}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &survey{want: x, last: new(LastApplied)}
	s.reset()
	s.linkIndex, s.linkNames = map[string]int32{"v0": 2, "bond0": 3}, map[int32]string{2: "v0", 3: "bond0"}
	s.seenLinks = map[int32]*seenLink{
		2: {index: 2, Link: Link{Name: "v0", Admin: Up, Master: NoMaster}}, 3: {index: 3, Link: Link{Name: "bond0", Kind: KindBond}},
	}
	want := []linkChange{{0, 2, "v0", "state", "up", "down"}, {0, 2, "v0", "master", NoMaster, "bond0"}}
	if d := s.diff(Refuse, isTagged, modelName); !slices.Equal(d.linkChanges, want) {
		t.Errorf("%+v", d.linkChanges)
	}
}

// TestLinkStillToUndo: what was asked for of a kind is recorded until it has gone back to the default, also if
// that is not asked for any more and the kernel has refused to undo it.
func TestLinkStillToUndo(t *testing.T) {
	x, err := newIndex(bridge(Link{}))
	if err != nil {
		t.Fatal(err)
	}
	before := Link{Name: "br0", Kind: KindBridge, Bridge: Bridge{STP: true}}
	for _, still := range []bool{true, false} {
		p := &pass{want: x, fresh: true, last: LastApplied{links: []ownedLink{{Link: before, Index: 2}}}}
		p.survey = &survey{want: x, last: &p.last}
		p.survey.begin(&p.last)
		p.survey.linkIndex = map[string]int32{"br0": 2}
		p.survey.seenLinks = map[int32]*seenLink{2: {index: 2, Link: Link{Name: "br0", Kind: KindBridge, Bridge: Bridge{STP: still}}}}
		if got := p.ownedLinks(); len(got) != 1 || got[0].Bridge.STP != still {
			t.Errorf("%+v", got)
		}
	}
}

// TestLinkRecords: an interface is ours by index and kind together; one that was only adjusted is looked at.
func TestLinkRecords(t *testing.T) {
	last := LastApplied{
		links:    []ownedLink{{Link: Link{Name: "br0", Kind: KindBridge}, Index: 2}, {Link: Link{Name: "i0", Kind: KindIFB}, Index: 3}},
		adjusted: []adjustment{{Name: "eth0", Index: 4, Attribute: "mtu", Applied: "1400", Original: "1500"}},
	}
	s := &survey{last: &last}
	s.begin(&last)
	for index, want := range []bool{2: true, 3: true, 4: true, 5: false} {
		if got := s.concerns(int32(index)); got != want {
			t.Errorf("%d: %v", index, got)
		}
		l := &seenLink{index: int32(index), Link: Link{Kind: KindIFB}}
		if r := s.lastOf(l); s.ownsLink(l) != (index == 3) || (r != nil) != (index == 3) {
			t.Errorf("%d: %+v", index, r)
		}
	}
}
