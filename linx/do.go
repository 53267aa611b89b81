package linx

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/member"
)

// maxThreads bounds how many threads all handles together keep inside namespaces.
const maxThreads = 32

// threads has room for one token per thread in use. It is the package's only global: threads are a resource
// of the process, and a program out of them dies (runtime/debug.SetMaxThreads), so the bound must hold for
// all handles together.
var threads = make(chan struct{}, maxThreads)

// Do runs fn on a thread inside the namespace and returns fn's error. Sockets and files that fn opens
// belong to the namespace and keep working outside, from any thread; goroutines that fn starts are outside.
//
// For a PID, inside means the process's network, UTS and IPC namespaces; for a Path, the network namespace; for Self, nothing changes,
// fn just runs on a goroutine of its own. The thread is thrown away afterwards, so that no other goroutine
// ever finds itself in a foreign namespace; that is what Do costs, some 40 microseconds. At most 32
// calls are inside at a time, in the whole process; more wait. So fn must not call Do.
//
// A panic in fn panics in the caller, as a *PanicError that keeps the stack of fn. If fn calls runtime.Goexit
// (as testing.T's FailNow does) Do returns an error. On a closed handle the error wraps os.ErrClosed.
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
			if err := h.enter(spaces); err != nil {
				return err
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

// enter moves the calling goroutine, which is locked to its thread, into all of spaces. A thread that did not have to move is
// unlocked, to be used again.
func (h *Handle) enter(spaces []*space) error {
	anywhere := false
	for _, s := range spaces {
		moved, err := s.enter()
		if err != nil {
			return fmt.Errorf("linx: %s: %w", h.ns, err)
		}
		anywhere = anywhere || moved
	}
	if !anywhere {
		runtime.UnlockOSThread()
	}
	return nil
}

// onThread runs f on a goroutine that is locked to a thread of its own and never unlocked, so that the
// runtime ends the thread with the goroutine.
func onThread(f func() error) member.Exit {
	var second <-chan member.Exit
	first := member.Go(func() error {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			return f()
		}
		// The main thread is the one that the runtime cannot end: it would be parked for good, and
		// /proc/self would show the foreign namespace. Keep it until another goroutine has another.
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
	exit := <-first
	if second != nil {
		exit = <-second
	}
	return exit
}
