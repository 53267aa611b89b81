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
				linxtest.Outlasts(t, loop, func() func() { return testns.LeaveDescriptors(t, left) })
			})
		}
	}
}
