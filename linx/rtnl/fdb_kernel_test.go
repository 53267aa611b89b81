package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// newBridged is a kernel with v0 in the bridge br0, v1 beside it, the vxlan vx0 of network 42, and vx1 of
// many.
func newBridged(t *testing.T, opts Options) *kernel {
	t.Helper()
	k := newKernel(t, opts)
	k.run("link add br0 type bridge")
	k.run("link set br0 up")
	k.run("link set v0 master br0")
	k.run("link add vx0 type vxlan id 42 dstport 4789 local 10.0.0.1")
	k.run("link add vx1 type vxlan external dstport 4790")
	return k
}

// bridge is bridge(8) where that is installed; where not, the test is skipped.
func (k *kernel) bridge(command string) string {
	k.t.Helper()
	if _, err := exec.LookPath("bridge"); err != nil {
		k.t.Skip("bridge(8) is not installed")
	}
	var out []byte
	k.Do(func() {
		var err error
		if out, err = exec.Command("bridge", strings.Fields(command)...).CombinedOutput(); err != nil {
			k.t.Fatalf("bridge %s: %v: %s", command, err, out)
		}
	})
	return string(out)
}

// fdb gives what is permanent or static, in the words of bridge(8), but for the kernel's own.
func (k *kernel) fdb() []string {
	k.t.Helper()
	var entries []struct {
		MAC, Ifname, Dst, ViaIf, Master, State string
		Vlan, Port, VNI                        int
		SrcVNI                                 int `json:"src_vni"`
		Flags                                  []string
	}
	if err := json.Unmarshal([]byte(k.bridge("-json fdb show")), &entries); err != nil {
		k.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		own := strings.HasPrefix(e.MAC, "33:33") || strings.HasPrefix(e.MAC, "01:00:5e:00:00:01") ||
			strings.HasPrefix(e.MAC, "01:00:5e:00:00:6a") || !strings.HasSuffix(e.MAC[:14], ":00:00") // ports' own
		if own || e.State != "permanent" && e.State != "static" {
			continue
		}
		var words []string
		for _, w := range []struct {
			name string
			v    any
		}{{"fdb", e.MAC}, {"dev", e.Ifname}, {"dst", e.Dst}, {"vlan", e.Vlan}, {"port", e.Port}, {"vni", e.VNI},
			{"src_vni", e.SrcVNI}, {"via", e.ViaIf}} {
			if w.v != "" && w.v != 0 {
				words = append(words, w.name, fmt.Sprint(w.v))
			}
		}
		if e.Master != "" && e.Master != e.Ifname {
			words = append(words, "master")
		} else {
			words = append(words, "self")
		}
		words = append(words, e.State)
		if slices.Contains(e.Flags, "sticky") {
			words = append(words, "sticky")
		}
		out = append(out, strings.Join(words, " "))
	}
	slices.Sort(out)
	return out
}

// wantFDB checks that the entries are those of a state, and others'.
func (k *kernel) wantFDB(state State, others ...string) {
	k.t.Helper()
	want := slices.Clone(others)
	for _, n := range state.Neighbors {
		if n.Interface == "vx0" && n.FDB.Port == 4789 { // the vxlan's own, which nobody shows
			n.FDB.Port = 0
		}
		want = append(want, n.String())
	}
	slices.Sort(want)
	if got := k.fdb(); !slices.Equal(got, want) {
		k.t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func self(n Neighbor, f FDB) Neighbor {
	n.FDB, n.FDB.Of = f, Self
	return n
}

func everyStation() State {
	toVTEP := func(mac MAC, dst string) Neighbor {
		return Neighbor{Interface: "vx0", LinkAddr: mac, Destination: ipa(dst)}
	}
	static := toVTEP(mac(2), "10.0.0.7")
	static.State = Static
	external := toVTEP(mac(1), "10.0.0.9")
	external.Interface = "vx1"
	return State{Neighbors: []Neighbor{
		self(toVTEP(mac(1), "10.0.0.7"), FDB{}),
		self(static, FDB{Port: 4789}),
		self(toVTEP(mac(3), "10.0.0.8"), FDB{Port: 8472, VNI: 5, Via: "v1"}),
		self(toVTEP(MAC{}, "10.0.0.7"), FDB{}),
		self(toVTEP(MAC{}, "10.0.0.8"), FDB{VNI: 5}),
		self(toVTEP(MAC{1, 0, 0x5e, 0, 0, 9}, "10.0.0.8"), FDB{}),
		self(toVTEP(MAC{1, 0, 0x5e, 0, 0, 9}, "10.0.0.9"), FDB{}),
		self(external, FDB{SrcVNI: 7, VNI: 8}),
		self(external, FDB{SrcVNI: 9, VNI: 8}),
		{Interface: "v0", LinkAddr: mac(1), FDB: FDB{Of: Master}},
		{Interface: "v0", LinkAddr: mac(2), State: Static, FDB: FDB{Of: Master}},
		{Interface: "v0", LinkAddr: mac(3), State: Static, FDB: FDB{Of: Master, Sticky: true}},
		self(Neighbor{Interface: "br0", LinkAddr: mac(4)}, FDB{}),
		self(Neighbor{Interface: "v1", LinkAddr: mac(5)}, FDB{}),
	}}
}

// TestFDB: from nothing to every shape, which then needs nothing, through loss and change, and back to
// nothing; what others have stays.
func TestFDB(t *testing.T) {
	k := newBridged(t, Options{})
	k.bridge("fdb add 02:00:00:00:00:90 dev vx0 dst 10.0.0.9")
	k.bridge("fdb append 00:00:00:00:00:00 dev vx0 dst 10.0.0.9")
	k.bridge("fdb add 02:00:00:00:00:90 dev v0 master static")
	k.bridge("fdb add 02:00:00:00:00:91 dev v0 self")
	others := k.fdb()
	state := everyStation()
	r := k.converge(state)
	if len(r.Applied) != len(state.Neighbors) || r.Applied[0].String() != "create fdb 02:00:00:00:00:01 dev vx0 dst 10.0.0.7 self permanent" {
		t.Error(show(r))
	}
	k.wantFDB(state, others...)
	k.settled(state)

	k.bridge("fdb del 02:00:00:00:00:01 dev vx0 dst 10.0.0.7")
	k.bridge("fdb del 00:00:00:00:00:00 dev vx0 dst 10.0.0.8 vni 5")
	k.bridge("fdb del 02:00:00:00:00:02 dev v0 master")
	k.bridge("fdb del 02:00:00:00:00:05 dev v1 self")
	k.wantApplied(k.converge(state), "create "+state.Neighbors[0].String(), "create "+state.Neighbors[4].String(),
		"create "+state.Neighbors[10].String(), "create "+state.Neighbors[13].String())
	k.wantFDB(state, others...)

	other := State{Neighbors: slices.Clone(state.Neighbors[:11])}
	other.Neighbors[0].Destination = ipa("10.0.0.99")
	other.Neighbors[1].State = Permanent
	other.Neighbors[3].Destination = ipa("10.0.0.77")
	other.Neighbors[5].State, other.Neighbors[6].State = Static, Static
	other.Neighbors[9].State = Static
	k.converge(other)
	k.wantFDB(other, others...)
	k.settled(other)
	k.converge(State{})
	k.wantFDB(State{}, others...)
	k.settled(State{})
}

// TestLearnedStation: what the kernel has learned, on whatever port, is taken over where an entry is
// desired, and only there.
func TestLearnedStation(t *testing.T) {
	k := newBridged(t, Options{})
	k.Veth("w0", "w1")
	k.run("link set w0 master br0")
	k.bridge("fdb add 02:00:00:00:00:01 dev w0 master dynamic")
	k.bridge("fdb add 02:00:00:00:00:02 dev v0 master dynamic")
	k.bridge("fdb add 02:00:00:00:00:01 dev vx0 dst 10.0.0.9 dynamic")
	k.bridge("fdb add 02:00:00:00:00:02 dev vx0 dst 10.0.0.9 dynamic")
	state := State{Neighbors: []Neighbor{
		{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
		self(Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{}),
	}}
	k.wantApplied(k.converge(State{Neighbors: state.Neighbors[:1]}), "update "+state.Neighbors[0].String())
	k.wantApplied(k.converge(state), "update "+state.Neighbors[1].String())
	k.wantFDB(state)
	k.converge(State{})
	k.wantFDB(State{})
	if left := k.bridge("fdb show dynamic"); strings.Count(left, "02:00:00:00:00:02") != 2 {
		t.Error("what was learned is gone: ", left)
	}
}

// TestFDBConflict: a foreign one in the place of ours, under each policy.
func TestFDBConflict(t *testing.T) {
	for _, policy := range []ConflictPolicy{Refuse, Adopt, TakeOver} {
		k := newBridged(t, Options{Conflict: policy})
		k.Veth("w0", "w1")
		k.run("link set w0 master br0")
		k.bridge("fdb add 02:00:00:00:00:01 dev v0 master static")
		k.bridge("fdb add 02:00:00:00:00:02 dev w0 master static")
		k.bridge("fdb add 02:00:00:00:00:01 dev vx0 dst 10.0.0.9")
		k.bridge("fdb append 00:00:00:00:00:00 dev vx0 dst 10.0.0.9 static")
		others := k.fdb()
		state := State{Neighbors: []Neighbor{
			{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
			{Interface: "v0", LinkAddr: mac(2), State: Static, FDB: FDB{Of: Master}},
			self(Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{}),
			self(Neighbor{Interface: "vx0", Destination: ipa("10.0.0.7")}, FDB{}), // would change the other
		}}
		r := k.pass(state)
		var conflict *ConflictError
		if policy != TakeOver && (len(r.Failed) != 3 || !errors.As(r.Failed[0].Err, &conflict) ||
			!strings.Contains(r.Failed[0].Err.Error(), "fdb 02:00:00:00:00:02 dev w0 master static")) {
			t.Error(policy, show(r))
		}
		if want := map[ConflictPolicy]int{Refuse: 0, Adopt: 1, TakeOver: 4}[policy]; len(r.Applied) != want {
			t.Error(policy, show(r))
		}
		if policy == TakeOver {
			k.wantFDB(state, "fdb 00:00:00:00:00:00 dev vx0 dst 10.0.0.9 self permanent")
		} else {
			k.wantFDB(State{}, others...)
		}
		if r := k.pass(state); len(r.Applied) != 0 {
			t.Error(policy, "and again", show(r))
		}
		k.pass(State{})
		switch policy {
		case Refuse:
			k.wantFDB(State{}, others...)
		case Adopt:
			k.wantFDB(State{}, slices.DeleteFunc(others, func(s string) bool { return s == state.Neighbors[0].String() })...)
		case TakeOver:
			k.wantFDB(State{}, "fdb 00:00:00:00:00:00 dev vx0 dst 10.0.0.9 self permanent")
		}
	}
}

// TestFDBInterfaces: entries wait for their interface, and for it to be a port; records do not survive it;
// what cannot be fails.
func TestFDBInterfaces(t *testing.T) {
	k := newBridged(t, Options{})
	vtep := Neighbor{Interface: "vx9", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}
	state := State{Neighbors: []Neighbor{
		self(vtep, FDB{}),
		self(Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{Via: "w9"}),
		{Interface: "v1", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
	}}
	r := k.pass(state)
	for i, want := range []string{"vx9 does not exist", "w9 does not exist", "v1 is no port"} {
		if len(r.Pending) != 3 || !strings.Contains(r.Pending[i].Err.Error(), want) {
			t.Error(want, show(r))
		}
	}
	k.run("link add vx9 type vxlan id 9 dstport 4789")
	k.Veth("w9", "w8")
	k.run("link set v1 master br0")
	k.converge(state)
	k.wantFDB(state)
	k.run("link del vx9")
	k.run("link add vx9 type vxlan id 9 dstport 4789")
	k.run("link set v1 nomaster")
	k.run("link set v1 master br0")
	if r := k.converge(state); len(r.Applied) != 2 {
		t.Error("recreated:", show(r))
	}
	k.wantFDB(state)
	k.run("link del vx9")
	k.run("link add vx9 type vxlan id 9 dstport 4789")
	k.bridge("fdb add 02:00:00:00:00:01 dev vx9 dst 10.0.0.7")
	k.converge(State{})
	k.wantFDB(State{}, state.Neighbors[0].String())

	for want, n := range map[string]Neighbor{
		"v1 is no vxlan":           self(Neighbor{Interface: "v1", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{}),
		"vx0 has one network":      self(Neighbor{Interface: "vx0", Destination: ipa("10.0.0.7")}, FDB{SrcVNI: 3}),
		"no Destination":           self(Neighbor{Interface: "vx0", LinkAddr: mac(2)}, FDB{}),
		"v1 is no bridge":          self(Neighbor{Interface: "v1", LinkAddr: mac(1)}, FDB{Vlan: 3}),
		"State Permanent is all":   self(Neighbor{Interface: "v1", LinkAddr: mac(1), State: Static}, FDB{}),
		"invalid argument":         {Interface: "v0", LinkAddr: mac(2), FDB: FDB{Of: Master, Vlan: 3}},
		"in each VLAN of the port": {Interface: "v0", LinkAddr: mac(1), FDB: FDB{Of: Master, Vlan: 3}},
		"has the same place in th": {Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
	} {
		r := k.pass(State{Neighbors: []Neighbor{{Interface: "v1", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}}, n}})
		if len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Err.Error(), want) {
			t.Error(want, show(r))
		}
	}
}

// TestFDBOwnership: ours is what is just as we made it. A claim deletes nothing, and what another has changed
// or moved is the other's.
func TestFDBOwnership(t *testing.T) {
	k := newBridged(t, Options{})
	k.Veth("w0", "w1")
	k.run("link set w0 master br0")
	state := State{Neighbors: []Neighbor{
		{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}},
		self(Neighbor{Interface: "vx0", LinkAddr: mac(1), Destination: ipa("10.0.0.7")}, FDB{VNI: 42}),
		self(Neighbor{Interface: "vx0", Destination: ipa("10.0.0.7")}, FDB{Via: "v1"}),
	}}
	stop := errors.New("killed")
	var claim LastApplied
	if _, err := k.src.Reconcile(t.Context(), state, k.last, func(l LastApplied) error { claim = l; return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	k.converge(state)
	data, err := json.Marshal(claim)
	k.last = LastApplied{}
	if err := errors.Join(err, json.Unmarshal(data, &k.last)); err != nil {
		t.Fatal(err)
	}
	k.settled(State{})
	theirs := k.fdb()
	if len(theirs) != 3 {
		t.Fatal("deleted on a claim alone")
	}
	k.settled(state)
	k.settled(State{})
	k.wantFDB(State{}, theirs...)

	k.bridge("fdb del 02:00:00:00:00:01 dev v0 master")
	k.bridge("fdb del 02:00:00:00:00:01 dev vx0")
	k.bridge("fdb del 00:00:00:00:00:00 dev vx0 dst 10.0.0.7 via v1")
	k.converge(state)
	data, err = json.Marshal(k.last)
	k.last = LastApplied{}
	if err := errors.Join(err, json.Unmarshal(data, &k.last)); err != nil || len(k.last.neighbors) != 3 {
		t.Fatal(err, string(data))
	}
	k.bridge("fdb replace 02:00:00:00:00:01 dev w0 master static")
	k.bridge("fdb replace 02:00:00:00:00:01 dev vx0 dst 10.0.0.9")
	if r := k.pass(state); len(r.Failed) != 2 || len(r.Applied) != 0 {
		t.Error("changed by another:", show(r))
	}
	k.wantApplied(k.converge(State{}), "delete "+state.Neighbors[2].String())
	k.wantFDB(State{}, "fdb 02:00:00:00:00:01 dev w0 master static", "fdb 02:00:00:00:00:01 dev vx0 dst 10.0.0.9 self permanent")
}

// TestFDBMeanwhile: what another does between observation and change is respected.
func TestFDBMeanwhile(t *testing.T) {
	k := newBridged(t, Options{})
	state := State{Neighbors: []Neighbor{{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}}}}
	during := func(state State, command string) Report {
		t.Helper()
		return k.during(state, func() { k.bridge(command) })
	}
	theirs := "fdb 02:00:00:00:00:01 dev v0 master permanent"
	if r := during(state, "fdb add 02:00:00:00:00:01 dev v0 master permanent"); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error(show(r))
	}
	k.wantFDB(State{}, theirs)
	k.bridge("fdb replace 02:00:00:00:00:01 dev v0 master dynamic")
	if r := during(state, "fdb replace 02:00:00:00:00:01 dev v0 master permanent"); len(r.Failed) != 1 || len(r.Applied) != 0 {
		t.Error("learned, then made permanent:", show(r))
	}
	k.wantFDB(State{}, theirs)
	k.bridge("fdb del 02:00:00:00:00:01 dev v0 master")
	k.converge(state)
	if r := during(State{}, "fdb replace 02:00:00:00:00:01 dev v0 master permanent"); len(r.Applied) != 0 || !r.Converged {
		t.Error("made theirs:", show(r))
	}
	k.wantFDB(State{}, theirs)
}

// TestObserveFDB: what has been configured is said, what the kernel makes is not, nor what a State cannot
// say. On v1 there is no telling one from the other.
func TestObserveFDB(t *testing.T) {
	k := newBridged(t, Options{})
	state := everyStation()
	state.Neighbors = slices.DeleteFunc(state.Neighbors, func(n Neighbor) bool { return n.Interface == "v1" })
	k.converge(state)
	k.run("link add vx2 type vxlan id 2 dstport 4789 remote 10.0.0.5")
	k.bridge("fdb append 00:00:00:00:00:00 dev vx2 dst 10.0.0.6")
	k.bridge("fdb add 02:00:00:00:00:90 dev v0 master static extern_learn")
	k.bridge("fdb add 02:00:00:00:00:91 dev vx2 dst 10.0.0.6 static extern_learn")
	k.bridge("fdb add 02:00:00:00:00:92 dev vx2 dst 10.0.0.6 dynamic")
	got, unsaid, err := k.src.Observe(t.Context())
	if err != nil || len(unsaid) != 2 || !strings.HasPrefix(unsaid[1], "fdb 02:00:00:00:00:91 dev vx2 dst 10.0.0.6 self static") {
		t.Error(unsaid, err)
	}
	k.wantFDB(got, "fdb 00:00:00:00:00:00 dev vx2 dst 10.0.0.5 self permanent",
		"fdb 02:00:00:00:00:91 dev vx2 dst 10.0.0.6 self static")
	if err := k.src.Validate(got); err != nil {
		t.Error(err)
	}
	k.settled(got)
}

// TestFDBHints: what becomes of ours is heard, and what a bridge learns is not, unless it may help.
func TestFDBHints(t *testing.T) {
	k := newBridged(t, Options{})
	k.silence()
	k.sysctl("net/ipv6/conf/br0/disable_ipv6", "1")
	n := k.hints()
	state := State{Neighbors: []Neighbor{{Interface: "v0", LinkAddr: mac(1), State: Static, FDB: FDB{Of: Master}}}}
	k.converge(state)
	learn := func() { k.bridge("fdb replace 02:00:00:00:00:02 dev v0 master dynamic") }
	k.silent(n, "what a bridge learns", learn)
	k.mustHear(n, func() { k.bridge("fdb replace 02:00:00:00:00:01 dev v0 master permanent") })
	if r := k.pass(state); len(r.Failed) != 1 {
		t.Error(show(r))
	}
	k.bridge("fdb del 02:00:00:00:00:02 dev v0 master")
	k.mustHear(n, learn)
	k.mustHear(n, func() { k.bridge("fdb del 02:00:00:00:00:01 dev v0 master") })
	k.converge(state)
	k.mustHear(n, func() { k.bridge("fdb del 02:00:00:00:00:01 dev v0 master") })
}
