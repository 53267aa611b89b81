package rtnl

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// serve puts a loop under a supervisor of its own and gives a channel of its reports.
func (k *kernel) serve(state State, cfg Config) (*Loop, <-chan Report) {
	k.t.Helper()
	reports := make(chan Report, 1000)
	cfg.Notify = func(_ context.Context, r Report, err error) {
		if err == nil {
			select {
			case reports <- r:
			default:
			}
		}
	}
	loop, err := reconcile.New(k.src, state, cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	sup := suture.New("test", suture.Spec{EventHook: func(e suture.Event) { k.t.Log(e) }})
	sup.Add(loop)
	done := sup.ServeBackground(ctx)
	k.t.Cleanup(func() { stop(); <-done })
	return loop, reports
}

func (k *kernel) waitConverged(loop *Loop) {
	k.t.Helper()
	ctx, stop := context.WithTimeout(k.t.Context(), 20*time.Second)
	defer stop()
	if err := loop.WaitConverged(ctx); err != nil {
		r, _ := loop.LastReport()
		k.t.Fatal(err, show(r))
	}
}

// drift undoes something of each kind.
func (k *kernel) drift() {
	k.delAddress("v0", "10.0.0.2/24") // takes 10.0.0.3, and the routes over both
	k.delAddress("v0", "2001:db8::2/64")
	k.run("route del blackhole 10.3.0.0/16")
	k.run("-6 route del 2001:db8:7::/48")
}

func (k *kernel) healed(state State) bool {
	want := len(state.Routes)
	n := 0
	for _, r := range k.ipRoutes("all") {
		if len(r) > 2 && r[len(r)-2:] == "76" {
			n++
		}
	}
	return n == want && slices.Equal(k.addresses("v0"), []string{"10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64"})
}

// TestDriftHealedByTimer: the timer alone is enough.
func TestDriftHealedByTimer(t *testing.T) {
	k := newKernel(t, Options{})
	state := everyShape()
	loop, _ := k.serve(state, Config{Interval: 20 * time.Millisecond, TimerOnly: true})
	k.waitConverged(loop)
	for range 3 {
		k.drift()
		k.eventually(func() bool { return k.healed(state) })
	}
}
