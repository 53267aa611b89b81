package linx

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/member"
)

// threads has room for one token per thread inside a namespace. It is the package's one global: threads
// are a resource of the process, and the runtime kills a program that has 10,000 of them
// (runtime/debug.SetMaxThreads), so the bound has to hold for all handles together.
var threads = make(chan struct{}, maxThreads)

const maxThreads = 32

// Do runs fn on a thread inside the namespace and returns fn's error. Sockets and files that fn opens
// belong to the namespace and keep working outside, from any thread; goroutines that fn starts are outside.
//
// Inside means, for a PID, the process's network, UTS and IPC namespaces; for a Path, the network
// namespace. For Self nothing changes: fn runs on a goroutine of its own. Otherwise the thread is thrown
// away afterwards, so that no goroutine can ever find itself in a foreign namespace. That is what Do
// costs, some 40 microseconds. At most 32 calls are inside at a time in the whole process; more wait
// for their turn, so fn must not call Do, Refresh or Open.
//
// Do returns when fn has ended. A panic in fn panics in the caller, as a *PanicError that keeps fn's stack;
// if fn calls runtime.Goexit, as testing.T's FailNow does, Do returns an error. On a closed handle the
// error wraps os.ErrClosed. The error for a missing capability wraps EPERM and names it.
func (h *Handle) Do(fn func() error) error {
	held, err := h.hold()
	if err != nil {
		return err
	}
	return h.do(held.spaces, fn)
}

func (h *Handle) do(spaces []*space, fn func() error) error {
	var exit member.Exit
	if len(spaces) == 0 {
		exit = <-member.Go(fn)
	} else {
		threads <- struct{}{}
		exit = onThread(func() error {
			for _, s := range spaces {
				if err := s.enter(); err != nil {
					return fmt.Errorf("linx: %s: %w", h.ns, err)
				}
			}
			return fn()
		})
		<-threads
	}
	switch {
	case exit.Panic != nil:
		panic(&PanicError{Service: "Do in " + h.ns.String(), Value: exit.Panic.Value, Stack: exit.Panic.Stack})
	case exit.Goexit:
		return fmt.Errorf("linx: %s: the function given to Do called runtime.Goexit", h.ns)
	}
	return exit.Err
}

// onThread runs f on a goroutine that is locked to a thread and never unlocked, so that the runtime ends
// the thread with the goroutine.
func onThread(f func() error) member.Exit {
	var second <-chan member.Exit
	exit := <-member.Go(func() error {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			return f()
		}
		// The main thread: the runtime cannot end that one, and would park it where f left it, in sight of
		// all who look at /proc/self. While it is kept locked here, another goroutine gets another thread.
		locked := make(chan struct{})
		second = member.Go(func() error {
			runtime.LockOSThread()
			close(locked)
			return f()
		})
		<-locked
		runtime.UnlockOSThread()
		return nil
	})
	if second != nil {
		exit = <-second
	}
	return exit
}
