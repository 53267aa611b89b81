package rtnl

import (
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

// linkAttributeCases has every attribute, and how another changes it.
var linkAttributeCases = []struct {
	name   string
	want   Link
	words  string // of ip(8), for v0
	op     string
	change string // what another does to it
	other  Link   // what else is asked for then
	altOp  string
}{
	{"mtu", Link{MTU: 1400}, "v0 mtu 1400 up type veth", "update link v0 mtu 1400", "link set v0 mtu 1300", Link{MTU: 1450}, "update link v0 mtu 1450"},
	{"txqueuelen", Link{TxQueueLen: 77}, "v0 txqlen 77 up type veth", "update link v0 txqueuelen 77", "link set v0 txqueuelen 5", Link{TxQueueLen: 78}, "update link v0 txqueuelen 78"},
	{"group", Link{Group: 7}, "v0 group 7 up type veth", "update link v0 group 7", "link set v0 group 9", Link{Group: 8}, "update link v0 group 8"},
	{"alias", Link{Alias: "it's"}, "v0 ifalias it's up type veth", `update link v0 alias 'it'\''s'`, "link set v0 alias theirs", Link{Alias: "x"}, "update link v0 alias x"},
	{"master", Link{Master: "br0"}, "v0 master br0 up type veth", "update link v0 master br0", "link set v0 master br1", Link{Master: NoMaster}, "update link v0 nomaster"},
	{"state", Link{Admin: Down}, "v0 type veth", "update link v0 down", "link set v0 up", Link{Admin: Up}, "update link v0 up"},
	{"altname", Link{AltNames: []string{"lan"}}, "v0 up altnames [lan] type veth", "create link property dev v0 altname lan",
		"link property del dev v0 altname lan", Link{AltNames: []string{"wan"}}, "create link property dev v0 altname wan"},
}

// TestAdjustedLink: an attribute of another's interface is set, repaired, set otherwise, and given back, when
// it is not asked for any more and when the interface is not. A restart forgets nothing.
func TestAdjustedLink(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("link add br0 type bridge")
	k.run("link add br1 type bridge")
	before := k.ipLink("v0")
	for _, c := range linkAttributeCases {
		for _, release := range []bool{false, true} {
			desired := func(l Link) State { l.Name = "v0"; return State{Links: []Link{l}} }
			k.settled(desired(Link{}))
			k.wantApplied(k.converge(desired(c.want)), c.op)
			k.wantLink(c.words)
			k.settled(desired(c.want))
			k.restart()
			k.run(c.change)
			k.wantApplied(k.converge(desired(c.want)), c.op)
			k.wantLink(c.words)
			if r := k.converge(desired(c.other)); len(r.Applied) == 0 || r.Applied[0].String() != c.altOp {
				t.Error(show(r))
			}
			k.converge(desired(c.want))
			k.restart()
			if release {
				k.converge(State{})
			} else {
				k.converge(desired(Link{}))
			}
			k.wantLink(before)
			if len(k.last.adjusted) != 0 {
				t.Errorf("%s: still recorded: %+v", c.name, k.last.adjusted)
			}
		}
	}
}

// TestAdjustedAddress: likewise, which ip(8) shows beside.
func TestAdjustedAddress(t *testing.T) {
	k := newKernel(t, Options{})
	before := k.link("v0").Attrs().HardwareAddr.String()
	k.converge(State{Links: []Link{{Name: "v0", Address: mac(7)}}})
	if got := k.link("v0").Attrs().HardwareAddr.String(); got != mac(7).String() {
		t.Error(got)
	}
	k.converge(State{})
	if got := k.link("v0").Attrs().HardwareAddr.String(); got != before {
		t.Error(got, "is not", before)
	}
}

// TestAdjustedByAnother: what another has changed since is not given back.
func TestAdjustedByAnother(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(State{Links: []Link{{Name: "v0", MTU: 1400, TxQueueLen: 5, AltNames: []string{"lan", "wan"}}}})
	k.run("link set v0 mtu 1300")
	k.run("link property del dev v0 altname wan")
	k.wantApplied(k.converge(State{}), "update link v0 txqueuelen 1000", "delete link property dev v0 altname lan")
	k.wantLink("v0 mtu 1300 up type veth")
	// A value of ours that was not the last one is another's by now.
	k.run("link set v0 mtu 1500")
	k.converge(State{Links: []Link{{Name: "v0", MTU: 1400}}})
	k.converge(State{Links: []Link{{Name: "v0", MTU: 1450}}})
	k.run("link set v0 mtu 1400")
	k.settled(State{})
	k.wantLink("v0 mtu 1400 up type veth")
	k.run("link set v0 mtu 1300")
	// One that has got another's name is not looked for.
	k.converge(State{Links: []Link{{Name: "v0", MTU: 1400}}})
	k.run("link set v0 name w0")
	if r := k.pass(State{Links: []Link{{Name: "v0", MTU: 1400}}}); len(r.Pending) != 1 {
		t.Error(show(r))
	}
	k.settled(State{})
	k.wantLink("w0 mtu 1400 up type veth")
	if len(k.last.adjusted) != 1 {
		t.Errorf("%+v", k.last.adjusted)
	}
	k.run("link set w0 name v0")
	k.converge(State{})
	k.wantLink("v0 mtu 1300 up type veth")
	// One that was made anew is another.
	k.converge(State{Links: []Link{{Name: "v0", MTU: 1400}}})
	k.run("link del v0")
	k.Veth("v0", "v1")
	k.run("link set v0 mtu 1400")
	k.settled(State{})
	k.wantLink("v0 mtu 1400 up type veth")
	if len(k.last.adjusted) != 0 {
		t.Errorf("%+v", k.last.adjusted)
	}
}

// TestAdjustedMoved: one that comes back from another namespace is the same one.
func TestAdjustedMoved(t *testing.T) {
	k, other := newKernel(t, Options{}), testns.New(t)
	state := State{Links: []Link{{Name: "v0", MTU: 1400}}}
	k.converge(state)
	k.run("link set v0 netns " + other.Path())
	if r := k.pass(state); len(r.Pending) != 1 {
		t.Error(show(r))
	}
	other.IP("link", "set", "v0", "netns", k.Path())
	k.settled(state)
	k.converge(State{})
	k.wantLink("v0 type veth")
	// Not so what is not desired meanwhile, or made anew.
	for _, meanwhile := range []func(){func() { k.settled(State{}) }, func() { k.run("link add v0 type ifb"); k.pass(state); k.run("link del v0") }} {
		k.converge(state)
		k.run("link set v0 netns " + other.Path())
		meanwhile()
		other.IP("link", "set", "v0", "netns", k.Path())
		k.settled(State{})
		k.wantLink("v0 mtu 1400 type veth")
		k.run("link set v0 mtu 1500")
	}
}

// TestAdjustedBytes: what others have written may be no text.
func TestAdjustedBytes(t *testing.T) {
	k := newKernel(t, Options{})
	for _, alias := range []string{"caf\xe9", `"a\b"`, "\n\x01é"} {
		k.IP("link", "set", "v0", "alias", alias)
		k.converge(State{Links: []Link{{Name: "v0", Alias: "ours"}}})
		k.restart()
		k.converge(State{})
		if got := k.link("v0").Attrs().Alias; got != alias {
			t.Errorf("%q", got)
		}
	}
}

// TestAdjustedCrash: originals are claimed before they are gone, whatever is done of the claim.
func TestAdjustedCrash(t *testing.T) {
	desired := func(mtu uint32) State { return State{Links: []Link{{Name: "v0", MTU: mtu}}} }
	for _, done := range []bool{false, true} {
		k := newKernel(t, Options{})
		claim := k.killed(desired(1400))
		if done {
			k.run("link set v0 mtu 1400")
		}
		k.last = claim
		k.restart()
		k.converge(State{})
		k.wantLink("v0 up type veth")

		k.converge(desired(1400))
		claim = k.killed(desired(1300))
		if done {
			k.run("link set v0 mtu 1300")
		}
		k.last = claim
		k.restart()
		k.converge(State{})
		k.wantLink("v0 up type veth")
	}
	// Killed twice, after the change.
	k := newKernel(t, Options{})
	for _, mtu := range []uint32{1400, 1300, 1400} {
		claim := k.killed(desired(mtu))
		k.converge(desired(mtu))
		k.last = claim
		k.restart()
	}
	k.converge(desired(1400))
	k.converge(State{})
	k.wantLink("v0 up type veth")
	// What was refused is not ours when another does it.
	k = newKernel(t, Options{})
	if r := k.pass(desired(70000)); len(r.Failed) != 1 {
		t.Error(show(r))
	}
	if len(k.last.adjusted) != 0 {
		t.Errorf("%+v", k.last.adjusted)
	}
}

// TestAdjustedMasterGone: what is given back may be gone.
func TestAdjustedMasterGone(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("link add br0 type bridge")
	k.run("link set v0 master br0")
	state := State{Links: []Link{{Name: "br1", Kind: "bridge"}, {Name: "v0", Master: "br1"}}}
	k.converge(state)
	k.converge(State{Links: state.Links[:1]})
	k.wantLink("v0 master br0 up type veth")
	k.converge(state)
	k.run("link del br0")
	k.wantApplied(k.converge(State{Links: state.Links[:1]}), "update link v0 nomaster")
	k.wantLink("v0 up type veth")
}

// TestAdjustedWaits: for the interface, and for its master, while the rest is done.
func TestAdjustedWaits(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Links: []Link{{Name: "v0", Master: "br0", MTU: 1400}, {Name: "w0", MTU: 1400}}}
	r := k.pass(state)
	k.wantApplied(r, "update link v0 mtu 1400")
	var waits []string
	for _, f := range r.Pending {
		waits = append(waits, f.String())
	}
	if want := []string{"update link v0 master br0: interface br0 does not exist", "update link w0 mtu 1400: interface w0 does not exist"}; !slices.Equal(waits, want) {
		t.Errorf("%q", waits)
	}
	k.Veth("w0", "w1")
	k.run("link add br0 type bridge")
	k.wantApplied(k.converge(state), "update link v0 master br0", "update link w0 mtu 1400")
	k.run("link property add dev w1 altname x0")
	r = k.pass(State{Links: []Link{{Name: "x0", MTU: 1400}}})
	if len(r.Pending) != 1 || !strings.Contains(r.Pending[0].Err.Error(), "alternative name of w1") {
		t.Error(show(r))
	}
}
