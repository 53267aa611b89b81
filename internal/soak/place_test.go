package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// place is a namespace with its three loops.
type place struct {
	*testns.Net
	w       *world
	n       int
	name    string
	process *testns.Process // nil: known by its path

	main, side *rtnlHome
	sysctls    *sysctlHome

	// The model of what is others'.
	filled     []bool         // slots
	taken      [disputes]bool // addresses in dispute that are others' now
	takenRoute bool
	replaced   []rtnl.Route            // what has replaced routes of side, and may be there still
	values     map[string]string       // sysctls that no loop wants
	originals  map[string]sysctl.Value // of those that loops want
	renamed    map[string]bool         // interfaces that were; the originals of their keys are lost
}

func (w *world) newPlace(n int, tree *suture.Supervisor) *place {
	p := &place{Net: testns.New(w.t), w: w, n: n, name: fmt.Sprint("place", n), filled: make([]bool, len(slots))}
	for i := range slots {
		p.filled[i] = slots[i].fixed
	}
	p.furnish()
	if n >= byPath {
		p.process = p.Process()
	}
	routed := func(name string, options rtnl.Options, draw func(*rand.Rand, bool) rtnl.State, cfg rtnl.Config) *rtnlHome {
		return &rtnlHome{
			t: w.t, name: p.name + "/" + name, tree: tree, draw: draw, cfg: cfg,
			source: func() (reconcile.Source[rtnl.State, rtnl.LastApplied], fallible) {
				src := rtnlSource{rtnl.New(p.namespace(), options), new(saboteur)}
				return src, src
			},
		}
	}
	// The one has a slow timer, the other none: both need what the monitor tells.
	p.main = routed("main", rtnl.Options{Protocol: mainProtocol}, drawMain,
		rtnl.Config{Interval: time.Second, Debounce: 5 * time.Millisecond})
	p.side = routed("side", rtnl.Options{Protocol: sideProtocol, Conflict: rtnl.TakeOver}, drawSide,
		rtnl.Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	p.sysctls = &sysctlHome{
		t: w.t, name: p.name + "/sysctl", tree: tree, draw: drawKnobs,
		cfg: sysctl.Config{Interval: 300 * time.Millisecond, Debounce: 5 * time.Millisecond},
		source: func() (reconcile.Source[sysctl.Settings, sysctl.LastApplied], fallible) {
			src := sysctlSource{sysctl.New(p.namespace(), sysctl.Options{RevertOnRelease: true}), new(saboteur)}
			return src, src
		},
	}
	return p
}

type (
	rtnlHome   = home[rtnl.State, rtnl.LastApplied]
	sysctlHome = home[sysctl.Settings, sysctl.LastApplied]
)

// namespace is by what the loops know it.
func (p *place) namespace() linx.Namespace {
	if p.process != nil {
		return linx.PID(p.process.PID())
	}
	return p.Namespace()
}

// furnish makes a bare namespace what the loops expect, with what others have there.
func (p *place) furnish() {
	p.w.t.Helper()
	if p.n != 0 { // one waits for duplicate address detection
		p.write("net.ipv6.conf.all.accept_dad", "0")
		p.write("net.ipv6.conf.default.accept_dad", "0")
	}
	p.write("net.ipv4.conf.all.promote_secondaries", fmt.Sprint(p.n%2))
	p.Veth("v0", "v1")
	p.VethTo("w0", p.w.hub, p.farEnd())
	p.values, p.renamed, p.taken, p.takenRoute = map[string]string{}, map[string]bool{}, [disputes]bool{}, false
	if p.originals == nil { // later ones are the same, but the loops are there already
		p.readOriginals()
	}
	p.restore()
}

func (p *place) readOriginals() {
	p.originals = map[string]sysctl.Value{}
	for _, k := range knobs {
		original := sysctl.Value(p.read(k.name))
		if slices.Contains(k.values, original) {
			p.w.t.Fatalf("%s is %q already", k.name, original)
		}
		p.originals[k.name] = original
	}
}

// farEnd is the name of w0's other end.
func (p *place) farEnd() string { return fmt.Sprint("far", p.n) }

// restore brings back what is others' after they themselves have broken it.
func (p *place) restore() {
	p.w.t.Helper()
	for i := range slots {
		if !p.filled[i] {
			continue
		}
		if err := slots[i].fill(p.Netlink()); err != nil {
			p.w.fail("%s: restoring %v: %v", p.name, &slots[i], err)
		}
	}
}

// toggle fills or empties a slot.
func (p *place) toggle(i int) {
	p.w.t.Helper()
	do := slots[i].fill
	if p.filled[i] {
		do = slots[i].empty
	}
	if err := do(p.Netlink()); err != nil {
		p.w.fail("%s: %v (there: %v): %v", p.name, &slots[i], p.filled[i], err)
	}
	p.filled[i] = !p.filled[i]
	p.restore() // emptying one can take others along: secondaries
}

// awaitKnobs waits until the sysctl loop has seen a new namespace, and so knows the originals.
func (p *place) awaitKnobs() {
	p.w.t.Helper()
	if !poll(time.Minute, func() bool {
		for name, value := range p.sysctls.desired {
			if k := knobOf(name); k != nil && p.read(name) != string(value) {
				return false
			}
		}
		return true
	}) {
		p.w.fail("%s: sysctls are not set: %s", p.name, p.sysctls.explain())
	}
}

func knobOf(name string) *knob {
	for i := range knobs {
		if knobs[i].name == name {
			return &knobs[i]
		}
	}
	return nil
}
