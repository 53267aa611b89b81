package bench

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// 500 sysctls in place, against a pread of each on a descriptor that is kept.
func BenchmarkSysctlsInPlace(b *testing.B) {
	const keys = 500
	ns := testns.New(b)
	desired := asTheyAre(b, ns, keys)
	src := sysctl.New(ns.Namespace(), sysctl.Options{})
	defer src.Close()
	var last sysctl.LastApplied
	pass := func() time.Duration {
		began := time.Now()
		report, err := src.Reconcile(context.Background(), desired, last, nil)
		took := time.Since(began)
		if err != nil || !report.Converged || len(report.Applied) > 0 {
			b.Fatalf("converged %v, error %v, applied %v", report.Converged, err, report.Applied)
		}
		last = report.LastApplied
		return took
	}
	pass()
	files := openAll(b, ns, desired)
	buf := make([]byte, 4096)
	b.ReportAllocs()
	var ours, floor []time.Duration
	for b.Loop() {
		ours = append(ours, pass())
		began := time.Now()
		for _, fd := range files {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				b.Fatal(err)
			}
		}
		floor = append(floor, time.Since(began))
	}
	ratio(b, ours, floor, keys)
}

// asTheyAre wants n sysctls to have the values that they have.
func asTheyAre(b *testing.B, ns *testns.Net, n int) sysctl.Settings {
	for i := range n / 25 {
		ns.Veth(fmt.Sprintf("v%d", i), fmt.Sprintf("w%d", i))
	}
	names, err := sysctl.List(ns.Namespace(), "net.ipv4.conf")
	if err != nil {
		b.Fatal(err)
	}
	desired := sysctl.Settings{}
	for _, name := range names {
		if v, err := sysctl.Read(ns.Namespace(), name); err == nil && len(desired) < n {
			desired[name] = v
		}
	}
	if len(desired) != n {
		b.Fatalf("%d sysctls, want %d", len(desired), n)
	}
	return desired
}

// openAll opens the file of each inside ns, until the benchmark ends.
func openAll(b *testing.B, ns *testns.Net, desired sysctl.Settings) []int {
	var fds []int
	ns.Do(func() {
		for name := range desired {
			fd, err := unix.Open("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), os.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				panic(err)
			}
			fds = append(fds, fd)
		}
	})
	b.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	return fds
}
