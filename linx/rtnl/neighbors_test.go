package rtnl

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/linx"
)

func mac(last byte) MAC { return MAC{2, 0, 0, 0, 0, last} }

// TestNeighborPrint: neighbours read like ip(8).
func TestNeighborPrint(t *testing.T) {
	for want, n := range map[string]Neighbor{
		"neighbor 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0 nud permanent": {Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)},
		"neighbor fe80::1 dev tun0 nud noarp":                             {Interface: "tun0", Destination: ipa("fe80::1"), State: NoARP},
		"neighbor proxy 10.0.0.5 dev v0":                                  {Interface: "v0", Destination: ipa("10.0.0.5"), Proxy: true},
	} {
		if n.String() != want {
			t.Errorf("%s, not %s", n, want)
		}
	}
}

func TestNeighborJSON(t *testing.T) {
	text := `{"neighbors":[{"interface":"v0","destination":"10.0.0.5","lladdr":"02:00:00:00:00:01","state":"noarp"},` +
		`{"interface":"v0","destination":"10.0.0.5","proxy":true}]}`
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("%s, not %s (%v)", back, text, err)
	}
	for in, want := range map[string]string{
		`{"neighbors": [{"state": "reachable"}]}`:        "permanent, noarp and static",
		`{"neighbors": [{"lladdr": "02:00"}]}`:           "six bytes",
		`{"neighbors": [{"lladdr": "1.2.3.4.5.6.7.8"}]}`: "six bytes",
		`{"neighbors": [{"mac": "02:00"}]}`:              "mac",
	} {
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	l := LastApplied{namespace: "boot/1", neighbors: []ownedNeighbor{{Neighbor: s.Neighbors[0], Index: 2, Claimed: true}}}
	data, err := json.Marshal(l)
	var back LastApplied
	if err != nil || json.Unmarshal(data, &back) != nil || !slices.Equal(back.neighbors, l.neighbors) {
		t.Errorf("%s: %v", data, err)
	}
	if err := json.Unmarshal([]byte(`{"neighbors":[{"interface":"v0","index":2}]}`), &back); err == nil {
		t.Error("a neighbour without destination is accepted")
	}
}

// TestBadNeighbors: each is refused by Validate with an error that names the entry and says what would be
// right.
func TestBadNeighbors(t *testing.T) {
	good := Neighbor{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)}
	for name, c := range map[string]struct {
		change func(*Neighbor)
		want   string
	}{
		"no interface":      {func(n *Neighbor) { n.Interface = "" }, "eth0"},
		"no destination":    {func(n *Neighbor) { n.Destination = netip.Addr{} }, "IP address"},
		"mapped":            {func(n *Neighbor) { n.Destination = ipa("::ffff:10.0.0.1") }, "write 10.0.0.1"},
		"zone":              {func(n *Neighbor) { n.Destination = ipa("fe80::1%v0") }, "write fe80::1"},
		"unspecified":       {func(n *Neighbor) { n.Destination = ipa("::") }, "no address of a host"},
		"multicast":         {func(n *Neighbor) { n.Destination = ipa("224.0.0.1") }, "no address of a host"},
		"no such state":     {func(n *Neighbor) { n.State = 9 }, "NoARP"},
		"proxy with lladdr": {func(n *Neighbor) { n.Proxy = true }, "leave out LinkAddr"},
		"proxy with state":  {func(n *Neighbor) { n.Proxy, n.LinkAddr, n.State = true, MAC{}, NoARP }, "State"},
		"the same":          {func(*Neighbor) {}, "neighbors[0]"},
		"the same, other":   {func(n *Neighbor) { n.LinkAddr, n.State = mac(2), NoARP }, "neighbors[0]"},
	} {
		bad := good
		c.change(&bad)
		err := New(linx.Self(), Options{}).Validate(State{Neighbors: []Neighbor{good, bad}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "neighbors[1]") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
	other, proxy := good, good
	other.Interface = "v1"
	proxy.Proxy, proxy.LinkAddr = true, MAC{}
	if err := New(linx.Self(), Options{}).Validate(State{Neighbors: []Neighbor{good, other, proxy}}); err != nil {
		t.Error(err)
	}
}

// drawNeighbors gives a valid list.
func drawNeighbors(t *rapid.T, label string) *index {
	draw := func(t *rapid.T) Neighbor {
		n := Neighbor{
			Interface:   rapid.SampledFrom([]string{"v0", "v1"}).Draw(t, "interface"),
			Destination: ipa(rapid.SampledFrom([]string{"10.0.0.5", "10.0.0.6", "2001:db8::5"}).Draw(t, "destination")),
			Proxy:       rapid.IntRange(0, 3).Draw(t, "proxy") == 0,
		}
		if !n.Proxy {
			n.LinkAddr = mac(rapid.ByteRange(1, 2).Draw(t, "mac"))
			n.State = NeighborState(rapid.IntRange(0, 1).Draw(t, "state"))
		}
		return n
	}
	var state State
	for _, n := range rapid.SliceOfN(rapid.Custom(draw), 0, 8).Draw(t, label) {
		if with := append(slices.Clone(state.Neighbors), n); valid(State{Neighbors: with}) {
			state.Neighbors = with
		}
	}
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// neighborModel is a kernel's neighbour tables.
type neighborModel map[neighborKey]seenNeighbor

func (m neighborModel) put(n neighbor, protocol uint8) {
	if was, ok := m[n.neighborKey]; ok && protocol == 0 {
		protocol = was.protocol // as the kernel keeps it
	}
	m[n.neighborKey] = seenNeighbor{neighbor: n, there: true, protocol: protocol}
}

// survey shows it to one who has records of what was made.
func (m neighborModel) survey(x *index, records ...neighbor) *survey {
	s := &survey{want: x, last: new(LastApplied), protocol: us}
	s.reset()
	for name, i := range modelLinks {
		s.seeLink([]byte(name), link{index: i, up: true})
	}
	s.confirmed, s.exact = make(map[neighborKey]struct{}), make(map[neighbor]struct{})
	for _, n := range records {
		s.confirmed[n.neighborKey], s.exact[n] = struct{}{}, struct{}{}
	}
	for _, n := range m {
		s.seeNeighbor(&n)
	}
	return s
}

// TestNeighborsConverge: from whatever mix of ours, others' and learned, one application gives what is
// desired, but for conflicts, deletes of ours just what is not desired, and leaves others' as they are.
func TestNeighborsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, old, foreign := drawNeighbors(t, "want"), drawNeighbors(t, "old"), drawNeighbors(t, "foreign")
		m := make(neighborModel)
		var records []neighbor
		placed := (&neighborModel{}).survey(old)
		for i := range old.neighbors {
			n := placed.wantedNeighbor(int32(i))
			m.put(n, us)
			records = append(records, n)
		}
		others := make(neighborModel)
		placed = (&neighborModel{}).survey(foreign)
		for i := range foreign.neighbors {
			n := placed.wantedNeighbor(int32(i))
			if _, taken := m[n.neighborKey]; taken {
				continue
			}
			learned := !n.proxy && rapid.Bool().Draw(t, "learned")
			if learned {
				n.state = unix.NUD_STALE
			}
			m.put(n, rapid.SampledFrom([]uint8{0, unix.RTPROT_STATIC, us}).Draw(t, "protocol")) // the tag alone proves nothing
			others[n.neighborKey] = m[n.neighborKey]
		}

		s := m.survey(want, records...)
		d := s.diff(Refuse, isTagged, modelName)
		conflicts := len(d.failed)
		for _, i := range append(d.newNeighbors, d.neighborUpdates...) {
			n := s.wantedNeighbor(i)
			if was, ok := others[n.neighborKey]; ok && !(was.learned() && want.state.Neighbors[i].State == Permanent) {
				t.Fatalf("replaces another's %+v", was)
			}
			delete(others, n.neighborKey)
			m.put(n, us)
			records = append(records, n)
		}
		for _, n := range d.oldNeighbors {
			if _, ok := others[n.neighborKey]; ok {
				t.Fatalf("deletes another's %+v", n)
			}
			delete(m, n.neighborKey)
		}
		for key, n := range others {
			if m[key] != n {
				t.Fatalf("another's %+v became %+v", n, m[key])
			}
		}
		again := m.survey(want, records...).diff(Refuse, isTagged, modelName)
		if again.changes() || len(again.failed) != conflicts {
			t.Fatalf("still wants %+v after %+v", again, d)
		}
		if len(m) > len(others)+len(want.neighbors) {
			t.Fatalf("left behind: %+v", m)
		}
	})
}
