package rtnetlink

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// Socket is a NETLINK_ROUTE socket in one network namespace. It works from any thread, wherever it was
// opened, and waits on the netpoller. One goroutine reads at a time; Close and SetDeadline may come from
// others.
type Socket struct {
	file *os.File
	raw  syscall.RawConn
	port uint32

	// What receive hands to its step and gets from it: a closure made once costs no allocation per read.
	buf   []byte
	flags int
	n     int
	from  uint32
	err   error
	step  func(fd uintptr) bool

	closed atomic.Bool // the poller's own error for a closed file is out of reach
}

// OpenSocket opens a socket inside h and binds it to a port id that the kernel picks. setup (nil: none) is
// called in between, with extended acks already on.
func OpenSocket(h *linx.Handle, setup func(fd int) error) (*Socket, error) {
	var fd int
	err := h.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %s: opening a socket: %w", h.Namespace(), err)
	}
	s := &Socket{file: os.NewFile(uintptr(fd), "rtnetlink")}
	s.step = s.receiveOnce
	if err := s.prepare(fd, setup); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("rtnetlink: %s: %w", h.Namespace(), err)
	}
	return s, nil
}

func (s *Socket) prepare(fd int, setup func(fd int) error) (err error) {
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return err
	}
	// Error messages need not carry the request that they are about, as it is known by its number. Kernels
	// before 4.12 know neither option, and then errors have no text.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if setup != nil {
		if err := setup(fd); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("binding a socket: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("asking for a socket's port id: %w", err)
	}
	s.port = name.(*unix.SockaddrNetlink).Pid
	return nil
}

// PortID is the socket's netlink port id: what the events of changes made through it carry.
func (s *Socket) PortID() uint32 { return s.port }

// Control runs f on the descriptor, as syscall.RawConn does.
func (s *Socket) Control(f func(fd int) error) error {
	var inner error
	if err := s.raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return s.failed(err)
	}
	return inner
}

// SetDeadline bounds Receive and Wait; the zero time does not.
func (s *Socket) SetDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Close closes the socket. Who reads gets an error that wraps os.ErrClosed. Closing twice is fine.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.file.Close()
}

func (s *Socket) failed(err error) error {
	if s.closed.Load() {
		return os.ErrClosed
	}
	return err
}

// Send sends messages in one datagram.
func (s *Socket) Send(messages []byte) error {
	return s.Control(func(fd int) error {
		// Without an address it goes to the kernel. It never blocks: the kernel works it off in here.
		_, err := unix.SendmsgN(fd, messages, nil, nil, 0)
		return err
	})
}

// Receive reads the kernel's next datagram into buf and returns the part of buf that it fills. It skips
// what others sent: any process in the namespace may send to any port id. It waits until there is one, up
// to the deadline. A datagram larger than buf is an error, unix.EMSGSIZE; the kernel's word that it dropped
// some is unix.ENOBUFS.
func (s *Socket) Receive(buf []byte) ([]byte, error) { return s.fromKernel(buf, 0) }

// TryReceive is Receive that does not wait: nothing there is unix.EAGAIN. It obeys the deadline and Close all
// the same.
func (s *Socket) TryReceive(buf []byte) ([]byte, error) { return s.fromKernel(buf, unix.MSG_DONTWAIT) }

func (s *Socket) fromKernel(buf []byte, flags int) ([]byte, error) {
	for {
		if err := s.receive(buf, flags); err != nil {
			return nil, err
		}
		switch {
		case s.from != 0:
		case s.n > len(buf):
			return nil, fmt.Errorf("rtnetlink: a datagram of %d bytes in a buffer of %d: %w",
				s.n, len(buf), unix.EMSGSIZE)
		default:
			return buf[:s.n], nil
		}
	}
}

// Wait waits, up to the deadline, until Receive would find a datagram, or an error such as unix.ENOBUFS,
// which it returns. It needs no buffer, so an idle socket costs none.
func (s *Socket) Wait() error { return s.receive(nil, unix.MSG_PEEK) }

// receive sets n and from. The buffer may be empty.
func (s *Socket) receive(buf []byte, flags int) error {
	s.buf, s.flags, s.err = buf, flags|unix.MSG_TRUNC, nil
	err := s.raw.Read(s.step)
	s.buf = nil
	if err != nil {
		return s.failed(err)
	}
	return s.err
}

// receiveOnce is recvfrom(2); false: not yet. (unix.Recvfrom would allocate an address for each datagram.)
func (s *Socket) receiveOnce(fd uintptr) bool {
	var from unix.RawSockaddrNetlink
	size := uint32(unsafe.Sizeof(from))
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.buf))),
			uintptr(len(s.buf)), uintptr(s.flags), uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		switch errno {
		case 0:
			s.n, s.from = int(n), from.Pid
			return true
		case unix.EAGAIN:
			if s.flags&unix.MSG_DONTWAIT == 0 {
				return false
			}
			s.err = unix.EAGAIN
			return true
		case unix.EINTR:
		default:
			s.err = errno
			return true
		}
	}
}
