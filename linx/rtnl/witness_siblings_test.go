package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestWitnessSiblings: IPv6 routes of one destination and metric are merged, whoever's they are, and shown
// under the first one's protocol. Whatever others do there, ours comes to be beside theirs, or is said to
// conflict; it goes again, and none of theirs with it.
func TestWitnessSiblings(t *testing.T) {
	newWitness(t, nil)
	fewChecks(t, 10)
	rapid.Check(t, func(t *rapid.T) {
		w := &siblings{world: newWorld(t), hops: make(map[sibling]string)}
		defer w.close()
		for _, s := range rapid.SliceOfN(siblingSteps, 1, 8).Draw(t, "steps") {
			w.step(s)
		}
		w.step(siblingStep{desired: make([][]int, len(siblingPlaces))})
		w.tell()
	})
}

var (
	siblingPlaces   = []string{"2001:db8:50::/48 metric 1024", "2001:db8:50::/48 metric 5"}
	siblingGateways = []string{"2001:db8:a::9 dev v0", "2001:db8:a::a dev v0", "2001:db8:b::9 dev v1", "fe80::9 dev v0"}
)

// sibling is a next hop.
type sibling struct{ place, gateway int }

func (s sibling) command(verb, protocol string) string {
	dst, metric, _ := strings.Cut(siblingPlaces[s.place], " ")
	return fmt.Sprintf("-6 route %s %s via %s %s proto %s", verb, dst, siblingGateways[s.gateway], metric, protocol)
}

type siblingDeed struct {
	verb string
	sibling
	protocol string // a number: between names and numbers, ip(8) 6.1 takes one for the other
}

type siblingStep struct {
	drift   []siblingDeed
	desired [][]int // gateways, by place; nil: as before
	restart bool
	policy  ConflictPolicy
}

func (s siblingStep) GoString() string {
	var b strings.Builder
	for _, d := range s.drift {
		b.WriteString("\n\tip " + d.command(d.verb, d.protocol))
	}
	return b.String() + fmt.Sprintf("\n\tdesired %v, restart %v, policy %d", s.desired, s.restart, s.policy)
}

var siblingSteps = rapid.Custom(func(t *rapid.T) siblingStep {
	deed := rapid.Custom(func(t *rapid.T) siblingDeed {
		return siblingDeed{
			rapid.SampledFrom([]string{"append", "append", "del", "replace"}).Draw(t, "verb"),
			sibling{rapid.IntRange(0, len(siblingPlaces)-1).Draw(t, "place"), rapid.IntRange(0, len(siblingGateways)-1).Draw(t, "gateway")},
			rapid.SampledFrom([]string{"4", "12", ourTag}).Draw(t, "protocol"),
		}
	})
	s := siblingStep{
		drift:   rapid.SliceOfN(deed, 0, 5).Draw(t, "drift"),
		restart: rapid.Bool().Draw(t, "restart"),
		policy:  rapid.SampledFrom([]ConflictPolicy{Refuse, Adopt, TakeOver}).Draw(t, "policy"),
	}
	s.drift = slices.DeleteFunc(s.drift, func(d siblingDeed) bool { return d.protocol == ourTag && d.verb != "del" })
	if rapid.Bool().Draw(t, "new desired") {
		for range siblingPlaces {
			s.desired = append(s.desired, rapid.SliceOfNDistinct(rapid.IntRange(0, len(siblingGateways)-1), 0, 3, rapid.ID[int]).Draw(t, "gateways"))
		}
	}
	return s
})

type siblings struct {
	*world
	hops   map[sibling]string // whose they are
	wanted map[sibling]bool
}

func (w *siblings) step(s siblingStep) {
	w.clock = w.clock.Add(60 * 60 * 1e9)
	var commands []string
	for _, d := range s.drift {
		commands = append(commands, d.command(d.verb, d.protocol))
		owner, there := w.hops[d.sibling]
		switch {
		case d.verb == "append" && !there:
			w.hops[d.sibling] = d.protocol
		case d.verb == "del" && owner == d.protocol:
			delete(w.hops, d.sibling)
		case d.verb == "replace":
			maps.DeleteFunc(w.hops, func(h sibling, _ string) bool { return h.place == d.place })
			w.hops[d.sibling] = d.protocol
		}
	}
	if len(commands) > 0 {
		_ = w.try(commands...)
	}
	if seen := w.look(); !maps.Equal(seen, presence(w.hops)) {
		w.t.Fatalf("the model is wrong: %v, not %v", seen, w.hops)
	}
	if s.restart {
		w.restart(step{policy: s.policy})
	}
	if s.desired != nil {
		w.desire(s.desired)
	}
	w.check()
}

func presence(hops map[sibling]string) map[sibling]bool {
	out := make(map[sibling]bool)
	for h := range hops {
		out[h] = true
	}
	return out
}

func (w *siblings) desire(gateways [][]int) {
	w.state, w.wanted = State{}, make(map[sibling]bool)
	for place, list := range gateways {
		var hops []NextHop
		for _, g := range list {
			w.wanted[sibling{place, g}] = true
			via, dev, _ := strings.Cut(siblingGateways[g], " dev ")
			hops = append(hops, NextHop{Gateway: ipa(via), Interface: dev})
		}
		var r Route
		var dst string
		if _, err := fmt.Sscanf(siblingPlaces[place], "%s metric %d", &dst, &r.Metric); err != nil {
			panic(err)
		}
		if r.Dst, r.NextHops = pfx(dst), hops; len(hops) > 0 {
			w.state.Routes = append(w.state.Routes, r)
		}
	}
}

// look gives the next hops that ip(8) shows.
func (w *siblings) look() map[sibling]bool {
	out, err := w.ip([]string{"route show table main"}, "-6", "-json")
	if err != nil {
		panic(err)
	}
	var routes []map[string]any
	if err := json.Unmarshal([]byte(out), &routes); err != nil {
		panic(err)
	}
	seen := make(map[sibling]bool)
	for _, r := range routes {
		place := slices.Index(siblingPlaces, fmt.Sprintf("%v metric %v", r["dst"], r["metric"]))
		if place < 0 {
			continue
		}
		ways, several := r["nexthops"].([]any)
		if !several {
			ways = []any{r}
		}
		for _, way := range ways {
			way := way.(map[string]any)
			g := slices.Index(siblingGateways, fmt.Sprintf("%v dev %v", way["gateway"], way["dev"]))
			seen[sibling{place, g}] = true
		}
	}
	return seen
}

// check runs a pass, and says what may have come of it.
func (w *siblings) check() {
	report := w.pass()
	seen := w.look()
	conflict := make(map[int]bool) // by place
	for _, f := range report.Failed {
		if c := (*ConflictError)(nil); !errors.As(f.Err, &c) {
			w.t.Fatalf("no conflict: %v", f)
		}
		for place := range siblingPlaces {
			dst, metric, _ := strings.Cut(siblingPlaces[place], " ")
			if r := f.Op.String(); strings.Contains(r, dst) && strings.Contains(r, "metric 5") == (metric == "metric 5") {
				conflict[place] = true
			}
		}
	}
	for place := range siblingPlaces {
		for g := range siblingGateways {
			h := sibling{place, g}
			owner, there := w.hops[h]
			theirs, wanted := there && owner != ourTag, w.wanted[h]
			desired := slices.ContainsFunc(slices.Collect(maps.Keys(w.wanted)), func(o sibling) bool { return o.place == place })
			switch {
			case theirs && !seen[h] && (!desired || w.policy != TakeOver):
				w.t.Fatalf("another's %v is gone: %s", h.command("add", owner), show(report))
			case !theirs && seen[h] && !wanted:
				w.t.Fatalf("surplus: %v: %s", h.command("add", ourTag), show(report))
			case wanted && !seen[h] && !conflict[place]:
				w.t.Fatalf("missing: %v: %s", h.command("add", ourTag), show(report))
			case wanted && conflict[place] && w.policy == TakeOver:
				w.t.Fatalf("not taken over: %s", show(report))
			}
			switch {
			case !seen[h]:
				delete(w.hops, h)
			case !there:
				w.hops[h] = ourTag
			case theirs && wanted && w.policy != Refuse:
				w.hops[h] += "?" // made ours, if it could be
			}
		}
	}
	if report.Converged != (len(report.Failed) == 0) {
		w.t.Fatalf("neither converged nor a conflict: %s", show(report))
	}
	w.resolve()
	if again := w.pass(); len(again.Applied) > 0 || len(again.Failed) != len(report.Failed) {
		w.t.Fatalf("not settled: %s\nafter %s", show(again), show(report))
	}
}

// resolve finds out whose next hops are, and moves them to the end for that.
func (w *siblings) resolve() {
	for h, owner := range w.hops {
		before, unclear := strings.CutSuffix(owner, "?")
		if !unclear {
			continue
		}
		w.hops[h] = before
		if w.try(h.command("del", ourTag)) == nil {
			w.hops[h] = ourTag
			w.batch(h.command("append", ourTag))
		}
	}
}

// tell has the kernel say that all that is left is whose it should be.
func (w *siblings) tell() {
	for h, owner := range w.hops {
		if err := w.try(h.command("del", owner)); err != nil {
			w.t.Fatalf("it is not of %s: %v: %v", owner, h.command("del", owner), err)
		}
	}
	if left := w.look(); len(left) > 0 {
		w.t.Fatalf("left: %v", left)
	}
}
