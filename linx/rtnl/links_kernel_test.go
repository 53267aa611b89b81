package rtnl

import (
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

// TestLinkStack: a whole configuration, written in the worst order, is there after one pass, and gone after
// another.
func TestLinkStack(t *testing.T) {
	k := newKernel(t, Options{})
	other := testns.New(t)
	state := State{
		Rules:     []Rule{{Priority: 10, From: pfx("10.9.0.0/24"), Table: 100}},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.9.0.7"), Table: 100}, {Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.9.0.8")}},
		Neighbors: []Neighbor{{Interface: "br0", Destination: ipa("10.9.0.7"), LinkAddr: mac(7)}},
		Addresses: []Address{{Interface: "br0", Prefix: pfx("10.9.0.1/24")}},
		Links: []Link{
			{Name: "p1", Master: "br0", Admin: Up, MTU: 1400},
			{Name: "p0", Kind: KindVeth, Master: "br0", Admin: Up, Alias: "to the other", Veth: Veth{Peer: "eth0", PeerNamespace: other.Namespace()}},
			{Name: "q1", Kind: KindVeth, Veth: Veth{Peer: "p1"}},
			{Name: "br0", Kind: "bridge", Admin: Up, AltNames: []string{"lan"}},
		},
	}
	before := k.run("link show")
	r := k.converge(state)
	t.Log(show(r))
	t.Log(k.run("-d link show"))
	k.settled(state)
	k.converge(State{})
	if after := k.run("link show"); after != before {
		t.Errorf("left behind:\n%s\nnot\n%s", after, before)
	}
	_ = other
}
