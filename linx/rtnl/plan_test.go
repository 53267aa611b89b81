package rtnl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestPlanChangesNothing: what the source hears, knows and leaves alone for the state in use is the same
// after a Plan for another.
func TestPlanChangesNothing(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	state := State{Routes: []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}}}
	plan := func() {
		t.Helper()
		if _, err := k.src.Plan(t.Context(), State{}, k.last); err != nil {
			t.Fatal(err)
		}
	}
	k.converge(state)
	n := k.hints()
	undo := func() { k.run("route del blackhole 10.3.0.0/16") }
	plan()
	k.mustHear(n, undo)
	for range fight.Repairs {
		k.converge(state)
		undo()
		plan()
	}
	if r := k.pass(state); len(r.Pending) != 1 {
		t.Error("the fight is forgotten:", show(r))
	}
}

// TestPlanIsNoSweep: the pass after a Plan still looks everywhere for what a predecessor left.
func TestPlanIsNoSweep(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(State{
		Addresses: []Address{on("v0", "10.0.0.2/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Interface: "v0", Table: 100}},
	})
	k.src.Close()
	k.src = New(k.Namespace(), Options{}) // restarted, without a ledger
	t.Cleanup(func() { k.src.Close() })
	k.last = LastApplied{}
	state := State{Routes: []Route{{Dst: pfx("10.2.0.0/16"), Type: Blackhole}}}
	plan, err := k.src.Plan(t.Context(), state, k.last)
	if err != nil {
		t.Fatal(err)
	}
	r := k.converge(state)
	if !slices.EqualFunc(plan, applied(r), func(op reconcile.Op, s string) bool { return op.String() == s }) {
		t.Errorf("planned %v, applied %v", plan, applied(r))
	}
	if got := append(k.ipRoutes("all"), k.addresses("v0")...); len(got) != 1 {
		t.Error("left:", got)
	}
}

// TestReportJSON: a plan and a report can be read by what reads JSON.
func TestReportJSON(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("route add unreachable 10.3.0.0/16")
	state := State{Routes: []Route{
		{Dst: pfx("10.2.0.0/16"), Interface: "v0"},
		{Dst: pfx("10.3.0.0/16"), Interface: "v0"},
		{Dst: pfx("10.4.0.0/16"), Gateway: ipa("10.9.0.1")},
	}}
	plan, err := k.src.Plan(t.Context(), state, k.last)
	if err != nil {
		t.Fatal(err)
	}
	r := k.pass(state)
	for part, want := range map[any]string{
		&plan: `{"verb":"create","object":"route 10.2.0.0/16 dev v0"}`,
		&r: `"failed":[{"verb":"create","object":"route 10.3.0.0/16 dev v0","error":"conflict: the place is held by route ` +
			`unreachable 10.3.0.0/16, of protocol 3 (boot)"}]`,
		&r.Applied: `[{"verb":"create","object":"route 10.2.0.0/16 dev v0"}]`,
		&r.Pending: `[{"verb":"create","object":"route 10.4.0.0/16 via 10.9.0.1","error":"network is unreachable`,
	} {
		if text, err := json.Marshal(part); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s, without %s (%v)", text, want, err)
		}
	}
	if text, err := json.Marshal(r.Pending[0]); err != nil || !strings.Contains(string(text), `"errno":"ENETUNREACH"`) {
		t.Errorf("%s (%v)", text, err)
	}
}

// TestPanicFreesTheSource: of a pass that panics while it is prepared, only the panic is left.
func TestPanicFreesTheSource(t *testing.T) {
	k := newKernel(t, Options{})
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic is lost")
			}
		}()
		k.src.begin(t.Context(), State{}, k.last, func(*index, LastApplied) (*pass, error) { panic("boom") })
	}()
	k.converge(State{})
}
