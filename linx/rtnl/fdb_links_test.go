package rtnl

import "testing"

// TestFDBOfOurLinks: a bridge, its vxlan and where frames go come in one pass, come back together, and go
// together.
func TestFDBOfOurLinks(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	flood := Neighbor{Interface: "vx5", Destination: ipa("10.0.0.7")}
	other := flood
	other.Destination = ipa("10.0.0.8")
	state := State{
		Links: []Link{
			{Name: "br5", Kind: KindBridge},
			{Name: "vx5", Kind: KindVXLAN, Master: "br5", VXLAN: VXLAN{ID: 5, Port: 4789, NoLearning: true}},
		},
		Neighbors: []Neighbor{
			self(flood, FDB{}), self(other, FDB{}),
			self(Neighbor{Interface: "vx5", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{}),
			{Interface: "vx5", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
		},
	}
	if r := k.pass(state); !r.Converged || len(r.Applied) != 6 {
		t.Error(show(r))
	}
	k.wantFDB(state)
	k.settled(state)
	k.run("link del vx5")
	if r := k.pass(state); !r.Converged || len(r.Applied) != 5 {
		t.Error(show(r))
	}
	k.wantFDB(state)
	k.pass(State{})
	k.wantFDB(State{})
	if r := k.pass(State{}); !r.Converged || len(r.Applied) != 0 || len(k.last.neighbors) != 0 {
		t.Error(show(r))
	}
}
