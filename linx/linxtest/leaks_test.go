package linxtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a test that may fail without failing this one. Only what CheckLeaks and Eventually use works.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Name() string              { return "recorder" }
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(f string, a ...any) { r.failures = append(r.failures, fmt.Sprintf(f, a...)) }
func (r *recorder) finish() string {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return strings.Join(r.failures, "\n")
}

func TestCheckLeaks(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		r := &recorder{TB: t}
		checkLeaks(r, time.Millisecond)
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got := r.finish(); got != "" {
			t.Errorf("found %s", got)
		}
	})
	t.Run("goroutine", func(t *testing.T) {
		r := &recorder{TB: t}
		checkLeaks(r, time.Millisecond)
		release := make(chan struct{})
		defer close(release)
		go func() { <-release }()
		if got := r.finish(); !strings.Contains(got, "leaked goroutines") || !strings.Contains(got, "TestCheckLeaks") {
			t.Errorf("found %q", got)
		}
	})
	t.Run("descriptor", func(t *testing.T) {
		r := &recorder{TB: t}
		checkLeaks(r, time.Millisecond)
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		want := fmt.Sprintf("leaked file descriptor %d: %s", f.Fd(), os.DevNull)
		if got := r.finish(); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	})
	t.Run("threads", func(t *testing.T) {
		r := &recorder{TB: t}
		checkLeaks(r, time.Millisecond)
		var started, ended sync.WaitGroup
		release := make(chan struct{})
		for range 2 * ThreadSlack {
			started.Add(1)
			ended.Go(func() {
				runtime.LockOSThread() // not unlocked, so that the thread goes as well
				started.Done()
				<-release
			})
		}
		started.Wait()
		got := r.finish()
		close(release)
		ended.Wait()
		if !strings.Contains(got, "threads") {
			t.Errorf("found %q", got)
		}
	})
}

func TestCheckLeaksInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		CheckLeaks(r)
		if len(r.cleanups) != 0 {
			t.Error("checks inside a bubble")
		}
	})
}
