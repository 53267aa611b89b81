package linxtest

import (
	"testing"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// Outlasts serves a loop while something is amiss, as when file descriptors run out, and fails the test
// unless that is no crash: the loop tries, in a pass and in subscribing, and once it is over it converges
// and listens, without ever having been restarted. amiss makes it so and gives what ends it.
func Outlasts[D, L any](t testing.TB, loop *reconcile.Loop[D, L], amiss func() (over func())) {
	t.Helper()
	over := amiss()
	tree := Supervise(t, loop)
	Eventually(t, "tried", func() bool {
		s := loop.Status()
		return s.Passes > 0 && s.Monitor != reconcile.MonitorOff || s.Serves > 1
	})
	over()
	Eventually(t, "converged and joined", func() bool {
		s := loop.Status()
		return s.Converged && s.Monitor == reconcile.MonitorJoined
	})
	if s := loop.Status(); s.Serves != 1 {
		t.Errorf("%d serves: %v", s.Serves, tree.Failures())
	}
}
