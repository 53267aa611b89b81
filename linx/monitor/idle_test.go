package monitor

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Many idle monitors: two goroutines each and no thread, little memory.
func TestIdle(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	p := n.Process()
	for _, ns := range []linx.Namespace{linx.PID(p.PID()), n.Namespace(), linx.Self()} {
		t.Run(strings.Fields(ns.String())[0], func(t *testing.T) {
			idle(t, 2, 24<<10, func(synced func()) suture.Service {
				return New(ns, func(e Event) {
					if isResync(e) {
						synced()
					}
				}, Config{})
			})
		})
	}
}

// The same together with the loop that they are for.
func TestIdleLoop(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	idle(t, 6, 40<<10, func(synced func()) suture.Service {
		cfg := reconcile.Config[int]{Notify: func(context.Context, reconcile.Report[int], error) { synced() }, Interval: reconcile.Never}
		loop, err := reconcile.New(source{n.Namespace()}, 0, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return loop
	})
}

// source has nothing to do.
type source struct{ ns linx.Namespace }

func (source) Reconcile(context.Context, int, int, func(int) error) (reconcile.Report[int], error) {
	return reconcile.Report[int]{Converged: true}, nil
}

func (s source) Subscribe(_ context.Context, hint func()) (suture.Service, error) {
	m := New(s.ns, func(Event) { hint() }, Config{})
	return m, m.Join(nil)
}

// idle serves many services and measures what each costs, once all have called synced.
func idle(t *testing.T, goroutinesEach, bytesEach int, make func(synced func()) suture.Service) {
	t.Helper()
	const many = 200
	ctx, cancel := context.WithCancel(t.Context())
	var ended, synced sync.WaitGroup
	defer ended.Wait()
	defer cancel()
	memory, goroutines, threads := inUse(), runtime.NumGoroutine(), countThreads(t)
	for range many {
		synced.Add(1)
		s := make(sync.OnceFunc(synced.Done))
		ended.Go(func() { s.Serve(ctx) })
	}
	synced.Wait()
	var bytes int
	linxtest.Eventually(t, "they are as small as they are to be", func() bool {
		bytes = (inUse() - memory) / many
		return bytes < bytesEach && runtime.NumGoroutine()-goroutines <= goroutinesEach*many
	})
	grown := countThreads(t) - threads
	t.Logf("each %d bytes and %.1f goroutines; all %d have %d threads", bytes,
		float64(runtime.NumGoroutine()-goroutines)/many, many, grown)
	if grown > linxtest.ThreadSlack {
		t.Errorf("%d threads", grown)
	}
}

// inUse is the memory that is in use after a garbage collection, in bytes: heap and stacks.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func countThreads(t *testing.T) int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
