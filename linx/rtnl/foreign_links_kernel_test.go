package rtnl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
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
		once := false
		r, err := k.src.Reconcile(t.Context(), state, k.last, func(LastApplied) error {
			if !once {
				k.run(command)
			}
			once = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		k.last = r.LastApplied
		return r
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
