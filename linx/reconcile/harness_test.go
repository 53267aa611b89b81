package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Short names for what every test here speaks of.
type (
	state  = linxtest.State
	owned  = linxtest.Owned
	source = linxtest.Source
	report = reconcile.Report[owned]
	config = reconcile.Config[owned]
	loop   = reconcile.Loop[state, owned]
)

const (
	claimed   = linxtest.Claimed
	confirmed = linxtest.Confirmed
)

var errBroken = errors.New("broken")

// newLoop is New of what must not be refused.
func newLoop(t testing.TB, src reconcile.Source[state, owned], desired state, cfg config) *loop {
	t.Helper()
	l, err := reconcile.New(src, desired, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// served is one Serve on a goroutine of its own.
type served struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // what it returned
	panic  any   // what it panicked with
	goexit bool  // it called runtime.Goexit
	ended  time.Time
}

// serve calls Serve, and at the test's end cancels and waits for it.
func serve(t testing.TB, l *loop) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{cancel: cancel, done: make(chan struct{}), goexit: true}
	go func() {
		defer close(s.done)
		defer func() {
			s.ended = time.Now()
			if s.panic = recover(); s.panic != nil {
				s.goexit = false
			}
		}()
		s.err = l.Serve(ctx)
		s.goexit = false
	}()
	t.Cleanup(s.stop)
	return s
}

// stop cancels and waits.
func (s *served) stop() {
	s.cancel()
	<-s.done
}

// running reports whether Serve has not ended.
func (s *served) running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// start is serve of a new loop, up to where it has nothing to do at once. For bubbles.
func start(t testing.TB, src reconcile.Source[state, owned], desired state, cfg config) (*loop, *served) {
	t.Helper()
	l := newLoop(t, src, desired, cfg)
	s := serve(t, l)
	synctest.Wait()
	return l, s
}

// advance lets virtual time pass, and all happen that is due by its end.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expectPasses checks when the passes of src began, counted from since.
func expectPasses(t testing.TB, src *source, since time.Time, want ...time.Duration) {
	t.Helper()
	var got []time.Duration
	for _, p := range src.Passes() {
		got = append(got, p.Began.Sub(since))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("passes began after %v, want %v", got, want)
	}
}

// expectKernel checks all that the kernel holds, as "a=1" for ours and "a=1 foreign".
func expectKernel(t testing.TB, src *source, want ...string) {
	t.Helper()
	wanted := map[string]linxtest.Object{}
	for _, w := range want {
		w, foreign := strings.CutSuffix(w, " foreign")
		name, value, _ := strings.Cut(w, "=")
		wanted[name] = linxtest.Object{Value: value, Ours: !foreign}
	}
	if got := src.Kernel().Objects(); !maps.Equal(got, wanted) {
		t.Errorf("the kernel holds %v, want %v", got, wanted)
	}
}

// expectSound checks what a loop never does, whatever happens, and that a loop which has ended left nothing
// open.
func expectSound(t testing.TB, src *source, ended bool) {
	t.Helper()
	c := src.Counts()
	if c.Overlapping > 0 {
		t.Errorf("%d passes overlapped another one", c.Overlapping)
	}
	if c.ServedAgain > 0 {
		t.Errorf("%d monitors were served twice", c.ServedAgain)
	}
	if ended && c.Open > 0 {
		t.Errorf("%d subscriptions were left open", c.Open)
	}
	if !ended && c.Open > 1 {
		t.Errorf("%d subscriptions are open", c.Open)
	}
}

// clock notes when things happen.
type clock struct {
	mu    sync.Mutex
	times []time.Time
}

func (c *clock) note() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, time.Now())
}

func (c *clock) noted() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.times)
}

// logbook is a slog.Handler that keeps the lines, as "LEVEL message".
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logbook) WithGroup(string) slog.Handler            { return b }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

func slogTo(b *logbook) *slog.Logger { return slog.New(b) }

// about gives the lines that hold text.
func (b *logbook) about(text string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, line := range b.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// callback is a Notify or Claim that a Fault may strike, once for each at.
type callback struct {
	mu    sync.Mutex
	next  []linxtest.Fault
	calls int
}

func (c *callback) at(faults ...linxtest.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = append(c.next, faults...)
}

func (c *callback) reach(ctx context.Context) error {
	c.mu.Lock()
	c.calls++
	var f linxtest.Fault
	if len(c.next) > 0 {
		f, c.next = c.next[0], c.next[1:]
	}
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}
