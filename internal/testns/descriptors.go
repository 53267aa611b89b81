package testns

import (
	"os"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// LeaveDescriptors lets the process open n more file descriptors, and no more, until restore is called, or
// the test ends. The test must not run in parallel with others.
func LeaveDescriptors(t testing.TB, n int) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for _, entry := range open {
		fd, _ := strconv.Atoi(entry.Name()) // all of them are numbers
		highest = max(highest, fd)
	}
	var fill []int
	restore = sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
		for _, fd := range fill {
			unix.Close(fd)
		}
	})
	t.Cleanup(restore)
	// The limit is one of numbers, and the kernel gives the lowest that is free: leave no gap below.
	for last := -1; last < highest; {
		if last, err = unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		fill = append(fill, last)
	}
	scarce := limit
	scarce.Cur = uint64(fill[len(fill)-1] + 1 + n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &scarce); err != nil {
		t.Fatal(err)
	}
	return restore
}
