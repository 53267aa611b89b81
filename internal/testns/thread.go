package testns

import (
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/member"
)

// onThread runs fn on a thread of its own, which ends with it, and with it whatever fn did to the thread.
// A panic in fn, or runtime.Goexit, is carried over to the caller.
func onThread(fn func() error) error {
	exit := <-member.Go(func() error {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread with its goroutine
		if unix.Gettid() != unix.Getpid() {
			return fn()
		}
		// The runtime cannot end the main thread. As long as it is locked here, another goroutine gets
		// another.
		defer runtime.UnlockOSThread()
		return onThread(fn)
	})
	switch {
	case exit.Panic != nil:
		panic(exit.Panic.Value)
	case exit.Goexit:
		runtime.Goexit()
	}
	return exit.Err
}
