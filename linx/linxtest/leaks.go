package linxtest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// LeakDeadline is how long CheckLeaks waits, at the end of a test, for everything to be gone.
const LeakDeadline = 10 * time.Second

// ThreadSlack is by how many the threads of the process may grow during a test: the runtime starts some for
// itself as it needs them, and keeps them.
const ThreadSlack = 16

// CheckLeaks remembers which goroutines, file descriptors and threads there are, and fails the test if, at
// its end, there are others: call it first, so that its check comes after all other cleanups. It waits up to
// LeakDeadline for them to go.
//
// Threads come and go with the runtime, so that only two things count as a leak there: a thread that was left
// in another network namespace, and more than ThreadSlack new ones.
//
// The test must not run in parallel with others. Inside a synctest bubble nothing is checked: there a
// goroutine left behind fails the test anyhow; to check file descriptors as well, call CheckLeaks outside,
// around synctest.Test.
func CheckLeaks(t testing.TB) {
	t.Helper()
	checkLeaks(t, LeakDeadline)
}

func checkLeaks(t testing.TB, patience time.Duration) {
	t.Helper()
	if inBubble() {
		return
	}
	prime(t)
	goroutines := goleak.IgnoreCurrent()
	fds, threads := descriptors(), len(list("/proc/self/task"))
	t.Cleanup(func() {
		var leaks []string
		poll(patience, func() bool {
			leaks = slices.Concat(
				newDescriptors(fds, descriptors()),
				strayThreads(),
				manyThreads(threads, len(list("/proc/self/task"))),
			)
			if err := goleak.Find(goroutines); err != nil { // it has some patience of its own
				leaks = append(leaks, "goroutines: "+err.Error())
			}
			return len(leaks) == 0
		})
		for _, leak := range leaks {
			t.Errorf("leaked %s", leak)
		}
	})
}

// prime opens what the runtime opens once and keeps: the descriptors of its poller.
func prime(t testing.TB) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("linxtest: %v", err)
	}
	r.Close()
	w.Close()
}

// descriptors tells what each open file descriptor is of, by number.
func descriptors() map[string]string {
	fds := map[string]string{}
	for _, fd := range list("/proc/self/fd") {
		// The one that the directory was read through is gone by now, and gives an error.
		if target, err := os.Readlink("/proc/self/fd/" + fd); err == nil {
			fds[fd] = target
		}
	}
	return fds
}

func newDescriptors(before, after map[string]string) []string {
	var leaks []string
	for fd, target := range after {
		if before[fd] != target {
			leaks = append(leaks, fmt.Sprintf("file descriptor %s: %s", fd, target))
		}
	}
	slices.Sort(leaks)
	return leaks
}

// strayThreads finds threads in another network namespace than the process's main thread.
func strayThreads() []string {
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil // no such kernel feature, and so no stray
	}
	var leaks []string
	for _, tid := range list("/proc/self/task") {
		ns, err := os.Readlink("/proc/self/task/" + tid + "/ns/net")
		if err == nil && ns != home {
			leaks = append(leaks, fmt.Sprintf("thread %s: in %s, not in %s", tid, ns, home))
		}
	}
	return leaks
}

func manyThreads(before, after int) []string {
	if after <= before+ThreadSlack {
		return nil
	}
	return []string{fmt.Sprintf("%d threads: %d before, %d after", after-before, before, after)}
}

// list gives the names in a directory of procfs; none where there is no procfs.
func list(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1) // a thread that goes meanwhile is no error
	return names
}

// Eventually waits until cond holds, looking every millisecond, and fails the test after LeakDeadline. It
// works in a synctest bubble too, where it lets the virtual time pass.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !poll(LeakDeadline, cond) {
		t.Fatalf("after %v still not: %s", LeakDeadline, what)
	}
}

func poll(patience time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}

// inBubble asks the runtime the only way there is: the header of a stack trace says so.
func inBubble() bool {
	var buf [128]byte
	header, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("\n"))
	return strings.Contains(string(header), "synctest bubble")
}
