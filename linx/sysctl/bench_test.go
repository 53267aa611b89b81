package sysctl

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
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
	buf := make([]byte, 4096)
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
