package linx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

const waiters = 10

// waitAll has many wait for h, and returns when all of them are parked in the netpoller. The channel gives
// what they return.
func waitAll(t *testing.T, ctx context.Context, h *linx.Handle) <-chan error {
	t.Helper()
	returned := make(chan error, waiters)
	for range waiters {
		go func() { returned <- h.Wait(ctx) }()
	}
	eventually(t, "all are waiting", func() bool { return parked() == waiters || len(returned) > 0 })
	return returned
}

// parked counts the goroutines that wait inside Handle.Wait without a thread.
func parked() int {
	buf := make([]byte, 1<<20)
	n := 0
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		header, rest, _ := strings.Cut(stack, "\n")
		if strings.Contains(rest, ".(*Handle).Wait(") &&
			(strings.Contains(header, "[IO wait") || strings.Contains(header, "[chan receive")) {
			n++
		}
	}
	return n
}

func each(returned <-chan error, check func(err error)) {
	for range waiters {
		check(<-returned)
	}
}

func TestWaitForAProcess(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	p := n.Process()
	h := open(t, linx.PID(p.PID()))
	returned := waitAll(t, t.Context(), h)
	h.Close() // makes no difference
	if parked() != waiters {
		t.Error("Close woke somebody")
	}
	p.Kill()
	each(returned, func(err error) { wantExited(t, "Wait", err) })
}

func TestWaitForAPath(t *testing.T) {
	for name, end := range map[string]func(*testns.Net){
		"removed":  (*testns.Net).Unmount,
		"replaced": (*testns.Net).Replace,
		"unmounted": func(n *testns.Net) {
			if err := unix.Unmount(n.Path(), unix.MNT_DETACH); err != nil {
				panic(err)
			}
		},
		"mounted over": func(n *testns.Net) {
			if err := unix.Mount("/proc/self/ns/net", n.Path(), "", unix.MS_BIND, ""); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			nothingLeft(t)
			n := testns.New(t)
			h := open(t, n.Namespace())
			returned := waitAll(t, t.Context(), h)

			testns.New(t) // mounts something else
			eventually(t, "all are waiting again", func() bool { return parked() == waiters })
			if len(returned) != 0 {
				t.Errorf("Wait returned %v when something else was mounted", <-returned)
			}

			end(n)
			each(returned, func(err error) { wantGone(t, "Wait", err) })
			wantGone(t, "Refresh", h.Refresh())
			wantGone(t, "Wait, at once", h.Wait(t.Context()))
			if name == "mounted over" {
				unix.Unmount(n.Path(), unix.MNT_DETACH)
			}
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	for _, ns := range []linx.Namespace{linx.Self(), n.Namespace(), linx.PID(n.Process().PID())} {
		h := open(t, ns)
		ctx, cancel := context.WithCancel(t.Context())
		returned := waitAll(t, ctx, h)
		cancel()
		each(returned, func(err error) {
			if err != context.Canceled {
				t.Errorf("%s: got %v, want context.Canceled", ns, err)
			}
		})
		if err := h.Wait(ctx); err != context.Canceled {
			t.Errorf("%s: with a context that had ended: %v", ns, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Microsecond)
		if err := h.Wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("%s: got %v, want context.DeadlineExceeded", ns, err)
		}
		cancel()
	}
}

// A namespace that is gone is what counts, even for a context that has ended.
func TestWaitSaysGoneFirst(t *testing.T) {
	n := testns.New(t)
	p := n.Process()
	byPath, byPID := open(t, n.Namespace()), open(t, linx.PID(p.PID()))
	p.Kill()
	n.Unmount()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		wantGone(t, "a path", byPath.Wait(ctx))
		wantExited(t, "a process", byPID.Wait(ctx))
	}
}

func TestWaitEndsWhenAPathIsClosed(t *testing.T) {
	nothingLeft(t)
	h := open(t, testns.New(t).Namespace())
	returned := waitAll(t, t.Context(), h)
	h.Close()
	if err := h.Refresh(); err != nil {
		t.Fatal(err)
	}
	each(returned, func(err error) {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want os.ErrClosed", err)
		}
	})
	h.Close()
	if err := h.Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a closed handle: %v", err)
	}
}

// What is not a mount point is not watched, and says so nowhere; Refresh sees it.
func TestWaitForAPathThatIsNoMountPoint(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	p := n.Process()
	h := open(t, linx.Path(fmt.Sprintf("/proc/%d/ns/net", p.PID())))
	ctx, cancel := context.WithCancel(t.Context())
	returned := waitAll(t, ctx, h)
	p.Kill()
	wantGone(t, "Refresh", h.Refresh())
	cancel()
	each(returned, func(err error) {
		if err != context.Canceled {
			wantGone(t, "Wait", err) // it may have looked once more, for a mount elsewhere
		}
	})
}

// Waiting takes no thread. (Opening a file takes one for a moment, and the runtime keeps some of those.)
func TestWaitingTakesNoThread(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	byPath, byPID := open(t, n.Namespace()), open(t, linx.PID(n.Process().PID()))
	before := count(t, "/proc/self/task")
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error, 400)
	for range cap(returned) / 2 {
		go func() { returned <- byPath.Wait(ctx) }()
		go func() { returned <- byPID.Wait(ctx) }()
	}
	eventually(t, "all are waiting", func() bool { return parked() == cap(returned) })
	if n := count(t, "/proc/self/task") - before; n > cap(returned)/2 {
		t.Errorf("%d threads more for %d waiters", n, cap(returned))
	}
	cancel()
	for range cap(returned) {
		<-returned
	}
}

// A Watch has what it needs: it waits although there is no descriptor to be had any more.
func TestWatchNeedsNothingMore(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	p := n.Process()
	for _, ns := range []linx.Namespace{linx.PID(p.PID()), n.Namespace(), linx.Self()} {
		h := open(t, ns)
		unused, err := h.Watch()
		if err != nil {
			t.Fatal(err)
		}
		w, err := h.Watch()
		if err != nil {
			t.Fatal(err)
		}
		var old unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() { waited <- w.Wait(ctx) }()
		cancel()
		err = <-waited
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", ns, err)
		}
		if err := unused.Close(); err != nil {
			t.Errorf("%s: closing an unused watch: %v", ns, err)
		}
	}
}
