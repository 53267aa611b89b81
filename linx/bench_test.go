package linx_test

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// BenchmarkDo is what a visit costs, and the floor: a thread, a setns, and the thread's end.
func BenchmarkDo(b *testing.B) {
	n := testns.New(b)
	target, err := unix.Open(n.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(target)
	bare := func() {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			done <- unix.Setns(target, unix.CLONE_NEWNET)
		}()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	for name, ns := range map[string]linx.Namespace{
		"self": linx.Self(), "path": n.Namespace(), "pid": linx.PID(n.Process().PID()),
	} {
		h, err := ns.Open()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := h.Do(func() error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			begin := time.Now()
			for range b.N {
				bare()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(time.Since(begin)), "x-floor")
		})
		h.Close()
	}
}

// BenchmarkRefresh is what a pass pays to know that its namespace is still the one.
func BenchmarkRefresh(b *testing.B) {
	n := testns.New(b)
	for name, ns := range map[string]linx.Namespace{
		"self": linx.Self(), "path": n.Namespace(), "pid": linx.PID(n.Process().PID()),
	} {
		h, err := ns.Open()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Refresh(); err != nil {
					b.Fatal(err)
				}
			}
		})
		h.Close()
	}
}
