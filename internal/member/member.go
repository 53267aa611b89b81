// Package member runs a function on a goroutine of its own and tells how it ended, in every way in which
// a goroutine can end: it returned, panicked, or called runtime.Goexit. It is what linked failures
// are made of: an owner starts its members, waits for each, and passes the first reason on.
package member

import "runtime/debug"

// Exit is how a member ended. At most one of Err, Panic and Goexit is set; none, and it returned nil.
type Exit struct {
	Err    error
	Panic  *Panic
	Goexit bool
}

// Panic is a recovered panic, with the stack of the goroutine that panicked.
type Panic struct {
	Value any
	Stack []byte
}

// Go runs f on a new goroutine. The channel gives one Exit, after f and all that it deferred have run.
func Go(f func() error) <-chan Exit {
	exit := make(chan Exit, 1)
	Run(f, func(e Exit) { exit <- e })
	return exit
}

// Run is Go for an owner that waits for many members in one place: the new goroutine ends by calling ended,
// which must neither block nor panic.
func Run(f func() error, ended func(Exit)) {
	go func() {
		e := Exit{Goexit: true} // holds unless f returns or panics
		// Goexit runs deferred calls too, but recover gives nil then.
		defer func() {
			// panic(nil) is a *runtime.PanicNilError since Go 1.21, so a nil here is no panic.
			if v := recover(); v != nil {
				e = Exit{Panic: &Panic{Value: v, Stack: debug.Stack()}}
			}
			ended(e)
		}()
		e = Exit{Err: f()}
	}()
}
