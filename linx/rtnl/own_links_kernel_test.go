package rtnl

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func bridge(l Link) State {
	l.Name, l.Kind = "br0", "bridge"
	return State{Links: []Link{l}}
}

// TestLinkRecreate: what cannot be changed in place is made anew only where that is allowed, though it is ours.
func TestLinkRecreate(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(State{Links: []Link{{Name: "br0", Kind: "ifb"}}})
	if r := k.pass(bridge(Link{})); len(r.Failed) != 1 || !errors.Is(r.Failed[0].Err, errFixed) || len(r.Applied) != 0 {
		t.Error(show(r))
	}
	k.wantLinks("br0 type ifb")
	state := bridge(Link{Recreate: true, Admin: Up})
	state.Addresses = []Address{on("br0", "10.9.0.1/24")}
	k.wantApplied(k.pass(state), "delete link br0 type ifb", "create link br0 up type bridge", "create address 10.9.0.1/24 dev br0")
	k.wantLinks("br0 up type bridge")
	// The other end of a pair.
	veth := State{Links: []Link{{Name: "p0", Kind: KindVeth, Veth: Veth{Peer: "p1"}}}}
	k.converge(veth)
	k.run("link set p1 name p2")
	if r := k.pass(veth); len(r.Failed) != 1 || !strings.HasSuffix(r.Failed[0].Err.Error(), ": peer") {
		t.Error(show(r))
	}
	veth = State{Links: []Link{{Name: "p0", Kind: KindVeth, Recreate: true, Veth: Veth{Peer: "p1"}}}}
	k.converge(veth)
	k.wantLinks("p0 type veth", "p1 type veth")
	k.converge(State{})
	k.wantLinks()
}

// TestLinkRenamed: one of ours that another has renamed gets its name back while it is desired, and is the
// other's when it is not.
func TestLinkRenamed(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(bridge(Link{}))
	k.run("link set br0 name lan0")
	k.wantApplied(k.converge(bridge(Link{})), "update link lan0 name br0")
	k.wantLinks("br0 type bridge")
	k.run("link set br0 name lan0")
	k.settled(State{})
	k.wantLinks("lan0 type bridge")
	// A new desired name, that it has already.
	k.converge(bridge(Link{}))
	k.run("link set br0 name br9")
	k.converge(State{Links: []Link{{Name: "br9", Kind: "bridge"}}})
	k.wantLinks("br9 type bridge", "lan0 type bridge")
	k.converge(State{})
	k.wantLinks("lan0 type bridge")
}

// TestLinkClaim: a claim deletes nothing that another has made since, and all that was made by it.
func TestLinkClaim(t *testing.T) {
	k := newKernel(t, Options{})
	claim := k.killed(bridge(Link{MTU: 1400}))
	k.run("link add br0 mtu 1400 type bridge")
	k.last = claim
	k.restart()
	k.settled(bridge(Link{MTU: 1400}))
	k.settled(State{})
	k.wantLinks("br0 mtu 1400 type bridge")
	k.run("link del br0")

	// Killed after it was made, before the report, and half finished.
	for _, state := range []State{{}, bridge(Link{MTU: 1400, Alias: "x"})} {
		var claim LastApplied
		k.last = LastApplied{}
		if _, err := k.src.Reconcile(t.Context(), bridge(Link{MTU: 1400}), k.last, func(l LastApplied) error { claim = l; return nil }); err != nil {
			t.Fatal(err)
		}
		k.last = claim
		k.restart()
		k.converge(state)
		if len(state.Links) > 0 {
			k.wantLinks("br0 mtu 1400 ifalias x type bridge")
			k.converge(State{})
		}
		k.wantLinks()
	}
}

// TestLinkClaimOfSettings: what was changed before a crash goes back to the default as well.
func TestLinkClaimOfSettings(t *testing.T) {
	k := newKernel(t, Options{})
	before, after := bridge(Link{Bridge: Bridge{HelloTime: 300}}), bridge(Link{Bridge: Bridge{Priority: 4096}})
	k.converge(before)
	var claim LastApplied
	if _, err := k.src.Reconcile(t.Context(), after, k.last, func(l LastApplied) error { claim = l; return nil }); err != nil {
		t.Fatal(err)
	}
	k.run("link set br0 type bridge hello_time 300") // half of it
	k.last = claim
	k.restart()
	k.converge(bridge(Link{}))
	if s := k.IP("-details", "link", "show", "dev", "br0"); !strings.Contains(s, " priority 32768 ") || !strings.Contains(s, "hello_time 200") {
		t.Error(s)
	}
	k.settled(bridge(Link{}))
	if len(k.last.links) != 1 {
		t.Errorf("%+v", k.last.links)
	}
	k.last = claim
	k.wantApplied(k.converge(State{}), "delete link br0 type bridge")
	k.wantLinks()
}

// TestLinkPaste: what is planned can be pasted behind "ip".
func TestLinkPaste(t *testing.T) {
	k, other := newKernel(t, Options{}), newKernel(t, Options{})
	state := State{Links: []Link{
		{Name: "br0", Kind: KindBridge, Admin: Up, Bridge: Bridge{STP: true}},
		{Name: "p0", Kind: KindVeth, Address: mac(7), Alias: "x", TxQueueLen: 5, Group: 6, Master: "br0", Veth: Veth{Peer: "p1"}},
		{Name: "v0", MTU: 1300, Master: NoMaster, Admin: Down, AltNames: []string{"lan"}},
		{Name: "m0", Kind: KindMACVLAN, MACVLAN: MACVLAN{Link: "v0", Mode: MACVLANBridge}},
		{Name: "v1", Master: "br0", Port: BridgePort{Cost: 9}},
	}}
	words := strings.NewReplacer("create link property", "link property add", "create link", "link add", "update link", "link set")
	for _, op := range k.pass(state).Applied {
		other.run(words.Replace(op.String()))
	}
	other.run("link set p0 alias x") // ip(8) has it in the creation, where the kernel ignores it
	for _, name := range []string{"v0", "v1"} {
		other.wantLink(k.ipLink(name))
	}
	other.wantLinks(k.ipLinks()...)
	other.settled(state)
}

// TestLinksCancelledAnywhere: wherever a pass is cut short, the next one finds all that is ours.
func TestLinksCancelledAnywhere(t *testing.T) {
	full := State{
		Links: []Link{
			{Name: "br0", Kind: "bridge", Recreate: true, Alias: "x", AltNames: []string{"lan"}}, {Name: "p0", Kind: KindVeth, Master: "br0", Veth: Veth{Peer: "p1"}},
			{Name: "p1", MTU: 1400}, {Name: "v0", MTU: 1300, Group: 5},
		},
		Addresses: []Address{on("br0", "10.9.0.1/24")},
	}
	next := State{Links: []Link{{Name: "br0", Kind: "ifb", Recreate: true}, {Name: "v0", TxQueueLen: 7}}}
	const stride = 20 // to delete interfaces takes the kernel long
	start := 1 + rand.Int64N(stride)
	t.Log("beginning with", start)
	k := newKernel(t, Options{})
	for _, states := range [][]State{{full, next}, {next, full}} {
		for n, cut := start, true; cut; n += stride {
			k.converge(states[0])
			ctx, cancel := context.WithCancel(t.Context())
			c := &countdown{Context: ctx, cancel: cancel}
			c.left.Store(n)
			r, err := k.src.Reconcile(c, states[1], k.last, func(LastApplied) error { return nil })
			cut = err != nil
			k.last = r.LastApplied
			k.restart()
			k.pass(next)
			if got := append(k.ipLinks(), k.ipLink("v0")); !slices.Equal(got, []string{"br0 type ifb", "v0 txqlen 7 up type veth"}) {
				t.Fatalf("cut short at %d: left %q", n, got)
			}
			cancel()
		}
	}
}

// TestLinkFight: an interface that another keeps deleting is left alone after a while. What stands on it has
// not been fought over.
func TestLinkFight(t *testing.T) {
	k := newKernel(t, Options{})
	state := bridge(Link{Admin: Up})
	state.Addresses = []Address{on("br0", "10.9.0.1/24"), on("v0", "10.8.0.1/24")}
	state.Routes = []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.9.0.7")}}
	n := 0
	for ; k.pass(state).Converged; n++ {
		k.run("link del br0")
		if n > 2*fight.Repairs {
			t.Fatal("it goes on for ever")
		}
	}
	if n != fight.Repairs+1 {
		t.Errorf("left alone after %d times", n)
	}
	r := k.pass(state)
	var fought *reconcile.FightError
	held := slices.DeleteFunc(r.Pending, func(f reconcile.Failure) bool { return !errors.As(f.Err, &fought) })
	if len(held) != 1 || held[0].Op.String() != "create link br0 up type bridge" {
		t.Error(held)
	}
	k.run("link add br0 up type bridge")
	if r := k.pass(state); !r.Converged {
		t.Error(show(r))
	}
}

// TestLinkRefused: what the kernel refuses holds up nothing else.
func TestLinkRefused(t *testing.T) {
	k := newKernel(t, Options{})
	state := bridge(Link{MTU: 1400})
	state.Links = append(state.Links, Link{Name: "nope0", Kind: KindBridge, MTU: 70000, Admin: Up}, Link{Name: "v0", MTU: 70000, Alias: "x"})
	state.Addresses = []Address{on("br0", "10.9.0.1/24"), on("nope0", "10.9.0.2/24")}
	r := k.pass(state)
	if len(r.Failed) != 2 || len(r.Pending) != 1 || len(r.Applied) != 3 {
		t.Error(show(r))
	}
	k.wantLinks("br0 mtu 1400 type bridge")
	k.wantLink("v0 ifalias x up type veth")
	if r := k.pass(state); len(r.Applied) != 0 {
		t.Error(show(r))
	}
}

// TestLinkNeeds: one that is made of another waits for that, goes with it, and is up no sooner than that.
func TestLinkNeeds(t *testing.T) {
	k := newKernel(t, Options{})
	over := macvlan("m0", "w0")
	over.Admin = Up
	state := State{Links: []Link{over, {Name: "x0", Kind: KindVXLAN, VXLAN: VXLAN{ID: 7, Device: "w0", Port: 4789}}}}
	wait := func() {
		t.Helper()
		r := k.pass(state)
		if len(r.Pending) != 2 || len(r.Applied) != 0 || !strings.HasSuffix(r.Pending[0].String(), "type macvlan: interface w0 does not exist") {
			t.Error(show(r))
		}
	}
	wait()
	k.Veth("w0", "w1")
	k.converge(state)
	k.settled(state)
	k.run("link del w0")
	k.wantLinks()
	wait()
	k.run("link add w0 type veth peer name w1")
	if r := k.pass(state); !r.Converged {
		if len(r.Pending) != 1 || !errors.Is(r.Pending[0].Err, unix.ENETDOWN) {
			t.Error(show(r))
		}
		k.run("link set w0 up")
		k.converge(state)
	}
	k.converge(State{})
	k.wantLinks("w0 type veth", "w1 type veth")
}

// TestLinkPort: a bridge's port, of ours and of others'.
func TestLinkPort(t *testing.T) {
	k := newKernel(t, Options{})
	port := func(name string) string {
		t.Helper()
		_, s, _ := strings.Cut(k.IP("-details", "link", "show", "dev", name), "bridge_slave")
		return strings.Join(strings.Fields(s)[2:6], " ")
	}
	state := State{Links: []Link{
		{Name: "v0", Master: "br0", Port: BridgePort{Cost: 9}}, {Name: "br0", Kind: KindBridge},
		{Name: "i0", Kind: KindVeth, Veth: Veth{Peer: "i1"}, Master: "br0", Port: BridgePort{Cost: 7, Priority: 3}},
	}}
	k.wantApplied(k.converge(state), "create link br0 type bridge", "create link i0 master br0 type veth peer name i1",
		"update link v0 master br0", "update link v0 type bridge_slave cost 9")
	if a, b := port("v0"), port("i0"); a != "priority 32 cost 9" || b != "priority 3 cost 7" {
		t.Error(a, b)
	}
	k.settled(state)
	k.run("link set i0 type bridge_slave cost 8")
	k.wantApplied(k.converge(state), "update link i0 type bridge_slave cost 7 priority 3")
	state = State{Links: slices.Clone(state.Links)}
	state.Links[2].Port.Priority = 0
	k.converge(state)
	if s := port("i0"); s != "priority 32 cost 7" {
		t.Error(s)
	}
	r := k.pass(State{Links: []Link{{Name: "v0", Port: BridgePort{Cost: 9}}}})
	if len(r.Pending) != 1 || !errors.Is(r.Pending[0].Err, errNoPort) {
		t.Error(show(r))
	}
	k.wantLinks()
}

// TestLinkTun: the one kind that rtnetlink does not make.
func TestLinkTun(t *testing.T) {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no tun here: ", err)
	}
	f.Close()
	k := newKernel(t, Options{})
	state := State{Links: []Link{{Name: "t0", Kind: KindTun, MTU: 1400, Admin: Up, Tun: Tun{Mode: TunIP}}, {Name: "t1", Kind: KindTun, Address: mac(7), Tun: Tun{Mode: TunEthernet}}}}
	claim := LastApplied{}
	if _, err := k.src.Reconcile(t.Context(), state, k.last, func(l LastApplied) error { claim = l; return nil }); err != nil {
		t.Fatal(err)
	}
	k.last = claim
	k.restart()
	k.settled(state)
	k.wantLinks("t0 mtu 1400 txqlen 500 up type tun", "t1 type tun")
	k.converge(State{})
	k.wantLinks()
}

// TestLinkHints: what others do to interfaces is heard, whatever it is. (To one that is down, the kernel does not
// tell of all.)
func TestLinkHints(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	n := k.hints()
	state := State{Links: []Link{{Name: "br0", Kind: KindBridge, Admin: Up, Alias: "x", Group: 5, AltNames: []string{"lan"}}}}
	k.converge(state)
	for _, command := range []string{"link set br0 alias y", "link set br0 group 6", "link property del dev br0 altname lan", "link set br0 type bridge stp_state 1",
		"link set br0 name br9", "link del br0"} {
		k.mustHear(n, func() { k.run(command) })
		k.converge(state)
	}
	k.mustHear(n, func() { k.run("link add dev x0 type bridge") })
}
