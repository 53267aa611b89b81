package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
)

// session is a joined socket.
type session struct {
	socket *rtnetlink.Socket
	watch  *linx.Watch  // for the namespace's end
	handle *linx.Handle // that it was opened in
	buffer int          // bytes
	served bool
	log    *slog.Logger
}

// datagrams are the buffers of monitors that are reading: an idle one holds none. Few events are larger (of
// a link with hundreds of names, say); they are told of as Resync.
var datagrams = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// join opens the socket, and all that Serve will need besides: what cannot be had is to be refused here.
func (s *session) join(groups []Group, filter Filter, buffer int) (err error) {
	if s.watch, err = s.handle.Watch(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.watch.Close()
		}
	}()
	s.socket, err = rtnetlink.OpenSocket(s.handle, func(fd int) (err error) {
		s.buffer, err = setReceiveBuffer(fd, buffer)
		return err
	})
	if err != nil {
		return err
	}
	// Groups after bind(2), which would take those up to 32 away, and after the filter, or things slip by.
	err = s.socket.Control(func(fd int) error {
		if err := filter.attach(fd); err != nil {
			return err
		}
		return regroup(fd, nil, groups)
	})
	if err != nil {
		s.socket.Close()
	}
	return err
}

// setReceiveBuffer gives the size that it got.
func setReceiveBuffer(fd, want int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, want) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, want); err != nil {
			return 0, fmt.Errorf("setting the receive buffer: %w", err)
		}
	}
	twice, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0, fmt.Errorf("asking for the receive buffer: %w", err)
	}
	return twice / 2, nil
}

// listen tells of events until the namespace is gone, ctx ends, or the socket fails; the error says which.
func (s *session) listen(ctx context.Context, resync bool, notify func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	var end error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end = s.watch.Wait(ctx)
		s.socket.SetDeadline(time.Unix(1, 0)) // wakes the reader; a closed socket, where it fails, has none
	}()
	stop := func() {
		cancel()
		<-ended
	}
	defer stop() // also when notify panics
	if resync {
		notify(Event{})
	}
	err := s.read(notify)
	if stop(); errors.Is(err, os.ErrDeadlineExceeded) {
		return end
	}
	return err
}

// read tells of events until the socket fails.
func (s *session) read(notify func(Event)) error {
	for {
		// Whoever waits here is idle and needs no buffer.
		lost := s.socket.Wait()
		if lost != nil && !errors.Is(lost, unix.ENOBUFS) {
			return lost
		}
		if err := s.drain(lost, notify); err != nil {
			return err
		}
	}
}

// drain tells of what is queued. lost says why something is missing already; nil: nothing is. The kernel,
// once it has dropped an event, drops all, silently, until the queue has been empty (NETLINK_S_CONGESTED). So
// Resync has to wait for that: said any earlier, what it makes somebody look at could change unheard.
func (s *session) drain(lost error, notify func(Event)) error {
	buf := datagrams.Get().(*[32 << 10]byte)
	defer datagrams.Put(buf)
	for {
		datagram, err := s.socket.TryReceive(buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			if lost != nil {
				s.log.Warn("events lost", "error", lost, "buffer", s.buffer)
				notify(Event{})
			}
			return nil
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EMSGSIZE):
			lost = err
		case err != nil:
			return err
		default:
			for h, body := range rtnetlink.Messages(datagram) {
				notify(newEvent(h, body))
			}
		}
	}
}
