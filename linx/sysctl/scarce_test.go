package sysctl

import (
	"strconv"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Wherever the descriptors run out, in a pass or in subscribing, that is no crash: once there are enough, the
// loop converges and listens.
func TestScarceDescriptors(t *testing.T) {
	linxtest.CheckLeaks(t)
	everywhere(t, func(t *testing.T, _ *testns.Net, ns linx.Namespace) {
		for left := range 16 {
			t.Run(strconv.Itoa(left), func(t *testing.T) {
				loop, err := reconcile.New(New(ns, Options{}), Settings{"net.ipv4.tcp_syncookies": "2"}, Config{Interval: reconcile.Never})
				if err != nil {
					t.Fatal(err)
				}
				linxtest.Outlasts(t, loop, func() func() { return testns.LeaveDescriptors(t, left) })
			})
		}
	})
}
