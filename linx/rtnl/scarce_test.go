package rtnl

import (
	"strconv"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestScarceDescriptors: wherever the descriptors run out, in a pass or in subscribing, that is no crash:
// once there are enough, the loop converges and listens.
func TestScarceDescriptors(t *testing.T) {
	linxtest.CheckLeaks(t)
	k := newKernel(t, Options{})
	for kind, ns := range map[string]linx.Namespace{"path": k.Namespace(), "pid": linx.PID(k.Process().PID())} {
		for left := range 16 {
			t.Run(kind+"/"+strconv.Itoa(left), func(t *testing.T) {
				loop, err := reconcile.New(New(ns, Options{}), claimState(), Config{Interval: reconcile.Never})
				if err != nil {
					t.Fatal(err)
				}
				restore := testns.LeaveDescriptors(t, left)
				tree := linxtest.Supervise(t, loop)
				linxtest.Eventually(t, "tried", func() bool {
					s := loop.Status()
					return s.Passes > 0 && s.Monitor != reconcile.MonitorOff || s.Serves > 1
				})
				restore()
				linxtest.Eventually(t, "converged and joined", func() bool {
					s := loop.Status()
					return s.Converged && s.Monitor == reconcile.MonitorJoined
				})
				if s := loop.Status(); s.Serves != 1 {
					t.Errorf("%d serves: %v", s.Serves, tree.Failures())
				}
			})
		}
	}
}
