package reconcile_test

import (
	"context"
	"fmt"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// A loop in a supervisor keeps its state converged, whoever interferes. (The source here is a fake one;
// rtnl.New and sysctl.New make those of the kernel.)
func Example() {
	kernel := linxtest.NewKernel(linxtest.State{"theirs": "1"})
	converged := make(chan struct{}, 10)
	loop, err := reconcile.New(
		linxtest.NewSource(kernel),
		linxtest.State{"ours": "1"},
		reconcile.Config[linxtest.Owned]{
			Interval: 30 * time.Second,
			Notify: func(_ context.Context, r reconcile.Report[linxtest.Owned], err error) {
				for _, op := range r.Applied {
					fmt.Println(op)
				}
				if len(r.Applied) > 0 && r.Converged {
					converged <- struct{}{}
				}
			},
		},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	supervisor := suture.NewSimple("app")
	supervisor.Add(loop)
	ctx, cancel := context.WithCancel(context.Background())
	ended := supervisor.ServeBackground(ctx)
	<-converged

	kernel.Put("ours", "2") // somebody interferes: the monitor hints, and the loop puts it right
	<-converged

	if err := loop.PutDesired(linxtest.State{"ours": "3"}); err != nil {
		fmt.Println(err)
	}
	<-converged

	cancel() // ends the loop and keeps what is applied
	<-ended
	fmt.Println(kernel.Objects())
	// Output:
	// create ours=1
	// update ours=1
	// update ours=3
	// map[ours:{3 true} theirs:{1 false}]
}

// keep is all that a timer needs to replace a Loop: sources work without one, a call at a time.
func keep[D, L any](
	ctx context.Context, src reconcile.Source[D, L], desired D, interval time.Duration, notify func(reconcile.Report[L], error),
) {
	var last L
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		report, err := src.Reconcile(ctx, desired, last, nil)
		last = report.LastApplied
		notify(report, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// The loop stands on the public Source contract alone. Who wants no more than a timer writes these fifteen
// lines.
func Example_timer() {
	kernel := linxtest.NewKernel(nil)
	ctx, cancel := context.WithCancel(context.Background())
	healed := false
	keep(ctx, linxtest.NewSource(kernel), linxtest.State{"a": "1"}, time.Millisecond,
		func(r reconcile.Report[linxtest.Owned], err error) {
			fmt.Println(r.Applied, r.Converged, err)
			if healed {
				cancel()
			}
			kernel.Delete("a") // drift, which the next tick finds
			healed = true
		})
	// Output:
	// [create a=1] true <nil>
	// [create a=1] true <nil>
}

// Release takes away what the loop has made, and nothing else.
func ExampleLoop_Release() {
	kernel := linxtest.NewKernel(linxtest.State{"theirs": "1"})
	loop, err := reconcile.New(linxtest.NewSource(kernel), linxtest.State{"ours": "1"}, reconcile.Config[linxtest.Owned]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	supervisor := suture.NewSimple("app")
	supervisor.Add(loop)
	ctx, cancel := context.WithCancel(context.Background())
	ended := supervisor.ServeBackground(ctx)
	fmt.Println(loop.WaitConverged(ctx), kernel.Objects())

	report, err := loop.Release(ctx)
	fmt.Println(report.Applied, err)
	fmt.Println(kernel.Objects())
	cancel()
	<-ended
	// Output:
	// <nil> map[ours:{1 true} theirs:{1 false}]
	// [delete ours=1] <nil>
	// map[theirs:{1 false}]
}
