package rtnl

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestRoundsUsedUp: what another undoes in every round of a pass is reported as not converged, and as waiting.
func TestRoundsUsedUp(t *testing.T) {
	k := newKernel(t, Options{})
	clock := time.Now()
	k.src.now = func() time.Time { return clock }
	state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}}}
	route, handle := k.route(state.Routes[0], us), k.writer()
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		defer handle.Close()
		for ctx.Err() == nil {
			handle.RouteDel(route) // mostly it is not there
		}
	})
	k.eventually(func() bool {
		clock = clock.Add(time.Hour) // no fight lasts as long
		r := k.pass(state)
		if r.Converged != (len(r.Pending)+len(r.Failed) == 0) {
			t.Fatal(show(r))
		}
		return len(r.Applied) == maximumRounds-1 && len(r.Pending) == 1
	})
	stop()
	writer.Wait()
	clock = clock.Add(time.Hour)
	k.converge(state)
}
