package rtnl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

// TestForeignLink: another's interface in the place of ours, under each policy: as desired, otherwise, and of
// another kind.
func TestForeignLink(t *testing.T) {
	for _, c := range []struct {
		policy   ConflictPolicy
		theirs   string
		want     Link
		conflict string // its reason
		held     string // while it is desired
		left     string // when it is not
	}{
		{Refuse, "mtu 1400 type bridge", Link{MTU: 1400}, "", "br0 mtu 1400 type bridge", "br0 mtu 1400 type bridge"},
		{Adopt, "mtu 1400 type bridge", Link{MTU: 1400}, "", "br0 mtu 1400 type bridge", ""},
		{TakeOver, "mtu 1400 type bridge", Link{MTU: 1400}, "", "br0 mtu 1400 type bridge", ""},
		{Refuse, "mtu 1400 type bridge", Link{MTU: 1300, Admin: Up}, "it differs in mtu, state", "br0 mtu 1400 type bridge", "br0 mtu 1400 type bridge"},
		{Adopt, "mtu 1400 type bridge", Link{MTU: 1300}, "it differs in mtu", "br0 mtu 1400 type bridge", "br0 mtu 1400 type bridge"},
		{TakeOver, "mtu 1400 type bridge", Link{MTU: 1300, Recreate: true}, "", "br0 mtu 1300 type bridge", ""},
		{Refuse, "type ifb", Link{Recreate: true}, "it differs in type", "br0 type ifb", "br0 type ifb"},
		{Adopt, "type ifb", Link{Recreate: true}, "it differs in type", "br0 type ifb", "br0 type ifb"},
		{TakeOver, "type ifb", Link{}, "what differs cannot be changed without making the interface anew, which takes Recreate: type", "br0 type ifb", "br0 type ifb"},
		{TakeOver, "type ifb", Link{Recreate: true}, "", "br0 type bridge", ""},
	} {
		k := newKernel(t, Options{Conflict: c.policy})
		k.run("link add br0 " + c.theirs)
		r := k.pass(bridge(c.want))
		var conflict *ConflictError
		switch {
		case c.conflict == "" && !r.Converged:
			t.Error(c, show(r))
		case c.conflict != "" && (len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || conflict.Reason != c.conflict):
			t.Error(c, show(r))
		}
		k.wantLinks(c.held)
		if r := k.pass(bridge(c.want)); len(r.Applied) != 0 {
			t.Error(c, "and again", show(r))
		}
		k.restart()
		k.pass(State{})
		k.wantLinks(slices.DeleteFunc([]string{c.left}, func(s string) bool { return s == "" })...)
	}
}

// TestLinkStaysUntilReady: nothing is deleted to be made anew as long as it could not be, whosever it is.
func TestLinkStaysUntilReady(t *testing.T) {
	other := testns.New(t)
	ns := other.Namespace()
	other.Remove()
	for _, policy := range []ConflictPolicy{Refuse, TakeOver} {
		k := newKernel(t, Options{Conflict: policy})
		if policy == TakeOver {
			k.run("link add x0 type ifb")
		} else {
			k.converge(State{Links: []Link{{Name: "x0", Kind: KindIFB}}})
		}
		far := veth("x0", "eth0")
		far.Veth.PeerNamespace = ns
		for _, l := range []Link{macvlan("x0", "w9"), veth("x0", "v1"), far} {
			l.Recreate = true
			if r := k.pass(State{Links: []Link{l}}); len(r.Applied) != 0 || len(r.Failed)+len(r.Pending) != 1 {
				t.Error(policy, l, show(r))
			}
			k.wantLinks("x0 type ifb")
		}
		k.Veth("w9", "w8")
		m := macvlan("x0", "w9")
		m.Recreate = true
		k.converge(State{Links: []Link{m}})
		k.wantLinks("w8 up type veth", "w9 up type veth", "x0 type macvlan")
	}
}

// TestLinksSwapPeers: names that are in the way are no reason to wait where they go as well.
func TestLinksSwapPeers(t *testing.T) {
	k := newKernel(t, Options{})
	pairs := func(a, b string) State {
		s := State{Links: []Link{veth("x0", a), veth("y0", b)}}
		s.Links[0].Recreate, s.Links[1].Recreate = true, true
		return s
	}
	k.converge(pairs("x1", "y1"))
	k.converge(pairs("y1", "x1"))
	k.settled(pairs("y1", "x1"))
}

// TestTakeOverRefused: what is not given back is not changed where the rest is refused.
func TestTakeOverRefused(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	k.run("link add br0 type bridge")
	before := k.IP("-details", "link", "show", "dev", "br0")
	state := bridge(Link{MTU: 70000, Alias: "x", Bridge: Bridge{STP: true}})
	if r := k.pass(state); len(r.Failed) != 1 {
		t.Error(show(r))
	}
	k.wantLinks("br0 ifalias x type bridge")
	k.pass(State{})
	if after := k.IP("-details", "link", "show", "dev", "br0"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	k.converge(bridge(Link{MTU: 1400, Bridge: Bridge{STP: true}}))
}

// TestMasterGivenBack: another's interface goes back to its master, also where ours is made anew or is gone; and
// to none, once, if its master is gone.
func TestMasterGivenBack(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("link add br9 type bridge")
	k.run("link set v0 master br9")
	ours := bridge(Link{Recreate: true})
	enslaved := State{Links: []Link{ours.Links[0], {Name: "v0", Master: "br0"}}}
	for _, next := range []State{{Links: []Link{{Name: "br0", Kind: KindIFB, Recreate: true}}}, {}} {
		k.converge(enslaved)
		k.wantLink("v0 master br0 up type veth")
		if len(next.Links) == 0 {
			k.run("link del br0")
			k.restart()
		}
		k.converge(next)
		k.wantLink("v0 master br9 up type veth")
		k.settled(next)
	}
	// Refused, the kernel has let it go by then.
	k.run("link add x0 type ifb")
	for range 2 {
		if r := k.pass(State{Links: []Link{{Name: "v0", Master: "x0"}}}); len(r.Failed) != 1 {
			t.Error(show(r))
		}
		k.restart()
	}
	k.converge(State{})
	k.wantLink("v0 master br9 up type veth")
	if len(k.last.adjusted) != 0 {
		t.Errorf("%+v", k.last.adjusted)
	}
	for _, state := range []State{enslaved, {Links: []Link{{Name: "v0", Master: NoMaster}}}} {
		k.converge(state)
		k.run("link del br9")
		k.converge(State{})
		k.settled(State{})
		k.wantLink("v0 up type veth")
		if len(k.last.adjusted) != 0 {
			t.Errorf("%+v", k.last.adjusted)
		}
		k.run("link add br9 type bridge")
		k.run("link set v0 master br9")
	}
}

// TestForeignNames: names of ours that others' interfaces have, as their own or besides.
func TestForeignNames(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	k.run("link property add dev v1 altname br0")
	veth := State{Links: []Link{{Name: "p0", Kind: KindVeth, Recreate: true, Veth: Veth{Peer: "v1"}}}}
	for want, state := range map[string]State{"link v1 altname br0": bridge(Link{}), "link v1 type veth": veth} {
		var conflict *ConflictError
		r := k.pass(state)
		if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || conflict.Holder.String() != want || len(r.Applied) != 0 {
			t.Error(show(r))
		}
	}
	k.wantLinks()
}

// TestLinkIsAnothers: an interface that another has made anew is not ours, whatever its name and kind; nor is
// one by its index alone.
func TestLinkIsAnothers(t *testing.T) {
	for _, theirs := range []string{"br0 type bridge", "br0 index %d type ifb", "br1 index %d type bridge", "br1 index %d type ifb"} {
		k := newKernel(t, Options{})
		k.converge(bridge(Link{}))
		index := k.link("br0").Attrs().Index
		k.run("link del br0")
		if strings.Contains(theirs, "%d") {
			theirs = fmt.Sprintf(theirs, index)
		}
		k.run("link add " + theirs)
		before := k.ipLinks()
		k.restart()
		k.settled(State{})
		k.wantLinks(before...)
		if len(k.last.links) != 0 && !strings.HasPrefix(theirs, "br1") {
			t.Errorf("%s: still recorded: %+v", theirs, k.last.links)
		}
	}
}

// TestLinkMeanwhile: what another does while a claim is made is respected.
func TestLinkMeanwhile(t *testing.T) {
	k := newKernel(t, Options{})
	during := func(state State, command string) Report {
		t.Helper()
		return k.during(state, func() { k.run(command) })
	}
	if r := during(bridge(Link{MTU: 1400}), "link add br0 type bridge"); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error(show(r))
	}
	k.run("link del br0")
	during(State{Links: []Link{{Name: "v0", MTU: 1400}}}, "link set v0 mtu 1300")
	k.wantLink("v0 mtu 1400 up type veth")
	k.converge(State{})
	k.wantLink("v0 mtu 1300 up type veth")
	k.converge(bridge(Link{}))
	k.last.links[0].Index = int32(k.link("br0").Attrs().Index)
	if r := during(State{}, "link set br0 name br9"); len(r.Applied) != 0 {
		t.Error(show(r))
	}
	k.wantLinks("br9 type bridge")
}

// TestLinkLookedAtOnceMore: an interface is deleted only as long as it is what it was, though it has become
// another's since it was observed.
func TestLinkLookedAtOnceMore(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(bridge(Link{}))
	is := oldLink{at: -1, index: k.last.links[0].Index, name: "br0", kind: KindBridge}
	for _, was := range []oldLink{{-1, is.index, "br1", is.kind}, {-1, is.index, is.name, KindIFB}, {-1, is.index + 1, is.name, is.kind}} {
		p, release, err := k.src.begin(t.Context(), State{}, k.last, k.src.prepare)
		if err != nil {
			t.Fatal(err)
		}
		err = p.dropLinks(t.Context(), []oldLink{was})
		release()
		if err != nil || !p.round.again || len(p.report.Applied) != 0 {
			t.Errorf("%v: %v, %v", was, err, p.report)
		}
	}
	k.wantLinks("br0 type bridge")
}
