package rtnetlink

import "golang.org/x/sys/unix"

// Error is what the kernel answered: an errno, which errors.Is finds, and the text of its extended ack.
type Error struct {
	Errno unix.Errno
	Text  string // NLMSGERR_ATTR_MSG, often empty
}

// Error gives "file exists", or "invalid argument: Invalid prefix for given prefix length".
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Errno.Error()
	}
	return e.Errno.Error() + ": " + e.Text
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }
