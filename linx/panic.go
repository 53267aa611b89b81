package linx

import "fmt"

// PanicError is what a panic becomes when it crosses from one goroutine to another: OneForAll and
// reconcile.Loop panic with it again on the goroutine of their Serve, where the supervisor sees it, and
// Handle.Do in its caller. Suture's event hook is shown the text alone, so Error holds the original stack.
type PanicError struct {
	Service string // who panicked
	Value   any    // what it panicked with
	Stack   []byte // as debug.Stack gives it, of the goroutine that panicked
}

// Error gives the service, the value and, on the lines that follow, the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("%s panicked: %v\n\n%s", e.Service, e.Value, e.Stack)
}

// Unwrap gives the value where it is an error, so that errors.Is and errors.As see through a panic.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
