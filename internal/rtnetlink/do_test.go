package rtnetlink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/linxtest"
)

// Of many requests, in several sendmsgs, each that fails is told of under its index; all others are carried
// out.
func TestDoWithFailuresInTheMiddle(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	const n = 5*maxRequests + 7
	want, good := map[int]error{}, 0
	var b Batch
	for i := range n {
		switch {
		case i == 0, i == n-1, i == maxRequests-1, i%50 == 3:
			badRoute(&b, i)
			want[i] = unix.EINVAL
		case i%50 == 4 && i > 4:
			addRoute(&b, i-2) // is there already
			want[i] = unix.EEXIST
		default:
			addRoute(&b, i)
			good++
		}
	}
	last := -1
	done, err := c.Do(t.Context(), &b, func(i int, err error) {
		if i <= last {
			t.Errorf("request %d after %d", i, last)
		}
		last = i
		var e *Error
		if want[i] == nil || !errors.Is(err, want[i]) || !errors.As(err, &e) {
			t.Errorf("request %d: %v, want %v", i, err, want[i])
		}
		delete(want, i)
	})
	if done != n || err != nil {
		t.Errorf("%d done, want %d; %v", done, n, err)
	}
	if len(want) != 0 {
		t.Errorf("not told of: %v", want)
	}
	if got := len(routes(t, c)); got != good {
		t.Errorf("%d routes, want %d", got, good)
	}
}

func TestDoHasTheKernelsText(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	badRoute(&b, 0)
	told := false
	_, err := c.Do(t.Context(), &b, func(_ int, err error) {
		told = true
		var e *Error
		if !errors.As(err, &e) || e.Errno != unix.EINVAL || e.Text == "" || !strings.HasSuffix(err.Error(), ": "+e.Text) {
			t.Errorf("%#v is without a text", err)
		}
		t.Log(err)
	})
	if err != nil || !told {
		t.Errorf("told: %v; %v", told, err)
	}
}

// Everything may fail, and the answers still fit into the receive buffer.
func TestDoWithNothingButFailures(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	for i := range 10 * maxRequests {
		badRoute(&b, i)
	}
	next := 0
	done, err := c.Do(t.Context(), &b, func(i int, err error) {
		if i != next || !errors.Is(err, unix.EINVAL) {
			t.Errorf("request %d, want %d: %v", i, next, err)
		}
		next++
	})
	if done != b.Len() || err != nil || next != b.Len() {
		t.Errorf("%d of %d done, %d failed: %v", done, b.Len(), next, err)
	}
}

// Requests that are too large together go in more sendmsgs; one that is too large alone is the kernel's to
// refuse.
func TestDoBoundsBytes(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	failures := 0
	for range 20 {
		b.Begin(unix.RTM_NEWLINK, 0)
		b.Raw(make([]byte, unix.SizeofIfInfomsg))
		b.String(unix.IFLA_IFALIAS, strings.Repeat("x", 30<<10))
	}
	done, err := c.Do(t.Context(), &b, func(int, error) { failures++ })
	if done != 20 || err != nil || failures != 20 {
		t.Errorf("%d done, %d failed: %v", done, failures, err)
	}
	b.Reset()
	b.Begin(unix.RTM_NEWLINK, 0)
	for range 10 {
		b.Bytes(unix.IFLA_IFALIAS, make([]byte, 60<<10))
	}
	if done, err := c.Do(t.Context(), &b, nil); done != 0 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("600 KB: %d done, %v, want EMSGSIZE", done, err)
	}
	addRoutes(t, c, 1) // nothing was lost by it
}

// A context that ends in the middle leaves nothing in doubt: what is done is known, the rest was not tried,
// and the next request works.
func TestDoCancelledInTheMiddle(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	var b Batch
	for i := range 4 * maxRequests {
		if i == maxRequests+5 {
			badRoute(&b, i)
		} else {
			addRoute(&b, i)
		}
	}
	done, err := c.Do(ctx, &b, func(int, error) { cancel() })
	if done != 2*maxRequests || !errors.Is(err, context.Canceled) {
		t.Errorf("%d done, want %d; %v", done, 2*maxRequests, err)
	}
	got := routes(t, c)
	for i := range b.Len() {
		if want := i < done && i != maxRequests+5; got[i] != want {
			t.Errorf("route %d is there: %v, want %v", i, got[i], want)
		}
	}
	if done, err := c.Do(ctx, &b, nil); done != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %d done, %v", done, err)
	}
}

// The same, cancelled at any moment.
func TestDoCancelledAnytime(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	for round := range 50 {
		b.Reset()
		for i := range 8 * maxRequests {
			addRoute(&b, i)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*50*time.Microsecond)
		done, err := c.Do(ctx, &b, func(i int, err error) { t.Errorf("request %d: %v", i, err) })
		cancel()
		if (err == nil) != (done == b.Len()) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%d done, %v", done, err)
		}
		got := routes(t, c)
		b.Reset()
		for i := range done {
			if !got[i] {
				t.Fatalf("round %d: route %d of %d is missing", round, i, done)
			}
			delRoute(&b, i)
		}
		if len(got) != done {
			t.Fatalf("round %d: %d routes, %d done", round, len(got), done)
		}
		mustDo(t, c, &b)
	}
}

func TestDoNothing(t *testing.T) {
	c, _ := dial(t)
	if done, err := c.Do(t.Context(), new(Batch), nil); done != 0 || err != nil {
		t.Errorf("%d, %v", done, err)
	}
}

// One ack for all: even the least receive buffer has room for it.
func TestDoAsksForOneAck(t *testing.T) {
	c, _ := dial(t)
	c.socket.Control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	addRoutes(t, c, 3*maxRequests)
}

// An answer that the kernel had no room for is an error, not a success.
func TestDoWithLostAnswers(t *testing.T) {
	c, _ := dial(t)
	// The least that there can be.
	c.socket.Control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	var b Batch
	for i := range maxRequests {
		badRoute(&b, i)
	}
	done, err := c.Do(t.Context(), &b, func(int, error) {})
	if done != 0 || !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("%d done, %v, want ENOBUFS", done, err)
	}
	if _, err := c.Do(t.Context(), &b, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v, want os.ErrClosed", err)
	}
}

func TestConcurrentRequests(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	const workers, each = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var b Batch
			for i := range each {
				addRoute(&b, w*each+i)
			}
			done, err := c.Do(t.Context(), &b, func(i int, err error) { t.Errorf("request %d: %v", i, err) })
			if done != each || err != nil {
				t.Errorf("%d done, %v", done, err)
			}
			askLinks(&b)
			names := 0
			if err := c.Dump(t.Context(), &b, func(typ uint16, _ []byte) error {
				if typ != unix.RTM_NEWLINK {
					return fmt.Errorf("a message of type %d", typ)
				}
				names++
				return nil
			}); err != nil || names == 0 {
				t.Errorf("%d links, %v", names, err)
			}
		})
	}
	wg.Wait()
	if got := len(routes(t, c)); got != workers*each {
		t.Errorf("%d routes, want %d", got, workers*each)
	}
}

// A batch costs some allocations, but none per request.
func TestDoAllocatesNothingPerRequest(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	ctx := t.Context()
	allocations := func(n int) float64 {
		return testing.AllocsPerRun(10, func() {
			b.Reset()
			for i := range n / 2 {
				addRoute(&b, i)
			}
			for i := range n / 2 {
				delRoute(&b, i)
			}
			if done, err := c.Do(ctx, &b, nil); done != n || err != nil {
				t.Fatal(done, err)
			}
		})
	}
	allocations(maxRequests)
	few, many := allocations(2), allocations(maxRequests)
	if many > few+2 { // a sync.Pool loses its buffer to a garbage collection
		t.Errorf("%v allocations for %d requests, %v for 2", many, maxRequests, few)
	}
}
