package rtnetlink

import (
	"context"
	"errors"

	"github.com/linx-go/linx-go/linx"
)

// ErrInterrupted says that what a dump walked changed underneath it (NLM_F_DUMP_INTR): what it gave may
// lack or repeat entries. It is retried, never believed.
var ErrInterrupted = errors.New("rtnetlink: dump interrupted")

// Conn is a request socket in one network namespace. It works from any thread, wherever it was opened. One
// request runs at a time: its methods are safe for concurrent use, but do not overlap.
type Conn struct{}

// Dial opens a socket inside h, with extended acks and strict checking on.
func Dial(h *linx.Handle) (*Conn, error) { panic("not yet") }

// Close closes the socket; a request under way ends with net.ErrClosed.
func (c *Conn) Close() error { panic("not yet") }

// PortID is the socket's netlink port id: what events of changes made through it carry.
func (c *Conn) PortID() uint32 { panic("not yet") }

// Dump sends the one request in b (built with NLM_F_REQUEST|NLM_F_DUMP by Begin) and gives each message of the answer to fn:
// its type and its body, behind the netlink header, valid during the call only. An error of fn ends
// the dump (the rest is drained) and is returned. ErrInterrupted comes after the last message. A failure by the
// kernel is an *Error.
func (c *Conn) Dump(ctx context.Context, b *Batch, fn func(typ uint16, body []byte) error) error {
	panic("not yet")
}

// Do sends all requests in b, many a sendmsg, and calls failed, in order, for each that the kernel refused: its
// index in the batch and an *Error. All others are carried out, failures of some notwithstanding. When it
// returns nil, every request has been answered. If ctx ends first, requests not yet sent are not sent,
// done reports how many were sent and answered: the rest was not tried.
func (c *Conn) Do(ctx context.Context, b *Batch, failed func(i int, err error)) (done int, err error) {
	panic("not yet")
}

// Get sends the one request in b, which is no dump (RTM_GETROUTE of one destination, RTM_GETADDR of one IPv6
// address), and gives the one answer to fn.
func (c *Conn) Get(ctx context.Context, b *Batch, fn func(typ uint16, body []byte) error) error {
	panic("not yet")
}
