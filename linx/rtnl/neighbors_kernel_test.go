package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// ipNeighbors gives what does not come and go, in the words of ip(8), with its protocol.
func (k *kernel) ipNeighbors() []string {
	k.t.Helper()
	var out []string
	for _, what := range []string{"nud permanent", "nud noarp", "proxy"} {
		for line := range strings.Lines(k.run("-N neighbor show " + what)) {
			if line = strings.TrimSpace(line); !strings.Contains(line, "dev lo") && !strings.HasPrefix(line, "ff02::") &&
				!strings.HasPrefix(line, "224.") && !strings.Contains(line, "extern_learn") {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	slices.Sort(out)
	return out
}

func ipNeighbor(n Neighbor) string {
	if n.Proxy {
		return fmt.Sprintf("%v dev %s proxy proto %d", n.Destination, n.Interface, us)
	}
	return fmt.Sprintf("%v dev %s lladdr %v %s proto %d", n.Destination, n.Interface, n.LinkAddr, strings.ToUpper(n.State.String()), us)
}

// wantNeighbors checks that the neighbours are those of a state, and others'.
func (k *kernel) wantNeighbors(state State, others ...string) {
	k.t.Helper()
	want := slices.Clone(others)
	for _, n := range state.Neighbors {
		want = append(want, ipNeighbor(n))
	}
	slices.Sort(want)
	if got := k.ipNeighbors(); !slices.Equal(got, want) {
		k.t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func everyNeighbor() State {
	return State{Neighbors: []Neighbor{
		{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)},
		{Interface: "v0", Destination: ipa("10.0.0.6"), LinkAddr: mac(2), State: NoARP},
		{Interface: "v1", Destination: ipa("10.0.0.5"), LinkAddr: mac(3)},
		{Interface: "v0", Destination: ipa("2001:db8::5"), LinkAddr: mac(4)},
		{Interface: "v1", Destination: ipa("fe80::5"), LinkAddr: mac(5), State: NoARP},
		{Interface: "v0", Destination: ipa("10.0.0.5"), Proxy: true},
		{Interface: "v1", Destination: ipa("2001:db8::7"), Proxy: true},
	}}
}

// TestNeighbors: from nothing to every kind, which then needs nothing, through drift and change, and back
// to nothing; what others have stays.
func TestNeighbors(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("neighbor add 10.0.0.9 lladdr 02:00:00:00:00:99 dev v0")
	k.run("neighbor add proxy 10.0.0.9 dev v0")
	k.run("neighbor add 2001:db8::9 lladdr 02:00:00:00:00:99 dev v1 nud noarp protocol 76") // the tag alone is no proof
	others := k.ipNeighbors()
	state := everyNeighbor()
	r := k.converge(state)
	if len(r.Applied) != len(state.Neighbors) || r.Applied[0].String() != "create neighbor 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0 nud permanent" {
		t.Error(show(r))
	}
	k.wantNeighbors(state, others...)
	k.settled(state)

	k.run("neighbor del 10.0.0.5 dev v1")
	k.run("neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:77 dev v0")
	k.run("neighbor change 10.0.0.6 lladdr 02:00:00:00:00:02 dev v0 nud reachable")
	k.run("neighbor del proxy 2001:db8::7 dev v1")
	k.wantApplied(k.converge(state), "create "+state.Neighbors[2].String(), "create "+state.Neighbors[6].String(),
		"update "+state.Neighbors[0].String(), "update "+state.Neighbors[1].String())
	k.wantNeighbors(state, others...)

	other := State{Neighbors: slices.Clone(state.Neighbors[:3])}
	other.Neighbors[0].LinkAddr = mac(7)
	other.Neighbors[1].State = Permanent
	if r := k.converge(other); len(r.Applied) != 6 {
		t.Error(show(r))
	}
	k.wantNeighbors(other, others...)
	k.settled(other)
	other.Neighbors = other.Neighbors[:1:1]
	k.converge(other)
	k.wantNeighbors(other, others...)
	k.converge(State{})
	k.wantNeighbors(State{}, others...)
	k.settled(State{})
}

// TestLearnedNeighbor: what the kernel has learned is taken over where a permanent one is desired, and
// only there.
func TestLearnedNeighbor(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("neighbor add 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0 nud stale")
	k.run("neighbor add 10.0.0.6 lladdr 02:00:00:00:00:99 dev v0 nud stale")
	k.run("neighbor add 10.0.0.7 lladdr 02:00:00:00:00:99 dev v0 nud reachable extern_learn")
	state := State{Neighbors: []Neighbor{
		{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)},
		{Interface: "v0", Destination: ipa("10.0.0.6"), LinkAddr: mac(1), State: NoARP},
		{Interface: "v0", Destination: ipa("10.0.0.7"), LinkAddr: mac(1)},
	}}
	r := k.pass(state)
	k.wantApplied(r, "update "+state.Neighbors[0].String())
	if len(r.Failed) != 2 || !strings.Contains(r.Failed[0].Err.Error(), "neighbor 10.0.0.6 lladdr 02:00:00:00:00:99 dev v0, learned") {
		t.Error(show(r))
	}
	k.wantNeighbors(State{Neighbors: state.Neighbors[:1]})
	k.converge(State{})
	k.wantNeighbors(State{})
}

// TestNeighborConflict: a foreign one in the place of ours, under each policy.
func TestNeighborConflict(t *testing.T) {
	for _, policy := range []ConflictPolicy{Refuse, Adopt, TakeOver} {
		k := newKernel(t, Options{Conflict: policy})
		k.run("neighbor add 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0")
		k.run("neighbor add 10.0.0.6 lladdr 02:00:00:00:00:99 dev v0 protocol static")
		k.run("neighbor add proxy 10.0.0.7 dev v0")
		others := k.ipNeighbors()
		state := State{Neighbors: []Neighbor{
			{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)},
			{Interface: "v0", Destination: ipa("10.0.0.6"), LinkAddr: mac(2)},
			{Interface: "v0", Destination: ipa("10.0.0.7"), Proxy: true},
		}}
		r := k.pass(state)
		if policy != TakeOver {
			var conflict *ConflictError
			if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || conflict.Protocol != 4 || r.Converged {
				t.Error(policy, show(r))
			}
		}
		if want := map[ConflictPolicy]int{Refuse: 0, Adopt: 2, TakeOver: 3}[policy]; len(r.Applied) != want {
			t.Error(policy, show(r))
		}
		if r := k.pass(state); len(r.Applied) != 0 {
			t.Error(policy, "and again", show(r))
		}
		k.pass(State{})
		switch policy {
		case Refuse:
			k.wantNeighbors(State{}, others...)
		case Adopt:
			k.wantNeighbors(State{}, "10.0.0.6 dev v0 lladdr 02:00:00:00:00:99 PERMANENT proto 4")
		case TakeOver:
			k.wantNeighbors(State{})
		}
	}
}

// TestNeighborMadeTheirs is the trap of NDA_PROTOCOL: a foreign replace leaves it as it was. What is no
// longer desired, and no longer as it was made, is left alone; so is what was made anew.
func TestNeighborMadeTheirs(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Neighbors: everyNeighbor().Neighbors[:3]}
	k.converge(state)
	k.run("neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:77 dev v0")
	k.run("neighbor del 10.0.0.6 dev v0")
	k.run("neighbor add 10.0.0.6 lladdr 02:00:00:00:00:02 dev v0 nud noarp")
	k.converge(State{})
	k.wantNeighbors(State{}, "10.0.0.5 dev v0 lladdr 02:00:00:00:00:77 PERMANENT proto 76",
		"10.0.0.6 dev v0 lladdr 02:00:00:00:00:02 NOARP")
}

// TestNeighborInterfaces: neighbours wait for their interface, and records do not survive it.
func TestNeighborInterfaces(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Neighbors: []Neighbor{{Interface: "w0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)}}}
	if r := k.pass(state); len(r.Pending) != 1 || !strings.Contains(r.Pending[0].Err.Error(), "w0 does not exist") {
		t.Error(show(r))
	}
	k.Veth("w0", "w1")
	k.converge(state)
	k.run("link del w0")
	k.Veth("w0", "w1")
	k.run("neighbor add 10.0.0.5 lladdr 02:00:00:00:00:01 dev w0 protocol 76")
	k.converge(State{})
	k.wantNeighbors(State{}, "10.0.0.5 dev w0 lladdr 02:00:00:00:00:01 PERMANENT proto 76")

	state.Neighbors = []Neighbor{{Interface: "v1", Destination: ipa("10.0.0.6"), LinkAddr: mac(1)}}
	k.converge(state)
	k.run("link set v1 down")
	k.run("link set v1 name x1")
	k.run("link set x1 up")
	k.run("neighbor replace 10.0.0.6 lladdr 02:00:00:00:00:01 dev x1 protocol 76") // down took it
	k.converge(State{})
	k.wantNeighbors(State{}, "10.0.0.5 dev w0 lladdr 02:00:00:00:00:01 PERMANENT proto 76",
		"10.0.0.6 dev x1 lladdr 02:00:00:00:00:01 PERMANENT proto 76")
}

// TestNeighborFight: one that another keeps changing is left alone after a while; what the other has made
// of it is not taken for ours when it is no longer desired.
func TestNeighborFight(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Neighbors: everyNeighbor().Neighbors[:1]}
	for n := 0; k.pass(state).Converged; n++ {
		k.run("neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0")
		if n > 20 {
			t.Fatal("it goes on for ever")
		}
	}
	if len(k.last.neighbors) != 1 || k.last.neighbors[0].Neighbor != state.Neighbors[0] {
		t.Errorf("recorded: %+v", k.last.neighbors)
	}
	k.converge(State{})
	k.wantNeighbors(State{}, "10.0.0.5 dev v0 lladdr 02:00:00:00:00:99 PERMANENT proto 76")
}

// TestNeighborWithoutLinkAddr: on a tun there are none for IPv6, and no neighbours at all for IPv4.
func TestNeighborWithoutLinkAddr(t *testing.T) {
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no tun, the one kind of interface here without link-layer addresses: ", err)
	}
	tun.Close()
	k := newKernel(t, Options{})
	k.run("tuntap add tun0 mode tun")
	k.run("link set tun0 up")
	state := State{Neighbors: []Neighbor{{Interface: "tun0", Destination: ipa("2001:db8::7")}}}
	k.converge(state)
	k.settled(state)
	four := State{Neighbors: []Neighbor{{Interface: "tun0", Destination: ipa("10.0.0.5")}, {Interface: "lo", Destination: ipa("10.0.0.5")}}}
	r := k.pass(four)
	if len(r.Failed) != 2 || !errors.Is(r.Failed[0].Err, errSingle) {
		t.Error(show(r))
	}
	k.wantApplied(r, "delete "+state.Neighbors[0].String())
}

// TestNeighborOwnership: a claim alone deletes nothing; one that was carried out is known by what it made.
func TestNeighborOwnership(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Neighbors: everyNeighbor().Neighbors[:1]}
	stop := errors.New("killed")
	claimOf := func(state State) (claim LastApplied) {
		t.Helper()
		_, err := k.src.Reconcile(t.Context(), state, k.last, func(l LastApplied) error { claim = l; return stop })
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		data, err := json.Marshal(claim)
		claim = LastApplied{}
		if err := errors.Join(err, json.Unmarshal(data, &claim)); err != nil || !strings.Contains(string(data), `"claimed":true`) {
			t.Fatalf("%s: %v", data, err)
		}
		return claim
	}
	claim := claimOf(state)
	k.run("neighbor add 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0")
	k.last = claim
	k.settled(State{})
	k.run("neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0 protocol 76")
	k.last = claim
	if r := k.pass(state); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error("what was only claimed is taken for ours:", show(r))
	}
	k.run("neighbor del 10.0.0.5 dev v0")

	// Killed after the change, before the report.
	k.last = LastApplied{}
	claim = claimOf(state)
	k.converge(state)
	k.last = claim
	k.converge(State{})
	k.wantNeighbors(State{})

	// Killed before and after an update: it may be either.
	changed := State{Neighbors: slices.Clone(state.Neighbors)}
	changed.Neighbors[0].LinkAddr = mac(9)
	for _, done := range []bool{false, true} {
		k.converge(state)
		claim = claimOf(changed)
		if done {
			k.converge(changed)
		}
		k.last = claim
		k.converge(State{})
		k.wantNeighbors(State{})
	}
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	cut := &pass{want: x, survey: make(neighborModel).survey(x)}
	cut.survey.madeNeighbors = map[neighborKey]neighbor{cut.survey.wantedNeighbor(0).neighborKey: cut.survey.wantedNeighbor(0)}
	if owned := cut.ownedNeighbors(); len(owned) != 1 || !owned[0].Claimed || owned[0].Neighbor != state.Neighbors[0] {
		t.Errorf("made and not seen: %+v", owned)
	}
	if len(k.last.neighbors) != 0 {
		t.Errorf("still owned: %+v", k.last.neighbors)
	}
}

// TestNeighborMeanwhile: what another does between observation and change is respected.
func TestNeighborMeanwhile(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Neighbors: everyNeighbor().Neighbors[:1]}
	during := func(state State, command string) Report {
		t.Helper()
		return k.during(state, func() { k.run(command) })
	}
	theirs := "10.0.0.5 dev v0 lladdr 02:00:00:00:00:99 PERMANENT"
	if r := during(state, "neighbor add 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0"); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error(show(r))
	}
	k.wantNeighbors(State{}, theirs)
	k.run("neighbor change 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0 nud stale")
	if r := during(state, "neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0 nud permanent"); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error("learned, then made permanent:", show(r))
	}
	k.wantNeighbors(State{}, theirs)
	k.run("neighbor del 10.0.0.5 dev v0")
	k.converge(state)
	if r := during(State{}, "neighbor replace 10.0.0.5 lladdr 02:00:00:00:00:99 dev v0"); len(r.Applied) != 0 || !r.Converged {
		t.Error("made theirs:", show(r))
	}
	k.wantNeighbors(State{}, theirs+" proto 76")
}

// TestNeighborHints: neighbours' events are listened to where there are desired ones.
func TestNeighborHints(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	n := k.hints()
	state := State{Neighbors: everyNeighbor().Neighbors[:1]}
	k.converge(state)
	k.mustHear(n, func() { k.run("neighbor del 10.0.0.5 dev v0") })
	k.converge(state)
	k.converge(State{})
	k.silent(n, "neighbours, with none desired any more", func() {
		k.run("neighbor add 10.0.0.5 lladdr 02:00:00:00:00:01 dev v0")
		k.run("neighbor del 10.0.0.5 dev v0")
	})
}
