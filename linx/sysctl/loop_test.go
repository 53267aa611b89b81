package sysctl

import (
	"context"
	"testing"
	"time"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func served(t *testing.T, src *Source, desired Settings, cfg Config) *Loop {
	t.Helper()
	loop, err := reconcile.New(src, desired, cfg)
	if err != nil {
		t.Fatal(err)
	}
	linxtest.Supervise(t, loop)
	ctx, cancel := context.WithTimeout(t.Context(), linxtest.LeakDeadline)
	defer cancel()
	if err := loop.WaitConverged(ctx); err != nil {
		t.Fatal(err)
	}
	return loop
}

// The timer alone converges, heals what others do, and follows a new desired state; releasing the loop
// gives back what was.
func TestLoopByTimer(t *testing.T) {
	linxtest.CheckLeaks(t)
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		const path = "net/ipv4/tcp_syncookies"
		before := look(t, n, path)
		loop := served(t, New(ns, Options{RevertOnRelease: true}), Settings{path: "2"},
			Config{TimerOnly: true, Interval: 5 * time.Millisecond, Debounce: reconcile.Immediate})
		if got := look(t, n, path); got != "2" {
			t.Errorf("%s is %q", path, got)
		}
		turn(t, n, path, "0")
		linxtest.Eventually(t, "drift is healed by the timer", func() bool { return look(t, n, path) == "2" })
		if err := loop.PutDesired(Settings{path: "1", "net/ipv4/conf/lo/rp_filter": "1"}); err != nil {
			t.Fatal(err)
		}
		linxtest.Eventually(t, "a new desired state is there", func() bool { return look(t, n, "net/ipv4/conf/lo/rp_filter") == "1" })
		report, err := loop.Release(t.Context())
		if err != nil || look(t, n, path) != before || look(t, n, "net/ipv4/conf/lo/rp_filter") != "0" {
			t.Errorf("%v: %s", err, ops(report))
		}
	})
}

// A namespace that goes takes no descriptor with it, and the loop finds the next one.
func TestLoopFollowsThePath(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	const path = "net/ipv4/tcp_syncookies"
	loop := served(t, New(n.Namespace(), Options{}), Settings{path: "2"}, Config{TimerOnly: true, Interval: 5 * time.Millisecond})
	first, _ := loop.LastReport()
	n.Replace()
	linxtest.Eventually(t, "converged in the new namespace", func() bool { return look(t, n, path) == "2" })
	linxtest.Eventually(t, "ownership is of the new namespace", func() bool {
		report, _ := loop.LastReport()
		return report.Converged && report.LastApplied.Namespace != first.LastApplied.Namespace
	})
}
