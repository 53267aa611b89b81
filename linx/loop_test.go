package linx_test

import (
	"errors"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// A loop in a process's namespace goes on while any of its threads lives, and not a moment longer.
func TestLoopOutlivesMainThread(t *testing.T) {
	s := start(t, "outlives its main thread", unix.CLONE_NEWNET)
	loop, err := reconcile.New(rtnl.New(linx.PID(s.pid()), rtnl.Options{}), onLoopback,
		rtnl.Config{Interval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tree := linxtest.Supervise(t, loop)
	if err := loop.WaitConverged(t.Context()); err != nil {
		t.Fatal(err)
	}

	s.tell("exit")
	eventually(t, "an error", func() bool { return loop.Status().LastError != nil })
	passes := loop.Status().Passes
	eventually(t, "more tries", func() bool { return loop.Status().Passes > passes+2 })
	if st := loop.Status(); errors.Is(st.LastError, linx.ErrNamespaceGone) || !st.Serving || st.Serves != 1 {
		t.Errorf("the main thread has exited: %+v", st)
	}

	s.end()
	eventually(t, "the end", func() bool { return loop.Status().Final != nil && !loop.Status().Serving })
	final := loop.Status().Final
	if !errors.Is(final, linx.ErrNamespaceGone) || !errors.Is(final, suture.ErrDoNotRestart) {
		t.Error(final)
	}
	if n := loop.Status().Serves; n != 1 {
		t.Errorf("served %d times", n)
	}
	if events := tree.Events(); len(events) != 0 {
		t.Errorf("the supervisor saw %v", events)
	}
}
