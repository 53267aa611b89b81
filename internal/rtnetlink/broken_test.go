package rtnetlink

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/linxtest"
)

// Cancelled in the middle, a dump ends, and what it left unread never becomes part of another answer.
func TestDumpCancelled(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	addRoutes(t, c, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	var b Batch
	askRoutes(&b, 0)
	calls := 0
	err := c.Dump(ctx, &b, func(uint16, []byte) error { cancel(); calls++; return nil })
	if err != context.Canceled || calls == 0 || calls >= 3000 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := c.Dump(t.Context(), &b, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v, want os.ErrClosed", err)
	}
}

// lateEnd is a context that ends while it is asked, for the nth time, whether it has; it says no.
type lateEnd struct {
	context.Context
	cancel context.CancelFunc
	asked  int
	n      int
}

func (c *lateEnd) Err() error {
	if c.asked++; c.asked == c.n {
		c.cancel()
	}
	return nil
}

// A context that ends when all has been read spoils nothing; the deadline that it sets must not spoil what
// comes next.
func TestDumpCancelledAtItsEnd(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	var b Batch
	askLinks(&b)
	late := &lateEnd{}
	late.Context, late.cancel = context.WithCancel(t.Context())
	defer late.cancel()
	links := 0
	dump := func(ctx context.Context) error {
		return c.Dump(ctx, &b, func(uint16, []byte) error { links++; return nil })
	}
	if err := dump(late); err != nil {
		t.Fatal(err)
	}
	late.n, late.asked = late.asked, 0
	if err := dump(late); err != nil || links != 2 {
		t.Errorf("%v after %d links", err, links)
	}
	var err error
	linxtest.Eventually(t, "an error", func() bool {
		err = dump(t.Context())
		return err != nil
	})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v, want os.ErrClosed", err)
	}
}

// A broken Conn keeps its port id until it is closed: what is known by that must not become another's.
func TestBrokenConnKeepsItsPort(t *testing.T) {
	c, n := dial(t)
	h := handle(t, n)
	taken := func() bool {
		var err error
		h.Do(func() error {
			fd, _ := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
			defer unix.Close(fd)
			err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: c.PortID()})
			return nil
		})
		return err == unix.EADDRINUSE
	}
	ctx, cancel := context.WithCancel(t.Context())
	var b Batch
	addRoutes(t, c, 3000)
	askRoutes(&b, 0)
	if err := c.Dump(ctx, &b, func(uint16, []byte) error { cancel(); return nil }); err != context.Canceled {
		t.Fatal(err)
	}
	if !taken() {
		t.Error("the port id is free before Close")
	}
	c.Close()
	if taken() {
		t.Error("the port id is not free after Close")
	}
}

func TestDumpWithAContextThatHasEnded(t *testing.T) {
	c, _ := dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b Batch
	askLinks(&b)
	if err := c.Dump(ctx, &b, func(uint16, []byte) error { t.Error("asked"); return nil }); err != context.Canceled {
		t.Error(err)
	}
	if err := c.Dump(t.Context(), &b, func(uint16, []byte) error { return nil }); err != nil {
		t.Errorf("nothing was asked, so nothing is left unread: %v", err)
	}
}

// At whatever moment the context ends, the answer is whole or there is an error, and the Conn works or says
// that it is broken.
func TestDumpCancelledAnytime(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, n := dial(t)
	const all = 3000
	addRoutes(t, c, all)
	var b Batch
	whole, broken := 0, 0
	for i := 0; i < 500 && (whole < 5 || broken < 5); i++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%100)*100*time.Microsecond)
		askRoutes(&b, testTable)
		calls := 0
		err := c.Dump(ctx, &b, func(uint16, []byte) error { calls++; return nil })
		cancel()
		switch {
		case err == nil && calls == all:
			whole++
		case errors.Is(err, context.DeadlineExceeded):
			broken++
		case errors.Is(err, os.ErrClosed):
			c = dialIn(t, n)
		default:
			t.Fatalf("%d routes, %v", calls, err)
		}
	}
	t.Logf("%d whole, %d broken off", whole, broken)
}

func TestClosedConn(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	var b Batch
	askLinks(&b)
	if err := c.Dump(t.Context(), &b, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Dump: %v", err)
	}
	if done, err := c.Do(t.Context(), &b, nil); done != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do: %d done, %v", done, err)
	}
}

// A reader that panics leaves the rest of the answer unread, and no lock held.
func TestDumpWithAReaderThatPanics(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	var b Batch
	askLinks(&b)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not come out")
			}
		}()
		c.Dump(t.Context(), &b, func(uint16, []byte) error { panic("boom") })
	}()
	if err := c.Dump(t.Context(), &b, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}
