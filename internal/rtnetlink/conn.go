package rtnetlink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// ErrInterrupted says that what a dump walked changed underneath it (NLM_F_DUMP_INTR): what it gave may
// lack or repeat entries. It is retried, never believed.
var ErrInterrupted = errors.New("rtnetlink: dump interrupted")

const (
	// maxRequests and maxBytes bound a sendmsg: more of either gains nothing, about 250 answers fill a
	// receive buffer of the default size, and a datagram of 210 KB is EMSGSIZE.
	maxRequests = 128
	maxBytes    = 64 << 10
	// answerSize is the most that the kernel puts into one datagram of a dump.
	answerSize = 32 << 10
)

// answers are the buffers of requests under way: no Conn keeps one while it has nothing to ask.
var answers = sync.Pool{New: func() any { return new([answerSize]byte) }}

// Conn is a request socket in one network namespace. One request runs at a time: its methods are safe for
// concurrent use, but do not overlap.
//
// An *Error is the kernel's answer, and the Conn is as good as before. Any other error in the middle of an
// answer, such as that ctx ended, leaves answers unread, so it is the Conn's last: whatever is asked next is
// answered os.ErrClosed. Its port id stays its own until Close, as filters may know it by that.
type Conn struct {
	socket *Socket
	mu     sync.Mutex
	seq    uint32
	broken bool
	calls  int
}

// Dial opens a socket inside h, with extended acks and strict checking on. (Kernels before 4.20 check
// nothing, and filter nothing.)
func Dial(h *linx.Handle) (*Conn, error) {
	s, err := OpenSocket(h, func(fd int) error {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Conn{socket: s}, nil
}

// Close closes the socket; a request under way ends with an error that wraps os.ErrClosed.
func (c *Conn) Close() error { return c.socket.Close() }

// PortID is the socket's netlink port id: what the events of changes made through it carry.
func (c *Conn) PortID() uint32 { return c.socket.PortID() }

// Calls is how many times the Conn has sent to the kernel and received from it, for tests of how that grows.
func (c *Conn) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Dump sends the one request in b, begun with NLM_F_DUMP, and gives each message of the answer to fn:
// its type and its body, behind the netlink header, valid during the call only. An error of fn ends
// the calls, and is returned once the rest was read. ErrInterrupted comes after the last message.
func (c *Conn) Dump(ctx context.Context, b *Batch, fn func(typ uint16, body []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ask(ctx, b, false, fn)
}

// Get sends the one request in b, which is no dump (RTM_GETROUTE of one destination, RTM_GETADDR of one IPv6
// address), and gives the answer to fn.
func (c *Conn) Get(ctx context.Context, b *Batch, fn func(typ uint16, body []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ask(ctx, b, true, fn)
}

func (c *Conn) ask(ctx context.Context, b *Batch, ack bool, fn func(typ uint16, body []byte) error) error {
	if b.Len() != 1 {
		return fmt.Errorf("rtnetlink: asking %d questions at once; want 1", b.Len())
	}
	if b.bad != nil {
		return b.bad
	}
	c.seq++
	seq := c.seq
	b.seal(0, seq, ack)
	var refused, stopped error
	interrupted := false
	err := c.exchange(ctx, b.Request(0), func(h Header, body []byte) (last bool) {
		if h.Seq != seq {
			return false // left over
		}
		interrupted = interrupted || h.Flags&unix.NLM_F_DUMP_INTR != 0
		switch h.Type {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			refused = errorOf(h, body)
			return true
		}
		if stopped == nil {
			stopped = fn(h.Type, body)
		}
		return false
	})
	switch {
	case err != nil:
		return err
	case stopped != nil:
		return stopped
	case refused != nil:
		return refused
	case interrupted:
		return ErrInterrupted
	}
	return nil
}

// Do sends all requests in b, many a sendmsg, and calls failed, in order, for each that the kernel refused:
// its index in the batch and an *Error. All others are carried out. When it returns nil, every request has
// been answered.
//
// ctx is looked at before each sendmsg, so that its end leaves nothing in doubt: done is how many have been
// answered, the rest was not tried, and the Conn is as good as before. Of any other error in the middle of an
// answer (unix.ENOBUFS, os.ErrClosed), nobody knows what became of the up to 128 requests that follow.
func (c *Conn) Do(ctx context.Context, b *Batch, failed func(i int, err error)) (done int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.bad != nil {
		return 0, b.bad
	}
	for done < b.Len() {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		next, err := c.doSome(b, done, failed)
		if err != nil {
			return done, err
		}
		done = next
	}
	return done, nil
}

// doSome sends what fits into one sendmsg, from request i on, and returns the index of the first that did
// not.
func (c *Conn) doSome(b *Batch, i int, failed func(i int, err error)) (next int, err error) {
	first, start := c.seq+1, b.starts[i]
	next = i + 1
	for next < b.Len() && next-i < maxRequests && b.end(next)-start <= maxBytes {
		next++
	}
	for k := i; k < next; k++ {
		c.seq++
		b.seal(k, c.seq, k == next-1)
	}
	last := c.seq
	// All answers are there when sendmsg returns: there is nothing to wait for that a context could end.
	err = c.exchange(context.Background(), b.buf[start:b.end(next-1)], func(h Header, body []byte) bool {
		if h.Type != unix.NLMSG_ERROR || h.Seq-first > last-first { // unsigned: also what comes before first
			return false
		}
		if err := errorOf(h, body); err != nil {
			failed(i+int(h.Seq-first), err)
		}
		return h.Seq == last
	})
	return next, err
}

// exchange sends and then gives every message that comes to answer, until that says that it was the last.
// ctx may end it any time; the Conn is broken then.
func (c *Conn) exchange(ctx context.Context, messages []byte, answer func(Header, []byte) (last bool)) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.broken {
		return fmt.Errorf("rtnetlink: an earlier answer was left unread: %w", os.ErrClosed)
	}
	c.calls++
	if err := c.socket.Send(messages); err != nil {
		return fmt.Errorf("rtnetlink: sending: %w", err)
	}
	buf := answers.Get().(*[answerSize]byte)
	defer answers.Put(buf)
	last := false
	stop := context.AfterFunc(ctx, func() { c.socket.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		// Past the deadline no later exchange would read: that it was set is an end like any other.
		c.broken = !stop() || !last
	}()
	for !last {
		c.calls++
		datagram, err := c.socket.Receive(buf[:])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("rtnetlink: receiving: %w", err)
		}
		for h, body := range Messages(datagram) {
			if last = answer(h, body); last {
				break
			}
		}
	}
	return nil
}
