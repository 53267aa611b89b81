package sysctl

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestModel drives passes over a fake tree, between which anybody writes, interfaces come and go, claims
// are refused and passes crash, and holds against them what the documentation promises.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fake: newFake()}
		m.run(t)
	})
}

// model is the fake, and who owns what of it.
type model struct {
	*fake
	last LastApplied
}

var modelKeys = []key{forward, forwardIf, jiffies, plain, clamped, ignoring, refusing, ports}

func (m *model) run(t *rapid.T) {
	t.Repeat(map[string]func(*rapid.T){
		"somebody writes": func(t *rapid.T) {
			k := rapid.SampledFrom([]key{jiffies, plain, clamped, refusing}).Draw(t, "key")
			_ = m.put(k, Int(rapid.IntRange(0, 9).Draw(t, "value")))
		},
		"an interface goes or comes": func(t *rapid.T) {
			gone := !m.gone[jiffies]
			for _, k := range []key{jiffies, forwardIf} {
				m.gone[k] = gone
				m.values[k] = "0"
			}
		},
		"a pass": func(t *rapid.T) { m.step(t, drawDesired(t), 0, nil) },
		"a pass whose claim is refused": func(t *rapid.T) {
			m.step(t, drawDesired(t), 0, errors.New("refused"))
		},
		"a pass that crashes": func(t *rapid.T) {
			m.step(t, drawDesired(t), rapid.IntRange(1, 4).Draw(t, "crash before write"), nil)
		},
	})
}

func drawDesired(t *rapid.T) Settings {
	desired := Settings{}
	for _, k := range modelKeys {
		if rapid.Bool().Draw(t, "want "+k.String()) {
			desired[k.String()] = Int(rapid.IntRange(0, 8).Draw(t, "value"))
		}
	}
	if _, ok := desired[ports.String()]; ok {
		desired[ports.String()] = rapid.SampledFrom([]Value{"", "8080-8080", "1"}).Draw(t, "ports")
	}
	return desired
}

// step runs one pass and checks it.
func (m *model) step(t *rapid.T, desired Settings, crash int, refusal error) {
	revert := rapid.Bool().Draw(t, "revert")
	before := m.snapshot()
	given := clone(m.last)
	m.crash = crash
	var claimed *LastApplied
	report, err, crashed := m.try(t, desired, revert, func(l LastApplied) error {
		if refusal == nil {
			claimed = &l
		}
		return refusal
	})
	m.crash = 0
	if !reflect.DeepEqual(given, clone(m.last)) {
		t.Fatalf("the ownership that was given was changed: %v, then %v", given, m.last)
	}

	// What nobody asked for, and no key that was asked for moves, is as it was.
	_, moved := desired[forward.String()]
	if _, mine := given.Keys[forward.String()]; mine {
		moved = true
	}
	for k, v := range m.values {
		_, asked := desired[k.String()]
		_, mine := given.Keys[k.String()]
		if side := k == forwardAll || k == forwardIf || k == forward; v != before[k] && !asked && !mine && !(side && moved) {
			t.Fatalf("%s was moved from %q to %q, and nobody asked for it", k, before[k], v)
		}
	}
	switch {
	case crashed && claimed == nil:
		t.Fatal("wrote without a claim")
	case crashed:
		m.last = *claimed
		return
	case err != nil && refusal == nil:
		t.Fatal(err)
	case err != nil && len(m.writes) > 0:
		t.Fatalf("wrote %v, though the claim was refused", m.writes)
	}
	m.last = report.LastApplied
	m.checkJSON(t)
	if err != nil {
		return
	}
	for name := range desired {
		k, _ := parseKey(name)
		owned := m.last.Keys[name]
		if report.Converged && (owned.Claimed || owned.Applied != desired[name] || !owned.holds(m.values[k])) {
			t.Fatalf("converged, and %s is %q, wanted %q, owned %+v", name, m.values[k], desired[name], owned)
		}
	}
	if report.Converged != (len(report.Failed)+len(report.Pending) == 0) {
		t.Fatalf("converged %v: %s", report.Converged, ops(report))
	}
	if report.Converged && len(m.last.Keys) != len(desired) {
		t.Fatalf("converged, desired %v, owned %v", desired, m.last.Keys)
	}
	// Passes are idempotent.
	again, err := m.pass(t.Context(), desired, m.last, revert, nil)
	if err != nil || len(again.Applied) > 0 || again.Converged != report.Converged {
		t.Fatalf("%v: the pass again did %q", err, ops(again))
	}
	if report.Converged && (len(m.writes) > 0 || !reflect.DeepEqual(again.LastApplied, m.last)) {
		t.Fatalf("the pass again wrote %v; owns %v, before %v", m.writes, again.LastApplied, m.last)
	}
}

// try runs a pass that may crash.
func (m *model) try(t *rapid.T, desired Settings, revert bool, claim func(LastApplied) error) (r Report, err error, crashed bool) {
	defer func() {
		if v := recover(); v == "crash" {
			crashed = true
		} else if v != nil {
			panic(v)
		}
	}()
	r, err = m.pass(t.Context(), desired, m.last, revert, claim)
	return r, err, false
}

func (m *model) checkJSON(t *rapid.T) {
	text, err := json.Marshal(m.last)
	var back LastApplied
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || !reflect.DeepEqual(back, m.last) {
		t.Fatalf("%v: %s comes back as %v", err, text, back)
	}
}

func clone(l LastApplied) LastApplied {
	text, err := json.Marshal(l)
	if err == nil {
		var back LastApplied
		if err = json.Unmarshal(text, &back); err == nil {
			return back
		}
	}
	panic(err)
}

// TestOriginalsComeBack: whatever is desired in turn, and however often a pass crashes on the way,
// reverting gives back what was there before.
func TestOriginalsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fake: newFake()}
		for _, k := range []key{jiffies, plain, refusing} {
			_ = m.put(k, Int(4*rapid.IntRange(0, 1).Draw(t, "original")))
		}
		original := m.snapshot()
		for range rapid.IntRange(1, 6).Draw(t, "passes") {
			desired := drawDesired(t)
			delete(desired, clamped.String()) // a crash after its write leaves what nobody can tell to be ours
			delete(desired, forward.String()) // moves another key, whose original is what it was moved to
			var claimed LastApplied
			m.crash = rapid.IntRange(0, 8).Draw(t, "crash before write")
			report, err, crashed := m.try(t, desired, true, func(l LastApplied) error { claimed = l; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if m.last = report.LastApplied; crashed {
				m.last = claimed
			}
		}
		m.crash = 0
		report, err := m.pass(t.Context(), nil, m.last, true, nil)
		if err != nil || !report.Converged || len(report.LastApplied.Keys) > 0 {
			t.Fatalf("%v, %s, owns %v", err, ops(report), report.LastApplied)
		}
		if !reflect.DeepEqual(m.values, original) {
			t.Fatalf("%v, was %v", m.values, original)
		}
	})
}
