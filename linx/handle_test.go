package linx_test

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

func TestNamespaceOfAHandle(t *testing.T) {
	n := testns.New(t)
	for _, ns := range []linx.Namespace{linx.Self(), linx.PID(os.Getpid()), n.Namespace()} {
		h, err := ns.Find()
		if err != nil {
			t.Fatal(err)
		}
		if h.Namespace() != ns || h.ID() != "" {
			t.Errorf("%s: a handle of %s, with the id %q before it is opened", ns, h.Namespace(), h.ID())
		}
	}
}

// No descriptor is left to the garbage collector, but for the pidfd that makes the handle what it is.
func TestDescriptorsAreClosed(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	p := n.Process()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ns := range []linx.Namespace{linx.Self(), linx.PID(p.PID()), n.Namespace()} {
		h, err := ns.Find()
		if err != nil {
			t.Fatal(err)
		}
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		before := count(t, "/proc/self/fd")
		for range 20 {
			if err := errors.Join(h.Refresh(), h.Refresh(), h.Do(func() error { return nil })); err != nil {
				t.Fatal(err)
			}
			if err := h.Wait(ended); err != context.Canceled {
				t.Fatal(err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			linx.Path("/proc/self/ns/mnt").Open()
			linx.Path("/proc/self").Open()
		}
		if now := count(t, "/proc/self/fd"); now != before {
			t.Errorf("%s: %d descriptors, were %d", ns, now, before)
		}
	}
	p.Kill()
	before := count(t, "/proc/self/fd")
	for range 20 {
		linx.PID(p.PID()).Open()
	}
	if now := count(t, "/proc/self/fd"); now != before {
		t.Errorf("a process that has exited: %d descriptors, were %d", now, before)
	}
}

// Whatever many do with one handle at once, each call succeeds, or says that the handle is closed.
func TestManyUseOneHandle(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	var inside string
	n.Do(func() { inside = namespaceOf("thread-self", "net") })
	for _, ns := range []linx.Namespace{linx.Self(), linx.PID(n.Process().PID()), n.Namespace()} {
		want := inside
		if ns == linx.Self() {
			want = namespaceOf("self", "net")
		}
		h := open(t, ns)
		id := h.ID()
		ctx, cancel := context.WithCancel(t.Context())
		var users, waiters sync.WaitGroup
		for user := range 8 {
			users.Go(func() {
				for range 50 {
					err := h.Do(func() error {
						if got := namespaceOf("thread-self", "net"); got != want {
							t.Errorf("%s: inside %s, want %s", ns, got, want)
						}
						return nil
					})
					if err != nil && !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					if user%4 == 0 {
						err = h.Close()
					} else {
						err = h.Refresh()
					}
					if err != nil {
						t.Error(err)
					}
					if got := h.ID(); got != id {
						t.Errorf("%s: the id is %q, was %q", ns, got, id)
					}
				}
			})
			waiters.Go(func() {
				for ctx.Err() == nil {
					if err := h.Wait(ctx); err != context.Canceled && !errors.Is(err, os.ErrClosed) {
						t.Errorf("%s: Wait: %v", ns, err)
					}
				}
			})
		}
		users.Wait()
		cancel()
		waiters.Wait()
	}
}
