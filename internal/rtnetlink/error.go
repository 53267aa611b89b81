package rtnetlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

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

// errMalformed is what no kernel sends.
var errMalformed = errors.New("rtnetlink: malformed answer")

// errorOf reads an NLMSG_ERROR or NLMSG_DONE: a negative errno, or none, and behind the fixed part the
// extended ack. nil: no error.
func errorOf(h Header, body []byte) error {
	if len(body) < 4 {
		if h.Type == unix.NLMSG_DONE {
			return nil // an old kernel's
		}
		return errMalformed
	}
	code := int32(native.Uint32(body))
	if code >= 0 {
		return nil
	}
	e := &Error{Errno: unix.Errno(-code)}
	fixed := 4
	if h.Type == unix.NLMSG_ERROR {
		fixed += unix.SizeofNlMsghdr // of the request, without its body: NETLINK_CAP_ACK
	}
	if h.Flags&unix.NLM_F_ACK_TLVS != 0 && len(body) >= fixed {
		for typ, v := range Attributes(body[fixed:]) {
			if typ == unix.NLMSGERR_ATTR_MSG {
				e.Text = unix.ByteSliceToString(v)
			}
		}
	}
	return e
}
