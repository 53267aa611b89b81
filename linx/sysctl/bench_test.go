package sysctl

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// many gives n keys of n's namespace, with the values that they have.
func many(tb testing.TB, n *testns.Net, count int) Settings {
	for i := 0; i < count/25; i++ {
		n.Veth(fmt.Sprintf("v%d", i), fmt.Sprintf("w%d", i))
	}
	names, err := List(n.Namespace(), "net.ipv4.conf")
	if err != nil {
		tb.Fatal(err)
	}
	desired := Settings{}
	for _, name := range names {
		if v, err := Read(n.Namespace(), name); err == nil && len(desired) < count {
			desired[name] = v
		}
	}
	if len(desired) != count {
		tb.Fatalf("%d keys", len(desired))
	}
	return desired
}

// BenchmarkSteadyPass is a pass that finds 500 keys in place, against the same number of preads.
func BenchmarkSteadyPass(b *testing.B) {
	n := testns.New(b)
	desired := many(b, n, 500)
	s := source(b, n.Namespace(), Options{})
	r, err := s.Reconcile(b.Context(), desired, LastApplied{}, nil)
	if err != nil || !r.Converged {
		b.Fatal(err, r.Failed)
	}
	var fds []int
	n.Do(func() {
		for name := range desired {
			k, _ := parseKey(name)
			fd, err := unix.Open(root+"/"+string(k), os.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			fds = append(fds, fd)
		}
	})
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	var floor, ours time.Duration
	buf := make([]byte, glanceSize)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				b.Fatal(err)
			}
		}
		floor += time.Since(began)
		began = time.Now()
		if r, err = s.Reconcile(b.Context(), desired, r.LastApplied, nil); err != nil || len(r.Applied) > 0 || !r.Converged {
			b.Fatal(err, r.Applied)
		}
		ours += time.Since(began)
	}
	b.ReportMetric(float64(ours)/float64(floor), "x-floor")
	b.ReportMetric(float64(floor.Nanoseconds())/float64(b.N)/500, "floor-ns/key")
}

// BenchmarkDrift is the time from somebody's write until the key is as desired again, by the hint of
// inotify (of the key itself) and of NETCONF (ip_forward, which moves it).
func BenchmarkDrift(b *testing.B) {
	for name, c := range map[string]struct{ desired, write string }{
		"inotify": {"net/ipv4/tcp_syncookies", "net/ipv4/tcp_syncookies"},
		"netconf": {"net/ipv4/conf/v0/forwarding", "net/ipv4/ip_forward"},
	} {
		b.Run(name, func(b *testing.B) {
			n := testns.New(b)
			n.Veth("v0", "v1")
			var desired, write *os.File
			n.Do(func() {
				var err error
				if desired, err = os.Open(root + "/" + c.desired); err != nil {
					b.Fatal(err)
				}
				if write, err = os.OpenFile(root+"/"+c.write, os.O_WRONLY, 0); err != nil {
					b.Fatal(err)
				}
			})
			defer desired.Close()
			defer write.Close()
			var took []time.Duration
			text := make([]byte, 8)
			for i := 0; b.Loop(); i++ {
				// A loop of its own each time, as one would take many of this for a fight.
				loop, err := reconcile.New(New(n.Namespace(), Options{}), Settings{c.desired: "2"},
					Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
				if err != nil {
					b.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- loop.Serve(b.Context()) }()
				if err := loop.WaitConverged(b.Context()); err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				if _, err := write.WriteAt([]byte{'0' + byte(i%2), '\n'}, 0); err != nil {
					b.Fatal(err)
				}
				for text[0] = 0; text[0] != '2'; {
					if _, err := desired.ReadAt(text, 0); err != nil && err != io.EOF {
						b.Fatal(err)
					}
					runtime.Gosched()
				}
				took = append(took, time.Since(began))
				if err := loop.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
				<-ended
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-us")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
}
