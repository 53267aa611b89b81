package rtnl

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// fdbModel is a kernel's forwarding databases, by place: of the bridge br0 with the ports v0 and v1, both in
// VLAN 10, and of the vxlan vx0. This kernel need not have VLANs for it.
type fdbModel map[neighborKey]seenNeighbor

var fdbModelLinks = map[string]link{
	"br0": {index: 9, forwarding: forwarding{bridge: true}},
	"v0":  {index: 4, master: 9, forwarding: forwarding{bridged: true}},
	"v1":  {index: 5, master: 9, forwarding: forwarding{bridged: true}},
	"vx0": {index: 6, forwarding: forwarding{vxlan: true, vni: 42, port: 4789}},
}

func (m fdbModel) bridge(n *neighbor) int32 {
	if n.master {
		return 9
	}
	return 0
}

// put is br_fdb_add and vxlan_fdb_update: false is EEXIST, which comes when half is done.
func (m fdbModel) put(n neighbor, flags uint16) bool {
	list := []neighbor{n}
	if n.master && n.vlan == 0 {
		n.vlan = 10
		list = append(list, n)
	}
	for _, n := range list {
		key := n.place(m.bridge(&n))
		if _, there := m[key]; there && flags&unix.NLM_F_EXCL != 0 {
			return false
		}
		for other, seen := range m {
			if n.flood != (remote{}) && other.group() == key.group() {
				seen.state = n.state
				m[other] = seen
			}
		}
		m[key] = seenNeighbor{neighbor: n, there: true, bridge: m.bridge(&n)}
	}
	return true
}

// drop is br_fdb_delete and vxlan_fdb_delete.
func (m fdbModel) drop(n neighbor) {
	maps.DeleteFunc(m, func(key neighborKey, seen seenNeighbor) bool {
		mine := n.place(m.bridge(&n))
		if n.master && n.vlan == 0 {
			key.vlan = 0
		}
		return key == mine && seen.link == n.link
	})
}

// pass is Reconcile with the model for a kernel.
func (m fdbModel) pass(t *rapid.T, policy ConflictPolicy, state State, records map[neighbor]struct{}) (after map[neighbor]struct{}, failed int) {
	records = maps.Clone(records)
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	s := &survey{want: x, last: new(LastApplied), protocol: us, madeNeighbors: make(map[neighborKey]neighbor)}
	p := &pass{source: &Source{opts: Options{Conflict: policy}}}
	for round := range maximumRounds {
		s.reset()
		for name, l := range fdbModelLinks {
			s.seeLink([]byte(name), l)
		}
		s.exact = records
		s.placeStations()
		for _, n := range m {
			s.seeNeighbor(&n)
		}
		d := s.diff(policy, isTagged, modelName)
		if !d.changes() || round == maximumRounds-1 {
			if d.changes() {
				t.Fatalf("it never ends: %+v", d)
			}
			failed += len(d.failed)
			for i, seen := range s.neighbors {
				if len(d.failed) == 0 && seen.neighbor != s.wantedNeighbor(int32(i)) {
					t.Fatalf("there is %+v, not %v", seen, state.Neighbors[i])
				}
			}
			break
		}
		failed = 0
		for verb, list := range map[reconcile.Verb][]int32{Create: d.newNeighbors, Update: d.neighborUpdates} {
			for _, i := range list {
				if n := s.wantedNeighbor(i); m.put(n, p.fdbFlags(verb, &n)) {
					s.madeNeighbors[n.neighborKey] = n
				}
			}
		}
		s.watchDragged(d.oldNeighbors)
		for _, n := range m {
			s.seeDragged(&n)
		}
		for _, n := range d.oldNeighbors {
			if s.drags(&n) != nil {
				failed++
				continue
			}
			m.drop(n.neighbor)
			delete(records, n.neighbor)
		}
		if failed > 0 && failed == d.size() {
			break
		}
	}
	after = make(map[neighbor]struct{})
	for _, n := range m {
		if s.ownsStation(&n) {
			after[n.neighbor] = struct{}{}
		}
	}
	return after, failed
}

func drawStation(t *rapid.T, foreign bool) Neighbor {
	if rapid.Bool().Draw(t, "bridged") {
		n := Neighbor{Interface: rapid.SampledFrom([]string{"v0", "v0", "v1"}).Draw(t, "port"), LinkAddr: mac(1),
			State: Static, FDB: FDB{Of: Master, Vlan: rapid.SampledFrom([]uint16{0, 10}).Draw(t, "vlan")}}
		// In a VLAN that a port has since, one just like ours is one of ours: there is no telling them apart.
		if foreign && rapid.Bool().Draw(t, "later") {
			n.State, n.FDB.Vlan = Permanent, 20
		}
		return n
	}
	return self(Neighbor{Interface: "vx0", LinkAddr: rapid.SampledFrom([]MAC{{}, mac(1), mac(2)}).Draw(t, "mac"),
		Destination: ipa(fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 3).Draw(t, "dst"))),
		State:       rapid.SampledFrom([]NeighborState{Permanent, Static}).Draw(t, "state")},
		FDB{VNI: rapid.SampledFrom([]uint32{0, 42, 5}).Draw(t, "vni")})
}

func drawStations(t *rapid.T, label string) (state State) {
	for _, n := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Neighbor { return drawStation(t, false) }), 0, 8).Draw(t, label) {
		if with := append(slices.Clone(state.Neighbors), n); valid(State{Neighbors: with}) {
			state.Neighbors = with
		}
	}
	return state
}

// TestFDBConverges: through desired states and what others make meanwhile, passes end, each leaves what is
// desired, but for conflicts, and others' as it was, and at the end nothing of ours is left.
func TestFDBConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, others := make(fdbModel), make(fdbModel)
		policy := rapid.SampledFrom([]ConflictPolicy{Refuse, Adopt, TakeOver}).Draw(t, "policy")
		var records map[neighbor]struct{}
		for range rapid.IntRange(1, 4).Draw(t, "states") {
			for range rapid.IntRange(0, 4).Draw(t, "foreign") {
				foreign := drawStation(t, true)
				n := packNeighbor(&foreign, fdbModelLinks[foreign.Interface].index, 0)
				if n.to.vni == 42 {
					n.to.vni = 0
					n.setFlood()
				}
				before, flags := maps.Clone(m), uint16(unix.NLM_F_EXCL)
				if n.state == unix.NUD_NOARP && n.vlan == 0 && rapid.Bool().Draw(t, "learned") {
					n.state = unix.NUD_REACHABLE
				}
				if slices.ContainsFunc(slices.Collect(maps.Values(m)), func(o seenNeighbor) bool {
					return n.flood != remote{} && o.neighborKey.group() == n.group() && o.state != n.state
				}) {
					continue // it would change ours
				}
				if !m.put(n, flags) {
					m = before
					continue
				}
				for key, seen := range m {
					if _, old := before[key]; !old {
						others[key] = seen
					}
				}
			}
			state := drawStations(t, "want")
			var failed int
			records, failed = m.pass(t, policy, state, records)
			if again, f := m.pass(t, policy, state, records); f != failed || !maps.Equal(again, records) {
				t.Fatalf("again: %d failed, not %d; ours %v, not %v", f, failed, again, records)
			}
			for key := range m {
				if key.vlan = 10; key.master && len(others) == 0 && m[key] == (seenNeighbor{}) {
					t.Fatalf("in no VLAN: %+v", key)
				}
			}
			if policy != Refuse {
				continue
			}
			for key, seen := range others {
				if _, taken := records[m[key].neighbor]; taken && seen.learned() {
					delete(others, key)
				} else if now := m[key]; now != seen && seen.learned() && now.state == unix.NUD_NOARP && now.vlan == 10 {
					delete(others, key) // with that without a VLAN
				} else if now != seen {
					t.Fatalf("another's %+v became %+v", seen, now)
				}
			}
		}
		records, _ = m.pass(t, policy, State{}, records)
		dragging := slices.ContainsFunc(slices.Collect(maps.Keys(records)), func(n neighbor) bool { return n.vlan != 0 || !n.master })
		if dragging || policy == Refuse && len(records) == 0 && len(m) != len(others) {
			t.Fatalf("left behind: %v, beside %v", m, others)
		}
	})
}
