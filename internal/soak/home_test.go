package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// home is where a loop lives in the tree, with what a program around it would keep: what it wants and
// what it owns. When a process has ended, and its loop with it, another moves in.
type home[D, L any] struct {
	t      testing.TB
	name   string
	tree   *suture.Supervisor
	source func() (reconcile.Source[D, L], fallible) // of what is there now
	draw   func(r *rand.Rand, flawed bool) D         // flawed: with something that cannot be had
	cfg    reconcile.Config[L]
	hooks  // of Claim and Notify

	src     fallible
	loop    *reconcile.Loop[D, L]
	token   suture.ServiceToken
	desired D
	flawed  bool
	before  uint64 // passes of earlier loops

	ledger struct {
		sync.Mutex
		json []byte
	}
}

// resident is a home of any kind.
type resident interface {
	fmt.Stringer
	moveIn()
	status() reconcile.Status
	passes() uint64
	put(r *rand.Rand, flawed bool) func()
	mend(r *rand.Rand)
	heal()
	fallible() fallible
	consumer() *hooks
	pass(context.Context) error
	await(context.Context) error
	end(ctx context.Context, release bool) error
	readd()
	succeed(r *rand.Rand)
	explain() string
}

func (h *home[D, L]) String() string { return h.name }

// moveIn makes a loop that goes on from what an earlier one left, as another program would, and adds it
// to the tree.
func (h *home[D, L]) moveIn() {
	if h.loop != nil {
		h.before += h.loop.Status().Passes
	}
	src, fallible := h.source()
	cfg := h.cfg
	cfg.Name = h.name
	cfg.Claim = func(ctx context.Context, taken L) error {
		if err := h.reach(ctx, claiming); err != nil {
			return err
		}
		h.keep(taken)
		return nil
	}
	cfg.Notify = func(ctx context.Context, r reconcile.Report[L], _ error) {
		h.keep(r.LastApplied)
		_ = h.reach(ctx, notifying) // it has no way to fail but by a panic
	}
	h.ledger.Lock()
	if h.ledger.json != nil {
		if err := json.Unmarshal(h.ledger.json, &cfg.LastApplied); err != nil {
			h.t.Errorf("%s: %v", h, err)
		}
	}
	h.ledger.Unlock()
	loop, err := reconcile.New(src, h.desired, cfg)
	if err != nil {
		h.t.Fatalf("%s: %v", h, err)
	}
	h.src, h.loop = fallible, loop
	h.token = h.tree.Add(loop)
}

// keep is what a program does with what it is told: it writes it to a file.
func (h *home[D, L]) keep(owned L) {
	data, err := json.Marshal(owned)
	if err != nil {
		h.t.Errorf("%s: %v", h, err)
		return
	}
	h.ledger.Lock()
	defer h.ledger.Unlock()
	h.ledger.json = data
}

// put draws another desired state; what it returns hands it over.
func (h *home[D, L]) put(r *rand.Rand, flawed bool) func() {
	desired := h.draw(r, flawed)
	return func() {
		h.desired, h.flawed = desired, flawed
		if err := h.loop.PutDesired(desired); err != nil {
			h.t.Errorf("%s: PutDesired: %v", h, err)
		}
	}
}

// mend puts a state that can be had, where the last one could not.
func (h *home[D, L]) mend(r *rand.Rand) {
	if put := h.put(r, false); h.flawed {
		put()
	}
}

func (h *home[D, L]) heal() { h.hooks.Heal(); h.src.Heal() }

func (h *home[D, L]) status() reconcile.Status        { return h.loop.Status() }
func (h *home[D, L]) passes() uint64                  { return h.before + h.loop.Status().Passes }
func (h *home[D, L]) fallible() fallible              { return h.src }
func (h *home[D, L]) consumer() *hooks                { return &h.hooks }
func (h *home[D, L]) await(ctx context.Context) error { return h.loop.WaitConverged(ctx) }

func (h *home[D, L]) pass(ctx context.Context) error {
	_, err := h.loop.Reconcile(ctx)
	return err
}

func (h *home[D, L]) end(ctx context.Context, release bool) error {
	if !release {
		return h.loop.Stop(ctx)
	}
	_, err := h.loop.Release(ctx)
	h.desired = *new(D)
	return err
}

// readd removes the loop from its supervisor and adds it again at once: the two Serves overlap.
func (h *home[D, L]) readd() {
	if err := h.tree.Remove(h.token); err != nil {
		h.t.Errorf("%s: Remove: %v", h, err)
	}
	h.token = h.tree.Add(h.loop)
}

// succeed stops the loop, and has another one, which wants something else, move in.
func (h *home[D, L]) succeed(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.loop.Stop(ctx); err != nil && !injected(err) {
		h.t.Errorf("%s: Stop: %v", h, err)
	}
	h.desired, h.flawed = h.draw(r, false), false
	h.moveIn()
}

// explain says why it has not converged.
func (h *home[D, L]) explain() string {
	var b strings.Builder
	s := h.loop.Status()
	fmt.Fprintf(&b, "%s: serving %v, %d serves, %d passes, last error %v, monitor %s (%v), stuck %q, final %v", h,
		s.Serving, s.Serves, s.Passes, s.LastError, s.Monitor, s.MonitorError, s.Stuck, s.Final)
	if report, ok := h.loop.LastReport(); ok {
		for _, f := range append(report.Failed[:len(report.Failed):len(report.Failed)], report.Pending...) {
			fmt.Fprintf(&b, "\n\t%v", f)
		}
	}
	return b.String()
}
