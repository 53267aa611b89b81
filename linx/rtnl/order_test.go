package rtnl

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestOrder: one kind after the other, whatever order they need each other in; deletions in reverse.
func TestOrder(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Rules:     []Rule{{Priority: 5, From: pfx("10.0.0.0/8"), Table: 100}},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.5"), Table: 100}},
		Neighbors: everyNeighbor().Neighbors[:1],
		Addresses: []Address{on("v0", "10.0.0.2/24")},
	}
	objects := []string{state.Addresses[0].String(), state.Neighbors[0].String(), state.Routes[0].String(), state.Rules[0].String()}
	var want []string
	for _, o := range objects {
		want = append(want, "create "+o)
	}
	plan, err := k.src.Plan(t.Context(), state, k.last)
	if got := applied(Report{Applied: plan}); err != nil || !slices.Equal(got, want) {
		t.Error(got, err)
	}
	k.wantApplied(k.converge(state), want...)
	want = nil
	for _, o := range slices.Backward(objects) {
		want = append(want, "delete "+strings.Replace(o, " table 100", " dev v0 table 100", 1))
	}
	k.wantApplied(k.converge(State{}), want...)
}

// TestOthersScale: what a pass allocates does not depend on how many rules and neighbours are in place.
func TestOthersScale(t *testing.T) {
	var allocations []int
	for _, n := range []int{100, 1500} {
		var state State
		for i := range n {
			a := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
			state.Rules = append(state.Rules, Rule{Priority: uint32(10 + i), From: netip.PrefixFrom(a, 32)})
			state.Neighbors = append(state.Neighbors, Neighbor{Interface: "v0", Destination: a, LinkAddr: mac(1)})
		}
		k := newKernel(t, Options{})
		k.converge(state)
		k.settled(state)
		allocations = append(allocations, k.measure(func() { k.settled(state) }).allocations)
	}
	t.Log(allocations)
	if allocations[1] > allocations[0]+100 {
		t.Errorf("%d allocations for 100 rules and neighbours, %d for 1500", allocations[0], allocations[1])
	}
}
