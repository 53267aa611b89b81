package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestFight: an object that another keeps undoing is left alone for longer and longer, the rest is healed
// at once, and one line tells of the beginning and one of the end.
func TestFight(t *testing.T) {
	var log bytes.Buffer
	k := newKernel(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	now := time.Now()
	k.src.now = func() time.Time { return now }
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v1", "10.7.0.1/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}},
	}
	for n := range 8 {
		state.Routes = append(state.Routes, Route{Dst: pfx(fmt.Sprintf("10.%d.0.0/16", 10+n)), Type: Blackhole})
	}
	k.converge(state)
	undo := func() { k.run("route del blackhole 10.1.0.0/16"); k.delAddress("v1", "10.7.0.1/24") }
	for range fight.Repairs {
		now = now.Add(time.Second)
		undo()
		if r := k.converge(state); len(r.Applied) != 2 {
			t.Fatal(show(r))
		}
	}
	for n, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		quiet := state.Routes[1+n]
		undo()
		k.run("route del blackhole " + quiet.Dst.String()) // not fought over
		now = now.Add(pause * time.Second * 3 / 4)         // there is jitter
		r := k.pass(state)
		if len(r.Pending) != 2 || r.Converged || !strings.Contains(r.Pending[0].Err.Error(), "keeps undoing it") {
			t.Fatal(pause, show(r))
		}
		k.wantApplied(r, "create "+quiet.String())
		if plan, err := k.src.Plan(t.Context(), state, k.last); err != nil || len(plan) != 0 {
			t.Error(plan, err)
		}
		now = now.Add(pause * time.Second / 4)
		if r := k.converge(state); len(r.Applied) != 2 {
			t.Fatal(pause, show(r))
		}
	}
	now = now.Add(2 * fight.LastTruce)
	k.settled(state)
	undo()
	if r := k.converge(state); len(r.Applied) != 2 {
		t.Error("after the fight:", show(r))
	}
	for _, what := range []string{"another writer keeps undoing", "no other writer undoes"} {
		if n := strings.Count(log.String(), what); n != 2 { // a route's and an address's
			t.Errorf("%d times %q in\n%s", n, what, log.String())
		}
	}

	// What is no longer desired is not held back.
	for undo(); k.pass(state).Converged; undo() {
	}
	k.run("route add blackhole 10.1.0.0/16 proto 76")
	k.converge(State{})
	if got := k.ipRoutes("main"); len(got) != 0 {
		t.Error(got)
	}
}

// TestFlappingLink: what goes with a link and comes back with it is not fought over, seen or not.
func TestFlappingLink(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64"), on("v1", "10.1.0.2/24")},
		Routes: []Route{
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")}, {Dst: pfx("10.2.0.0/16"), Interface: "v0"},
			{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1")},
		},
		Neighbors: []Neighbor{{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(1)}},
	}
	k.converge(state)
	for n := range 2*fight.Repairs + 2 {
		k.run("link set v0 down")
		if n%2 == 0 {
			if r := k.pass(state); len(r.Pending) == 0 {
				t.Fatal(show(r))
			}
		}
		k.run("link set v0 up")
		k.converge(state)
	}
	for n := 0; k.pass(state).Converged; n++ { // the other link did not flap
		k.delAddress("v1", "10.1.0.2/24")
		if n > 2*fight.Repairs {
			t.Fatal("an address that another deletes is not fought over")
		}
	}
}

// A fight goes on while new desired states, which all hold the object, come every second.
func TestFightAcrossPuts(t *testing.T) {
	var log bytes.Buffer
	k := newKernel(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	now := time.Now()
	k.src.now = func() time.Time { return now }
	held := 0
	for n := range 60 {
		now = now.Add(time.Second)
		state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}, {Dst: pfx("10.2.0.0/16"), Type: Blackhole, Metric: uint32(n + 1)}}}
		r := k.pass(state)
		held += len(r.Pending)
		if len(r.Pending) == 0 {
			k.run("route del blackhole 10.1.0.0/16")
		}
	}
	if began := strings.Count(log.String(), "keeps undoing"); held < 40 || began != 1 {
		t.Errorf("held back %d times in 60 s; log %s", held, log.String())
	}
}

// A fight that is under way when a new desired state comes is ended in the log.
func TestFightLogPairs(t *testing.T) {
	var log bytes.Buffer
	k := newKernel(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	now := time.Now()
	k.src.now = func() time.Time { return now }
	state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}}}
	for range 10 {
		now = now.Add(time.Second)
		k.pass(state)
		if len(k.ipRoutes("main")) > 0 {
			k.run("route del blackhole 10.1.0.0/16")
		}
	}
	k.pass(State{})
	now = now.Add(10 * time.Minute)
	k.pass(State{})
	b, e := strings.Count(log.String(), "keeps undoing"), strings.Count(log.String(), "no longer desired")
	if b != 1 || e != 1 {
		t.Errorf("%d begun, %d ended: %s", b, e, log.String())
	}
}

// Who fights is named where the kernel knows.
func TestFightNamesProtocol(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	now := time.Now()
	k.src.now = func() time.Time { return now }
	state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}}}
	var text string
	for range 12 {
		now = now.Add(time.Second / 2)
		r := k.pass(state)
		for _, p := range r.Pending {
			if fight := new(reconcile.FightError); errors.As(p.Err, &fight) {
				text = fight.Error()
			}
		}
		k.run("route replace unreachable 10.1.0.0/16 proto bird")
	}
	if !strings.Contains(text, "protocol 12 (bird)") {
		t.Error(text)
	}
}
