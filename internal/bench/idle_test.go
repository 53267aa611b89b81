package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// cost is what the process has taken.
type cost struct {
	bytes   uint64 // heap and stacks
	threads int
	fds     int
	cpu     time.Duration
	wakeups int64 // times that a thread gave up the processor by itself
}

func takeCost(b *testing.B) cost {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return cost{
		bytes:   m.HeapAlloc + m.StackInuse,
		threads: entries(b, "/proc/self/task"),
		fds:     entries(b, "/proc/self/fd"),
		cpu:     time.Duration(u.Utime.Nano() + u.Stime.Nano()),
		wakeups: u.Nvcsw,
	}
}

func entries(b *testing.B, dir string) int {
	list, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	return len(list)
}

// A loop and its monitor that have nothing to do: what they hold, and what they do meanwhile.
func BenchmarkIdle(b *testing.B) {
	for _, loops := range []int{1, 1000} {
		b.Run(fmt.Sprint(loops), func(b *testing.B) {
			const watched = 5 * time.Second
			var spaces []*testns.Net
			for range loops {
				spaces = append(spaces, testns.New(b))
			}
			desired := rtnl.State{Addresses: []rtnl.Address{{Interface: "lo", Prefix: oneAddress.Addresses[0].Prefix}}}
			for b.Loop() {
				empty := takeCost(b)
				pause(watched)
				quiet := takeCost(b)

				ctx, cancel := context.WithCancel(context.Background())
				sup := suture.NewSimple("bench")
				done := sup.ServeBackground(ctx)
				for _, n := range spaces {
					l, err := reconcile.New(rtnl.New(n.Namespace(), rtnl.Options{}), desired, rtnl.Config{Interval: reconcile.Never})
					if err != nil {
						b.Fatal(err)
					}
					sup.Add(l)
					if err := l.WaitConverged(ctx); err != nil {
						b.Fatal(err)
					}
				}
				pause(time.Second) // hints of what the loops themselves did
				before := takeCost(b)
				pause(watched)
				after := takeCost(b)
				cancel()
				<-done

				each := func(what float64, unit string) { b.ReportMetric(what/float64(loops), unit) }
				each(float64(before.bytes)-float64(empty.bytes), "B/loop")
				each(float64(before.fds-empty.fds), "fds/loop")
				each(float64(before.threads-empty.threads), "threads/loop")
				// What the measuring itself costs, of the same time without loops, is taken off.
				idle := (after.wakeups - before.wakeups) - (quiet.wakeups - empty.wakeups)
				each(float64(idle)/watched.Seconds(), "wakeups/s/loop")
				each(float64((after.cpu-before.cpu)-(quiet.cpu-empty.cpu))/float64(watched)*1e6, "cpu-ppm/loop")
			}
		})
	}
}

// 100,000 changes of others' routes, which cannot matter to ours: the passes and wakeups that they cost.
func BenchmarkForeignStorm(b *testing.B) {
	const changes, protocol = 100_000, 42
	for _, fam := range families {
		b.Run(fam.name, func(b *testing.B) {
			n := world(b)
			f := newFloor(b, n)
			dsts := destinations(fam.af, changes/2+10)
			storm := func() (time.Duration, int64) {
				before := takeCost(b)
				took := clock(func() {
					f.install(dsts[10:], fam.gateway, protocol, unix.RT_TABLE_MAIN)
					f.remove(dsts[10:], fam.gateway, protocol, unix.RT_TABLE_MAIN)
				})
				return took, takeCost(b).wakeups - before.wakeups
			}
			for b.Loop() {
				_, alone := storm()
				l, err := reconcile.New(rtnl.New(n.Namespace(), rtnl.Options{}), state(dsts[:10], fam.gateway, 0),
					rtnl.Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				sup := suture.NewSimple("bench")
				sup.Add(l)
				done := sup.ServeBackground(ctx)
				if err := l.WaitConverged(ctx); err != nil {
					b.Fatal(err)
				}
				pause(time.Second)
				passes := l.Status().Passes
				took, beside := storm()
				b.ReportMetric(float64(l.Status().Passes-passes), "passes")
				b.ReportMetric(float64(beside-alone), "wakeups")
				b.ReportMetric(float64(changes)/took.Seconds(), "changes/s")
				if _, err := l.Release(ctx); err != nil {
					b.Fatal(err)
				}
				cancel()
				<-done
			}
		})
	}
}
