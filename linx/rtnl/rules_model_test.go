package rtnl

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// ruleModel is a kernel's list of rules, in order.
type ruleModel []seenRule

// add is fib_nl_newrule: false is EEXIST.
func (m *ruleModel) add(r rule, protocol uint8, exclusive bool) bool {
	if exclusive {
		for _, o := range *m {
			same := o.rule
			if r.fromBits == 0 {
				same.from, same.fromBits = r.from, 0
			}
			if r.toBits == 0 {
				same.to, same.toBits = r.to, 0
			}
			if r.tos == 0 {
				same.tos = 0
			}
			same.target, same.not = r.target, r.not
			if o.protocol == protocol && same == r {
				return false
			}
		}
	}
	at := 0
	for at < len(*m) && (*m)[at].priority <= r.priority {
		at++
	}
	*m = slices.Insert(*m, at, seenRule{rule: r, protocol: protocol, tagged: true})
	return true
}

func (m *ruleModel) drop(r rule, protocol uint8) bool {
	i := slices.IndexFunc(*m, func(o seenRule) bool { return o.protocol == protocol && r.takes(&o.rule) })
	if i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
	return i >= 0
}

func (m ruleModel) of(protocol uint8, v6 bool) (list []seenRule) {
	for _, r := range m {
		if r.protocol == protocol && r.v6 == v6 {
			list = append(list, r)
		}
	}
	return list
}

func (m ruleModel) diff(x *index) *difference {
	s := &survey{want: x, last: new(LastApplied), protocol: us}
	s.reset()
	for i := range m {
		s.seeRule(&m[i])
	}
	return s.diff(Refuse, isTagged, modelName)
}

// TestRulesConverge: from whatever ours there were, in whatever order and number, one application leaves
// those that are desired, each once. One that stays is there all the time. Others' are untouched.
func TestRulesConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, old, more, foreign := drawRules(t, "want"), drawRules(t, "old"), drawRules(t, "more"), drawRules(t, "foreign")
		var m ruleModel
		for _, r := range foreign.rules {
			m.add(r, unix.RTPROT_STATIC, false)
		}
		for _, r := range rapid.Permutation(slices.Concat(old.rules, more.rules, want.rules[:len(want.rules)/2])).Draw(t, "order") {
			m.add(r, us, false)
		}
		before := append(m.of(unix.RTPROT_STATIC, false), m.of(unix.RTPROT_STATIC, true)...)
		has := func(r rule) bool {
			return slices.ContainsFunc(m, func(o seenRule) bool { return o.protocol == us && o.rule == r })
		}

		d := m.diff(want)
		for _, i := range d.newRules {
			if has(want.rules[i]) {
				t.Fatalf("creates what is there: %v", want.state.Rules[i])
			}
			if !m.add(want.rules[i], us, true) {
				m.add(want.rules[i], us, false)
			}
		}
		for _, v6 := range []bool{false, true} {
			olds := without(d.oldRules, func(r rule) bool { return r.v6 != v6 })
			for _, e := range evict(m.of(us, v6), olds) {
				switch {
				case e.gone, e.blocker != nil:
					t.Fatalf("%+v", e)
				case e.again:
					m.add(e.rule, us, false)
				case !m.drop(e.rule, us):
					t.Fatalf("nothing to delete: %+v", e)
				}
				for i := range want.rules {
					if !has(want.rules[i]) {
						t.Fatalf("a moment without %v", want.state.Rules[i])
					}
				}
			}
		}
		if d := m.diff(want); !d.converged() {
			t.Fatalf("still wants %+v", d)
		}
		if n := len(m.of(us, false)) + len(m.of(us, true)); n != len(want.rules) {
			t.Fatalf("%d rules, not %d", n, len(want.rules))
		}
		if after := append(m.of(unix.RTPROT_STATIC, false), m.of(unix.RTPROT_STATIC, true)...); !slices.Equal(before, after) {
			t.Fatalf("others' were %+v, and are %+v", before, after)
		}
	})
}

// TestEvict: what cannot be put back is not deleted for another; what goes itself is not put back.
func TestEvict(t *testing.T) {
	old := packRule(&Rule{Priority: 5, From: pfx("0.0.0.0/0"), Table: 100})
	strange := seenRule{rule: old, strange: true}
	steps := evict([]seenRule{strange, {rule: old}}, []rule{old})
	if len(steps) != 1 || steps[0].blocker == nil {
		t.Errorf("%+v", steps)
	}
	if steps = evict([]seenRule{{rule: old}, strange}, []rule{old}); len(steps) != 1 || !steps[0].last {
		t.Errorf("%+v", steps)
	}
	if steps = evict([]seenRule{strange}, []rule{old}); len(steps) != 1 || !steps[0].gone {
		t.Errorf("%+v", steps)
	}
	special := old
	special.mark, special.mask = 5, 0xff
	if steps = evict([]seenRule{{rule: special}, {rule: old}}, []rule{old, special}); len(steps) != 2 || steps[0].rule != special {
		t.Errorf("%+v", steps)
	}
}

// TestAnonymousRules: on a kernel that does not keep who made a rule none is made, and none deleted.
func TestAnonymousRules(t *testing.T) {
	x, err := newIndex(State{Rules: []Rule{{Priority: 5, From: pfx("0.0.0.0/0")}}})
	if err != nil {
		t.Fatal(err)
	}
	d := ruleModel{{rule: x.rules[0]}}.diff(x)
	if d.changes() || len(d.failed) != 1 || d.failed[0].Err != errAnonymous {
		t.Errorf("%+v", d)
	}
}
