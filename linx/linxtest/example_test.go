package linxtest_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// What does a tree do when a loop's monitor panics? In a test, Supervise is the shorter way.
func Example() {
	src := linxtest.NewSource(nil)
	loop, err := reconcile.New(src, linxtest.State{"a": "1"}, reconcile.Config[linxtest.Owned]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	events := make(chan suture.Event, 1)
	supervisor := suture.New("app", suture.Spec{EventHook: func(e suture.Event) { events <- e }})
	supervisor.Add(loop)
	ctx, cancel := context.WithCancel(context.Background())
	ended := supervisor.ServeBackground(ctx)
	fmt.Println(loop.WaitConverged(ctx))

	src.EndMonitor(linxtest.Panic("lost it"))
	message, _, _ := strings.Cut((<-events).(suture.EventServicePanic).PanicMsg, "\n")
	fmt.Println(message)

	report, err := loop.Reconcile(ctx) // waits for the restart
	fmt.Println(report.Converged, err)
	fmt.Println("served:", loop.Status().Serves, "subscriptions open:", src.Counts().Open)
	cancel()
	<-ended
	fmt.Println("subscriptions open:", src.Counts().Open)
	// Output:
	// <nil>
	// fake: monitor fake monitor panicked: lost it
	// true <nil>
	// served: 2 subscriptions open: 1
	// subscriptions open: 0
}
