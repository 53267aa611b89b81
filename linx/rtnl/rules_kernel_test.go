package rtnl

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// ipRules gives both families' rules but the kernel's, in the words and numbers of ip(8), which does not name
// the protocol of those.
func (k *kernel) ipRules() []string {
	k.t.Helper()
	tidy := strings.NewReplacer(" [detached]", "", " [unresolved]", "", "ipproto ipproto-", "ipproto ",
		" 6 proto", " blackhole proto", " 7 proto", " unreachable proto", " 8 proto", " prohibit proto")
	var out []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(k.IP("-N", family, "rule", "show")) {
			if strings.Contains(line, " proto ") {
				out = append(out, family+" "+tidy.Replace(strings.TrimSpace(line)))
			}
		}
	}
	slices.Sort(out)
	return out
}

// ipWords gives a rule as ipRules would.
func ipWords(r Rule, protocol int) string {
	family := "-4 "
	if r.v6() {
		family = "-6 "
	}
	body, priority, _ := strings.Cut(strings.TrimPrefix(r.String(), "rule "), " priority ")
	for _, change := range [][2]string{
		{"from 0.0.0.0/0", "from all"}, {"from ::/0", "from all"}, {"lookup main", "lookup 254"},
		{" l3mdev", " lookup [l3mdev-table]"}, {"fwmark 0x0/", "fwmark 0/"},
	} {
		body = strings.Replace(body, change[0], change[1], 1)
	}
	return family + priority + ":\t" + body + " proto " + strconv.Itoa(protocol)
}

func (k *kernel) wantRules(want ...string) {
	k.t.Helper()
	slices.Sort(want)
	if got := k.ipRules(); !slices.Equal(got, want) {
		k.t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantState checks that the rules are those of a state, and others'.
func (k *kernel) wantState(state State, others ...string) {
	k.t.Helper()
	want := slices.Clone(others)
	for _, r := range state.Rules {
		want = append(want, ipWords(r, us))
	}
	k.wantRules(want...)
}

// everyRule is a state with each kind of rule.
func everyRule() State {
	all, all6 := pfx("0.0.0.0/0"), pfx("::/0")
	return State{Rules: []Rule{
		{Priority: 1000, From: pfx("10.0.0.0/8"), Table: 100},
		{Priority: 1000, From: pfx("2001:db8::/32"), Table: 100},
		{Priority: 1000, From: all, Table: 100},
		{Priority: 1001, To: pfx("10.1.0.0/16")},
		{Priority: 1002, To: pfx("2001:db8:1::/48"), Table: 70000},
		{Priority: 1003, From: all, IIF: "v0", Table: 101},
		{Priority: 1004, From: all, OIF: "nowhere", Table: 101},
		{Priority: 1005, From: all6, Mark: 5, Table: 51820},
		{Priority: 1006, From: all, Mark: 0x10, Mask: 0xf0, Table: 102},
		{Priority: 1007, From: all, Mask: 0xf0, Table: 102},
		{Priority: 1008, From: all, TOS: 16, Action: RuleNop},
		{Priority: 1009, From: all6, IPProtocol: 6, SourcePorts: Ports(80, 80), DestinationPorts: Ports(1000, 2000), Table: 103},
		{Priority: 1010, From: all, UIDs: UIDs(0, 0), Table: 104},
		{Priority: 1011, From: all6, L3MDev: true},
		{Priority: 1012, From: all, MinPrefixLength: 1},
		{Priority: 1013, From: pfx("10.2.0.0/16"), Action: RuleGoto, Goto: 2000},
		{Priority: 1014, From: pfx("10.3.0.0/16"), Action: RuleBlackhole},
		{Priority: 1015, From: pfx("2001:db8:3::/48"), Action: RuleUnreachable},
		{Priority: 1002, Not: true, From: pfx("10.7.0.0/16"), Table: 105},
		{Priority: 1005, Not: true, From: all6, IIF: "v0", Table: 105},
		{Priority: 1016, From: pfx("10.4.0.0/16"), Action: RuleProhibit},
		{Priority: 32766, From: all}, // as the kernel's own
		{Priority: 4294967295, From: pfx("10.5.0.0/16"), To: pfx("10.6.0.0/16"), IIF: "lo", Table: 4294967295},
	}}
}

// TestRules: from nothing to every kind, which then needs nothing, through drift, and back to nothing; what
// others have stays, the kernel's own too.
func TestRules(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("rule add from 10.0.0.0/8 lookup 100 priority 1000 protocol static") // a twin
	k.run("rule add from 10.9.0.0/16 lookup 100 priority 1000 protocol static")
	k.run("-6 rule add fwmark 5 lookup 7 priority 1005 protocol static")
	others := k.ipRules()
	kernels := k.run("rule show proto kernel") + k.run("-6 rule show proto kernel")
	state := everyRule()
	r := k.converge(state)
	if len(r.Applied) != len(state.Rules) || r.Applied[0].String() != "create rule from 10.0.0.0/8 lookup 100 priority 1000" {
		t.Error(show(r))
	}
	k.wantState(state, others...)
	k.settled(state)

	k.run("rule del priority 1003")
	k.run("-6 rule del priority 1005 lookup 51820")
	k.run("rule add fwmark 9 lookup 9 priority 900 protocol 76") // as if ours
	k.wantApplied(k.converge(state), "create rule from 0.0.0.0/0 iif v0 lookup 101 priority 1003",
		"create rule from ::/0 fwmark 0x5 lookup 51820 priority 1005", "delete rule from 0.0.0.0/0 fwmark 0x9 lookup 9 priority 900")
	k.wantState(state, others...)

	less := State{Rules: state.Rules[3:5]}
	if r := k.converge(less); len(r.Applied) != len(state.Rules)-2 {
		t.Error(show(r))
	}
	k.wantState(less, others...)
	k.converge(State{})
	k.wantRules(others...)
	k.settled(State{})
	if now := k.run("rule show proto kernel") + k.run("-6 rule show proto kernel"); now != kernels {
		t.Errorf("the kernel's were\n%sand are\n%s", kernels, now)
	}
}

// TestRulesPaste: what an op prints can be given to ip(8).
func TestRulesPaste(t *testing.T) {
	k := newKernel(t, Options{})
	for _, r := range slices.Backward(everyRule().Rules) { // the kernel refuses the general after the special
		family := "-4"
		if r.v6() {
			family = "-6"
		}
		k.run(family + " rule add" + strings.TrimPrefix(r.String(), "rule") + " protocol 76")
	}
	k.wantState(everyRule())
	k.settled(everyRule())
}

// TestRuleChange: the new rule is there before the old one goes; what the kernel takes for the same is not.
func TestRuleChange(t *testing.T) {
	all := pfx("0.0.0.0/0")
	for name, c := range map[string]struct{ from, to Rule }{
		"table":  {Rule{Priority: 5, From: all, Table: 100}, Rule{Priority: 5, From: all, Table: 200}},
		"goto":   {Rule{Priority: 5, From: all, Action: RuleGoto, Goto: 10}, Rule{Priority: 5, From: all, Action: RuleGoto, Goto: 20}},
		"wider":  {Rule{Priority: 5, From: pfx("10.0.0.0/8"), Table: 100}, Rule{Priority: 5, From: all, Table: 100}},
		"no TOS": {Rule{Priority: 5, From: all, TOS: 16, Table: 100}, Rule{Priority: 5, From: all, Table: 100}},
		"length": {Rule{Priority: 5, From: all, Table: 100}, Rule{Priority: 5, From: all, Table: 100, MinPrefixLength: 1}},
	} {
		k := newKernel(t, Options{})
		k.converge(State{Rules: []Rule{c.from}})
		w := k.watch(unix.RTMGRP_IPV4_RULE)
		to := State{Rules: []Rule{c.to}}
		k.wantApplied(k.converge(to), "create "+c.to.String(), "delete "+c.from.String())
		k.wantState(to)
		n := 1
		for _, typ := range w.types() {
			if typ == unix.RTM_NEWRULE {
				n++
			} else if n--; n < 1 {
				t.Errorf("%s: a moment without", name)
			}
		}
	}
}

// TestRuleDeletedForAnother is the trap of absent selectors: "from all", deleted, would have taken what is more
// specific.
func TestRuleDeletedForAnother(t *testing.T) {
	k := newKernel(t, Options{})
	all := Rule{Priority: 5, From: pfx("0.0.0.0/0"), Table: 100}
	mark, from := all, all
	mark.Mark, from.From = 5, pfx("10.0.0.0/8")
	both := State{Rules: []Rule{mark, all, from}}
	k.converge(State{Rules: []Rule{mark}})
	k.converge(both)
	w := k.watch(unix.RTMGRP_IPV4_RULE)
	less := State{Rules: []Rule{mark, from}}
	k.wantApplied(k.converge(less), "delete "+all.String())
	k.wantState(less)
	n := 3
	for _, typ := range w.types() {
		if typ == unix.RTM_NEWRULE {
			n++
		} else if n--; n < 2 {
			t.Error("one of those that stay was gone for a moment")
		}
	}
	k.settled(less)
}

// TestRulesTwice: a rule that is there more than once becomes one.
func TestRulesTwice(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Rules: []Rule{{Priority: 5, From: pfx("0.0.0.0/0"), Table: 100}}}
	k.converge(state)
	for range 3 {
		var b = &k.src.survey // the kernel takes a second one without NLM_F_EXCL, which ip always gives
		p := &pass{source: k.src, conn: k.src.conn, want: b.want, survey: b}
		if err := p.putRules(t.Context(), []int32{0}, 0, func(_ int32, err error) {
			if err != nil {
				t.Fatal(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.ipRules(); len(got) != 4 {
		t.Fatal(got)
	}
	if r := k.converge(state); len(r.Applied) != 3 {
		t.Error(show(r))
	}
	k.wantState(state)
}

// TestRuleMeanwhile: what appears between observation and change is not made twice, and not taken for a
// failure; what cannot be ours by its shape stays.
func TestRuleMeanwhile(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("rule add from 10.0.0.1/8 lookup 100 priority 9 protocol 76") // host bits
	others := k.ipRules()
	state := State{Rules: []Rule{{Priority: 5, From: pfx("0.0.0.0/0"), Table: 100}}}
	r, err := k.src.Reconcile(t.Context(), state, LastApplied{}, func(LastApplied) error {
		k.run("rule add lookup 100 priority 5 protocol 76")
		return nil
	})
	if err != nil || !r.Converged || len(r.Applied) != 0 {
		t.Error(show(r), err)
	}
	k.wantState(state, others...)
	k.last = r.LastApplied
	r, err = k.src.Reconcile(t.Context(), State{}, r.LastApplied, func(LastApplied) error {
		k.run("rule del priority 5")
		return nil
	})
	if err != nil || !r.Converged || len(r.Applied) != 0 {
		t.Error(show(r), err)
	}
	k.wantRules(others...)
}

// TestRuleBlocked: one of our protocol with what we cannot name is left alone, and not deleted for another.
func TestRuleBlocked(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("rule add from all lookup 100 suppress_ifgroup 5 priority 5 protocol 76")
	strange := k.ipRules()
	state := State{Rules: []Rule{{Priority: 5, From: pfx("0.0.0.0/0"), Table: 100}}}
	k.converge(state)
	r := k.pass(State{})
	var conflict *ConflictError
	if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || r.Converged {
		t.Fatal(show(r))
	}
	k.wantState(state, strange...)
}

// TestNoSuccessor: an old rule stays while what is to replace it is refused.
func TestNoSuccessor(t *testing.T) {
	x, err := newIndex(State{Rules: []Rule{{Priority: 5, From: pfx("0.0.0.0/0"), Table: 200}}})
	if err != nil {
		t.Fatal(err)
	}
	old := x.rules[0]
	old.table = 100
	p := &pass{want: x} // it has nothing to ask the kernel
	if err := p.removeRules(t.Context(), &difference{newRules: []int32{0}, oldRules: []rule{old}}); err != nil {
		t.Fatal(err)
	}
	if len(p.round.pending) != 1 || !errors.Is(p.round.pending[0].Err, errNoSuccessor) {
		t.Errorf("%+v", p.round)
	}
}

// TestRuleOwnership: claims come first, reports confirm, JSON keeps; without any record ours are known by
// their protocol, and what was merely claimed is not.
func TestRuleOwnership(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Rules: []Rule{{Priority: 5, From: pfx("10.0.0.0/8"), Table: 100}, {Priority: 6, From: pfx("::/0")}}}
	stop := errors.New("killed")
	var claim LastApplied
	if _, err := k.src.Reconcile(t.Context(), state, LastApplied{}, func(l LastApplied) error { claim = l; return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	data, _ := json.Marshal(claim)
	if n := strings.Count(string(data), `"claimed":true`); n != 2 {
		t.Errorf("%s", data)
	}
	k.run("rule add from 10.0.0.0/8 lookup 100 priority 5 protocol static")
	k.last = claim
	k.settled(State{})
	others := k.ipRules()
	k.converge(state)
	data, err := json.Marshal(k.last)
	var back LastApplied
	if err := errors.Join(err, json.Unmarshal(data, &back)); err != nil || !slices.Equal(back.rules, k.last.rules) || len(back.rules) != 2 {
		t.Errorf("%s: %v", data, err)
	}
	if err := json.Unmarshal([]byte(`{"rules":[{"from":"10.0.0.0/8"}]}`), &back); err == nil {
		t.Error("a rule without priority is accepted")
	}
	k.settled(state)
	cut := &pass{want: k.src.survey.want, survey: &survey{rules: []bool{true, false}}, round: round{createdRules: []int32{1}}}
	if owned := cut.ownedRules(); len(owned) != 2 || owned[0].Claimed || !owned[1].Claimed || owned[1].Rule != state.Rules[1] {
		t.Errorf("%+v", owned)
	}
	// A record alone makes one look where nothing is desired any more.
	k.converge(State{})
	k.wantRules(others...)
	k.converge(state)
	k.last = LastApplied{}
	k.src.Close()
	k.src = New(k.Namespace(), Options{})
	k.converge(State{})
	k.wantRules(others...)
}

// TestRuleFight: a rule that another keeps deleting is left alone after a while.
func TestRuleFight(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Rules: []Rule{{Priority: 5, From: pfx("10.0.0.0/8"), Table: 100}}}
	for range 20 {
		if r := k.pass(state); !r.Converged {
			if len(r.Pending) != 1 || !strings.Contains(r.Pending[0].Err.Error(), "keeps undoing it") {
				t.Error(show(r))
			}
			return
		}
		k.run("rule del priority 5")
	}
	t.Error("it goes on for ever")
}

// TestRuleHints: rule events are listened to where there are desired ones.
func TestRuleHints(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	n := k.hints()
	state := State{Rules: []Rule{{Priority: 5, From: pfx("10.0.0.0/8"), Table: 100}}}
	k.converge(state)
	k.mustHear(n, func() { k.run("rule del priority 5") })
	k.converge(state)
	other := State{Rules: []Rule{{Priority: 6, From: pfx("10.0.0.0/8"), Table: 100}}}
	k.silent(n, "our own changes", func() { k.converge(other); k.converge(state) })
	foreign := func() { k.run("rule add priority 5 lookup 9"); k.run("rule del priority 5 lookup 9") }
	k.mustHear(n, foreign)
	k.converge(State{})
	k.silent(n, "rules, with none desired any more", foreign)
}

// TestRulesAtRandom: through random states and drift, the kernel holds what is desired and what is others',
// and no more.
func TestRulesAtRandom(t *testing.T) {
	k := newKernel(t, Options{})
	seed := rand.IntN(1 << 30)
	t.Log("seed", seed)
	draw := func() State {
		seed++
		s := rapid.Custom(func(t *rapid.T) State { return drawRules(t, "rules").state }).Example(seed)
		// A family of which nothing is desired is read for a new state only.
		s.Rules = append(s.Rules, Rule{Priority: 7, From: pfx("0.0.0.0/0")}, Rule{Priority: 7, From: pfx("::/0")})
		return s
	}
	add := func(r Rule, protocol int) {
		family := "-4"
		if r.v6() {
			family = "-6"
		}
		words := append([]string{family, "rule", "add"}, strings.Fields(r.String())[1:]...)
		k.Do(func() { // one that the kernel takes for another is refused
			_ = exec.Command("ip", append(words, "protocol", strconv.Itoa(protocol))...).Run()
		})
	}
	for _, r := range draw().Rules {
		add(r, unix.RTPROT_STATIC)
	}
	others := k.ipRules()
	now := time.Now()
	k.src.now = func() time.Time { return now }
	for n := range 40 {
		now = now.Add(time.Minute) // this is drift, and no fight
		switch n % 4 {
		case 1:
			k.run("rule flush protocol 76")
		case 2:
			for _, r := range draw().Rules {
				add(r, us)
			}
		}
		state := draw()
		k.converge(state)
		k.wantState(state, others...)
		k.settled(state)
	}
	k.converge(State{})
	k.wantRules(others...)
}
