package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// ipLinks gives all interfaces but lo and the peers v0, v1 of every kernel, in the words of ip(8): the witness
// that shares no code with us.
func (k *kernel) ipLinks() []string {
	k.t.Helper()
	var links []map[string]any
	if err := json.Unmarshal([]byte(k.IP("-details", "-json", "link", "show")), &links); err != nil {
		k.t.Fatal(err)
	}
	var out []string
	for _, l := range links {
		if name := l["ifname"]; name != "lo" && name != "v0" && name != "v1" {
			out = append(out, k.ipLinkWords(l))
		}
	}
	slices.Sort(out)
	return out
}

// ipLink gives one interface.
func (k *kernel) ipLink(name string) string {
	k.t.Helper()
	var links []map[string]any
	if err := json.Unmarshal([]byte(k.IP("-details", "-json", "link", "show", "dev", name)), &links); err != nil {
		k.t.Fatal(err)
	}
	return k.ipLinkWords(links[0])
}

func (k *kernel) ipLinkWords(l map[string]any) string {
	words := []string{fmt.Sprint(l["ifname"])}
	for _, key := range []string{"mtu", "txqlen", "group", "ifalias", "master"} {
		v, ok := l[key]
		if ok && !(key == "mtu" && v == 1500.0) && !(key == "txqlen" && (v == 1000.0 || v == 0.0 || v == 32.0)) && !(key == "group" && v == "default") {
			words = append(words, key, fmt.Sprint(v))
		}
	}
	if flags, _ := l["flags"].([]any); slices.Contains(flags, any("UP")) {
		words = append(words, "up")
	}
	if others, _ := l["altnames"].([]any); len(others) > 0 {
		words = append(words, fmt.Sprint("altnames ", others))
	}
	info, _ := l["linkinfo"].(map[string]any)
	if kind := info["info_kind"]; kind != nil {
		words = append(words, "type", fmt.Sprint(kind))
	}
	return strings.Join(words, " ")
}

// wantLinks checks which interfaces there are.
func (k *kernel) wantLinks(want ...string) {
	k.t.Helper()
	if got := k.ipLinks(); !slices.Equal(got, want) {
		k.t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantLink checks one of them.
func (k *kernel) wantLink(want string) {
	k.t.Helper()
	name, _, _ := strings.Cut(want, " ")
	if got := k.ipLink(name); got != want {
		k.t.Fatalf("there is %q, not %q", got, want)
	}
}

// restart forgets all but what a consumer has kept as JSON.
func (k *kernel) restart() {
	k.t.Helper()
	data, err := json.Marshal(k.last)
	k.last = LastApplied{}
	if err := errors.Join(err, json.Unmarshal(data, &k.last)); err != nil {
		k.t.Fatal(err)
	}
	k.src.Close()
	k.src = New(k.src.ns, k.src.opts)
	k.t.Cleanup(func() { k.src.Close() })
}

// killed gives what was claimed for a pass that did not come to its first change.
func (k *kernel) killed(state State) (claim LastApplied) {
	k.t.Helper()
	stop := errors.New("killed")
	if _, err := k.src.Reconcile(k.t.Context(), state, k.last, func(l LastApplied) error { claim = l; return stop }); !errors.Is(err, stop) {
		k.t.Fatal(err)
	}
	return claim
}

// TestLinkStack: a whole configuration, written in the worst order, is there after one pass, and gone after
// another.
func TestLinkStack(t *testing.T) {
	k, other := newKernel(t, Options{}), testns.New(t)
	state := State{
		Rules:     []Rule{{Priority: 10, From: pfx("10.9.0.0/24"), Table: 100}},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.9.0.7"), Table: 100}, {Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.9.0.8")}},
		Neighbors: []Neighbor{{Interface: "br0", Destination: ipa("10.9.0.7"), LinkAddr: mac(7)}},
		Addresses: []Address{on("br0", "10.9.0.1/24")},
		Links: []Link{
			{Name: "p1", Master: "br0", Admin: Up, MTU: 1400},
			{Name: "p0", Kind: KindVeth, Master: "br0", Admin: Up, Alias: "to the other", Veth: Veth{Peer: "eth0", PeerNamespace: other.Namespace()}},
			{Name: "q1", Kind: KindVeth, Veth: Veth{Peer: "p1"}},
			{Name: "br0", Kind: "bridge", Admin: Up, AltNames: []string{"lan"}},
		},
	}
	plan, err := k.src.Plan(t.Context(), state, LastApplied{})
	if err != nil || len(plan) != 6 { // the rest waits for what is not there
		t.Error(plan, err)
	}
	k.wantApplied(k.pass(state), "create link br0 up type bridge", "create link q1 type veth peer name p1",
		"create link p0 alias 'to the other' master br0 up type veth peer name eth0 netns "+other.Path(),
		"update link p1 mtu 1400", "update link p1 master br0", "update link p1 up",
		"create address 10.9.0.1/24 dev br0", "create neighbor 10.9.0.7 lladdr 02:00:00:00:00:07 dev br0 nud permanent",
		"create route 10.1.0.0/16 via 10.9.0.7 table 100", "create route 10.2.0.0/16 via 10.9.0.8",
		"create rule from 10.9.0.0/24 lookup 100 priority 10")
	k.wantLinks("br0 mtu 1400 up altnames [lan] type bridge", "p0 ifalias to the other master br0 up type veth",
		"p1 mtu 1400 master br0 up type veth", "q1 type veth")
	if _, err := other.Netlink().LinkByName("eth0"); err != nil {
		t.Error(err)
	}
	k.settled(state)
	k.restart()
	k.settled(state)
	// What another deletes comes back with all that stood on it, in one pass.
	k.run("link del br0")
	k.run("link del p1")
	if r := k.pass(state); !r.Converged {
		t.Error(show(r))
	}
	k.settled(state)
	k.restart()
	k.wantApplied(k.pass(State{}), "delete rule from 10.9.0.0/24 lookup 100 priority 10",
		"delete route 10.1.0.0/16 via 10.9.0.7 dev br0 table 100", "delete route 10.2.0.0/16 via 10.9.0.8 dev br0",
		"delete neighbor 10.9.0.7 lladdr 02:00:00:00:00:07 dev br0 nud permanent", "delete address 10.9.0.1/24 dev br0",
		"delete link p0 type veth", "delete link q1 type veth", "delete link br0 type bridge")
	k.wantLinks()
	k.settled(State{})
}

// TestLinkPeerNamespace: a pair waits for the namespace of its other end, and goes and comes with that.
func TestLinkPeerNamespace(t *testing.T) {
	k, other := newKernel(t, Options{}), testns.New(t)
	state := State{Links: []Link{{Name: "p0", Kind: KindVeth, Admin: Up, Veth: Veth{Peer: "eth0", PeerNamespace: other.Namespace()}}}}
	k.converge(state)
	other.IP("link", "set", "eth0", "name", "lan")
	k.settled(state) // its name is the other namespace's business
	other.Remove()
	k.eventually(func() bool { return len(k.ipLinks()) == 0 })
	if r := k.pass(state); len(r.Pending) != 1 || !strings.Contains(r.Pending[0].Err.Error(), "other end's namespace") {
		t.Error(show(r))
	}
	other.Replace()
	k.converge(state)
	// The path names another namespace, and something keeps the old one.
	f, err := os.Open(other.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other.Replace()
	r := k.pass(state)
	if len(r.Failed) != 1 || !strings.HasSuffix(r.Failed[0].Err.Error(), "Recreate: peer") {
		t.Error(show(r))
	}
	state.Links = slices.Clone(state.Links)
	state.Links[0].Recreate = true
	k.wantApplied(k.converge(state), "delete link p0 type veth", "create "+state.Links[0].String())
	if _, err := other.Netlink().LinkByName("eth0"); err != nil {
		t.Error(err)
	}
	k.settled(state)
	other.Remove()
	k.eventually(func() bool { return len(k.ipLinks()) == 0 })
	own := State{Links: []Link{{Name: "p0", Kind: KindVeth, Veth: Veth{Peer: "eth0", PeerNamespace: k.Namespace()}}}}
	if r := k.pass(own); len(r.Pending) != 1 || !strings.Contains(r.Pending[0].Err.Error(), "leave out PeerNamespace") {
		t.Error(show(r))
	}
	k.wantLinks()
}

// TestLinkPeerProcess: the namespace of a process is that of this one process.
func TestLinkPeerProcess(t *testing.T) {
	k, other := newKernel(t, Options{}), testns.New(t)
	process := other.Process()
	ns := linx.PID(process.PID())
	state := State{Links: []Link{{Name: "p0", Kind: KindVeth, Veth: Veth{Peer: "eth0", PeerNamespace: ns}}}}
	k.converge(state)
	k.settled(state)
	process.Kill()
	other.IP("link", "del", "eth0")
	handle := k.src.peers[ns]
	r := k.pass(state)
	if len(r.Pending) != 1 || !errors.Is(r.Pending[0].Err, linx.ErrNamespaceGone) || handle == nil || k.src.peers[ns] != handle {
		t.Error("another process of that pid would be taken for it:", show(r))
	}
	k.converge(State{})
	if len(k.src.peers) != 0 {
		t.Errorf("kept: %v", k.src.peers)
	}
}
