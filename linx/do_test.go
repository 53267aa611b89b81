package linx_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// open opens ns, and closes it when the test ends.
func open(t *testing.T, ns linx.Namespace) *linx.Handle {
	t.Helper()
	h, err := ns.Open()
	if err != nil {
		t.Fatal(err)
	}
	cleanUp := h
	t.Cleanup(func() {
		cleanUp.Close()
		cleanUp = nil // package testing remembers this function for longer
	})
	return h
}

// where gives the namespaces that h's Do runs in, and the id of the thread.
func where(t *testing.T, h *linx.Handle) (spaces map[string]string, tid int) {
	t.Helper()
	spaces = make(map[string]string)
	err := h.Do(func() error {
		tid = unix.Gettid()
		for _, kind := range []string{"net", "uts", "ipc", "mnt", "user"} {
			spaces[kind] = namespaceOf("thread-self", kind)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return spaces, tid
}

func TestDoEntersThePath(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	var want string
	n.Do(func() { want = namespaceOf("thread-self", "net") })
	got, tid := where(t, open(t, n.Namespace()))
	self, _ := where(t, open(t, linx.Self()))
	if got["net"] != want {
		t.Errorf("inside %s, want %s", got["net"], want)
	}
	for _, kind := range []string{"uts", "ipc", "mnt", "user"} {
		if got[kind] != self[kind] {
			t.Errorf("the %s namespace is %s, want our own, %s", kind, got[kind], self[kind])
		}
	}
	eventually(t, "the thread has ended", func() bool {
		_, err := os.Stat("/proc/self/task/" + itoa(tid))
		return errors.Is(err, fs.ErrNotExist)
	})
}

func TestDoEntersTheProcess(t *testing.T) {
	nothingLeft(t)
	s := start(t, "does nothing", unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC|unix.CLONE_NEWNS)
	got, _ := where(t, open(t, linx.PID(s.pid())))
	for _, kind := range []string{"net", "uts", "ipc"} {
		if want := namespaceOf(itoa(s.pid()), kind); got[kind] != want || want == namespaceOf("self", kind) {
			t.Errorf("inside %s, want %s, which is not our own", got[kind], want)
		}
	}
	if want := namespaceOf("self", "mnt"); got["mnt"] != want {
		t.Errorf("inside %s, want our own, %s", got["mnt"], want)
	}
}

// Whatever it is called, our own namespace is our own.
func TestDoInOurOwn(t *testing.T) {
	nothingLeft(t)
	for _, ns := range []linx.Namespace{linx.Self(), linx.PID(os.Getpid()), linx.Path("/proc/self/ns/net")} {
		h := open(t, ns)
		got, _ := where(t, h)
		if want := namespaceOf("self", "net"); got["net"] != want {
			t.Errorf("%s: inside %s, want %s", ns, got["net"], want)
		}
		if self := open(t, linx.Self()); h.ID() != self.ID() || h.ID() == "" {
			t.Errorf("%s has the id %q, self has %q", ns, h.ID(), self.ID())
		}
	}
}

func TestDoResults(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	boom := errors.New("boom")
	for _, ns := range []linx.Namespace{linx.Self(), n.Namespace()} {
		t.Run(strings.ReplaceAll(ns.String(), "/", "_"), func(t *testing.T) {
			h := open(t, ns)
			if err := h.Do(func() error { return nil }); err != nil {
				t.Errorf("nil: %v", err)
			}
			if err := h.Do(func() error { return boom }); err != boom {
				t.Errorf("an error: %v", err)
			}
			err := h.Do(func() error { runtime.Goexit(); return nil })
			if err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
				t.Errorf("Goexit: %v", err)
			}
			func() {
				defer func() {
					p, ok := recover().(*linx.PanicError)
					if !ok || p.Value != boom || !errors.Is(p, boom) ||
						!strings.Contains(string(p.Stack), "panicsInside") || !strings.Contains(p.Error(), ns.String()) {
						t.Errorf("a panic came out as %v", p)
					}
				}()
				h.Do(func() error { panicsInside(boom); return nil })
				t.Error("a panic did not come out")
			}()
		})
	}
}

//go:noinline
func panicsInside(v any) { panic(v) }

func TestDoOnAClosedHandle(t *testing.T) {
	n := testns.New(t)
	for _, ns := range []linx.Namespace{linx.Self(), n.Namespace(), linx.PID(os.Getpid())} {
		h, err := ns.Find()
		if err != nil {
			t.Fatal(err)
		}
		never := func() error { t.Error("fn was called"); return nil }
		if err := h.Do(never); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: before it is opened: %v", ns, err)
		}
		if err := h.Refresh(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.Close(), h.Close()); err != nil {
			t.Errorf("%s: closing: %v", ns, err)
		}
		if err := h.Do(never); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: after Close: %v", ns, err)
		}
	}
}

func TestSocketsKeepWorkingOutside(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("the socket can be reached from outside")
	}
	err = h.Do(func() error {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if c, err := l.Accept(); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

func TestDoIsBounded(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	const most, calls = 32, 100
	inside := make(chan struct{}, calls)
	leave := make(chan struct{})
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			err := h.Do(func() error {
				inside <- struct{}{}
				<-leave
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "32 calls inside", func() bool { return len(inside) == most })
	for range 1000 {
		runtime.Gosched()
	}
	if n := len(inside); n != most {
		t.Errorf("%d calls are inside, want at most %d", n, most)
	}
	// A handle of our own needs no turn.
	if err := open(t, linx.Self()).Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
	close(leave)
	wg.Wait()
	if n := len(inside); n != calls {
		t.Errorf("%d calls were inside, want %d", n, calls)
	}
}

func TestThreadsAreThrownAway(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	run := func(times int) {
		for range times {
			if err := h.Do(func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(100) // brings what the runtime needs anyway
	before := count(t, "/proc/self/task")
	run(1000)
	eventually(t, "the threads have ended", func() bool { return count(t, "/proc/self/task") <= before+8 })
}

// A Refresh that waits for its turn to go inside holds up nobody.
func TestCallsCanUseTheHandle(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	const most = 32
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() {
			h.Do(func() error {
				inside <- struct{}{}
				<-leave
				h.ID()
				return h.Close()
			})
		})
	}
	for range most {
		<-inside
	}
	h.Close()
	wg.Go(func() {
		if err := h.Refresh(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "Refresh waits for its turn", func() bool {
		buf := make([]byte, 1<<20)
		return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "linx.(*Handle).identify(")
	})
	close(leave)
	wg.Wait()
}

func TestCloseLetsACallFinish(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	err := h.Do(func() error {
		before := namespaceOf("thread-self", "net")
		err := h.Close()
		if after := namespaceOf("thread-self", "net"); after != before {
			t.Errorf("in %s after Close, was in %s", after, before)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Where the goroutine that Do starts finds itself on the main thread, fn runs on another.
func TestDoFromTheMainThread(t *testing.T) {
	n := testns.New(t)
	s := start(t, "is on the main thread", 0)
	s.tell(n.Path())
	if got := s.hear(); got != "well" {
		t.Error(got)
	}
}

func isOnTheMainThread(t *teller) {
	defer runtime.LockOSThread()
	h, err := linx.Path(t.next()).Open()
	if err != nil {
		t.say(err)
		return
	}
	own := namespaceOf("self", "net")
	runtime.GOMAXPROCS(1) // what a goroutine starts before it blocks then goes on in its place
	runtime.UnlockOSThread()
	onMain := 0
	for range 1000 {
		if unix.Gettid() == unix.Getpid() {
			onMain++
		}
		err := h.Do(func() error {
			if unix.Gettid() == unix.Getpid() {
				return errors.New("fn is on the main thread")
			}
			if namespaceOf("thread-self", "net") == own {
				return errors.New("fn is outside")
			}
			return nil
		})
		if err == nil && namespaceOf("self", "net") != own {
			err = errors.New("the main thread is in a foreign namespace")
		}
		if err != nil {
			t.say(err)
			return
		}
	}
	if onMain == 0 {
		t.say("was never on the main thread")
		return
	}
	t.say("well")
}

// What the kernel refuses names the capability. A process in a new user namespace has none in ours.
func TestMissingCapability(t *testing.T) {
	n := testns.New(t)
	s := start(t, "lacks capabilities", unix.CLONE_NEWUSER)
	s.tell(n.Path())
	got := s.hear()
	for _, want := range []string{n.Path(), "entering the network", "operation not permitted", "CAP_SYS_ADMIN"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	if got := s.hear(); got != "own: <nil> <nil>" {
		t.Errorf("into its own namespaces, which takes no capability: %s", got)
	}
	s.tell(itoa(os.Getpid()))
	got = s.hear()
	for _, want := range []string{"pid " + itoa(os.Getpid()), "network namespace", "CAP_SYS_PTRACE"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

func lacksCapabilities(t *teller) {
	debug.SetGCPercent(-1)
	path := linx.Path(t.next())
	_, err := path.Open()
	fds, _ := os.ReadDir("/proc/self/fd")
	for range 20 {
		path.Open()
	}
	now, _ := os.ReadDir("/proc/self/fd")
	switch {
	case errors.Is(err, linx.ErrNamespaceGone), !errors.Is(err, unix.EPERM):
		t.say("not EPERM: ", err)
	case len(now) != len(fds):
		t.say(len(now), " descriptors, were ", len(fds))
	default:
		t.say(err)
	}
	_, byPath := linx.Path("/proc/self/ns/net").Open() // as Open, so Do: it asks for the ID inside
	_, byPID := linx.PID(os.Getpid()).Open()
	t.say("own: ", byPath, " ", byPID)
	_, err = linx.PID(atoi(t.next())).Open()
	t.say(err)
}
