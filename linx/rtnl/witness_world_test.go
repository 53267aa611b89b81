package rtnl

import (
	"context"
	"encoding/json"
	"errors"
	stdflag "flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// world is a namespace with a source, and what must be there.
type world struct {
	witness
	t        *rapid.T
	src      *Source
	clock    time.Time
	last     LastApplied
	policy   ConflictPolicy
	desired  []*wish
	state    State
	promotes bool              // promote_secondaries
	mine     map[string]string // what is ours and shows no protocol: by place, how we made it
}

func newWorld(t *rapid.T) *world {
	n, err := testns.Open()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{witness: witness{n}, t: t, clock: time.Now(), mine: make(map[string]string)}
	furnish(w.witness)
	if rapid.Bool().Draw(t, "promote_secondaries") {
		w.promotes = true
		w.sysctl("ipv4/conf/all/promote_secondaries", "1")
	}
	w.start(Refuse)
	return w
}

func (w *world) start(policy ConflictPolicy) {
	w.policy = policy
	w.src = New(w.Namespace(), Options{Conflict: policy})
	w.src.now = func() time.Time { return w.clock }
}

func (w *world) close() {
	w.src.Close()
	w.Net.Close()
}

func (w *world) step(s step) {
	w.clock = w.clock.Add(time.Hour) // nobody fights for so long
	w.drift(s)
	if s.restart {
		w.restart(s)
	}
	if s.desired != nil {
		w.desired, w.state = s.desired, State{}
		for _, wish := range w.desired {
			wish.put(&w.state)
		}
	}
	seen := w.look()
	w.disown(seen)
	want, conflicts, waiting := w.predict(seen)
	report := w.pass()
	got := w.look()
	if diff := differ(want, got); diff != "" {
		w.t.Fatalf("%s\nbefore:%s\nreport: %s", diff, list(seen), show(report))
	}
	for _, f := range report.Failed {
		if c := (*ConflictError)(nil); !errors.As(f.Err, &c) {
			w.t.Fatalf("no conflict: %v", f)
		}
	}
	if len(report.Failed) != conflicts || len(report.Pending) != waiting || report.Converged != (conflicts+waiting == 0) {
		w.t.Fatalf("not %d conflicts, %d waiting\nbefore:%s\nreport: %s", conflicts, waiting, list(seen), show(report))
	}
	if again := w.pass(); len(again.Applied) > 0 || again.Converged != report.Converged {
		w.t.Fatalf("not settled: %s\nafter: %s", show(again), show(report))
	}
}

func list(things []thing) string {
	var b strings.Builder
	for _, t := range things {
		fmt.Fprintf(&b, "\n\t%v", t)
	}
	return b.String()
}

// drift is what others do.
func (w *world) drift(s step) {
	var commands []string
	for _, d := range s.drift {
		commands = append(commands, d.String())
	}
	if s.flap {
		commands = append(commands, "link set v1 down", "link set v1 up")
		commands = append(commands, anchors...)
	}
	if len(commands) > 0 {
		_ = w.try(commands...) // much of it cannot be done
	}
	for _, d := range s.drift {
		switch {
		case d.kind == "address" && d.verb == "replace", // which takes the mark away
			d.kind == "address" && d.verb == "del" && deletes(d.line, w.mine[d.place]),
			(d.kind == "neighbor" || d.kind == "link") && d.verb == "del":
			delete(w.mine, d.place)
		}
	}
}

func (w *world) restart(s step) {
	data, err := json.Marshal(w.last)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last = LastApplied{}
	if s.forget {
		for place := range w.mine {
			if strings.HasPrefix(place, "neighbor") || strings.HasPrefix(place, "link") {
				delete(w.mine, place)
			}
		}
	} else if err := json.Unmarshal(data, &w.last); err != nil {
		w.t.Fatal(err)
	}
	w.src.Close()
	w.start(s.policy)
}

// pass runs passes until nothing waits, as addresses do for a moment.
func (w *world) pass() Report {
	deadline := time.Now().Add(20 * time.Second)
	for {
		report, err := w.src.Reconcile(context.Background(), w.state, w.last, nil)
		w.last = report.LastApplied
		if err != nil {
			w.t.Fatal(err)
		}
		if !slices.ContainsFunc(report.Pending, func(f reconcile.Failure) bool { return !strings.Contains(f.Err.Error(), "does not exist") }) {
			return report
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("it waits: %s", show(report))
		}
	}
}

// disown forgets what has gone.
func (w *world) disown(seen []thing) {
	for place := range w.mine {
		if !slices.ContainsFunc(seen, func(t thing) bool { return t.place == place }) {
			delete(w.mine, place)
		}
	}
}

// fewChecks has rapid try n cases, unless the command line says how many.
func fewChecks(t *testing.T, n int) {
	const name = "rapid.checks"
	said := false
	stdflag.Visit(func(f *stdflag.Flag) { said = said || f.Name == name })
	if said {
		return
	}
	checks := stdflag.Lookup(name).Value
	before := checks.String()
	t.Cleanup(func() { checks.Set(before) })
	checks.Set(fmt.Sprint(n))
}
