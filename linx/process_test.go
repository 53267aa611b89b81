package linx_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/rtnl"
)

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// wantExited checks the error of a process that is no more.
func wantExited(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, linx.ErrNamespaceGone) || !errors.Is(err, suture.ErrDoNotRestart) {
		t.Errorf("%s: got %v, want ErrNamespaceGone and ErrDoNotRestart", what, err)
	}
}

// wantGone checks the error of a name that means something else by now, or nothing for a while.
func wantGone(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, linx.ErrNamespaceGone) || errors.Is(err, suture.ErrDoNotRestart) {
		t.Errorf("%s: got %v, want ErrNamespaceGone without ErrDoNotRestart", what, err)
	}
}

// wantPlain checks an error that says nothing about the namespace's end, and what it says.
func wantPlain(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || errors.Is(err, linx.ErrNamespaceGone) || errors.Is(err, suture.ErrDoNotRestart) {
		t.Errorf("%s: got %v, want an error without ErrNamespaceGone and ErrDoNotRestart", what, err)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want %q in it", what, err, text)
	}
}

func TestProcessExits(t *testing.T) {
	nothingLeft(t)
	s := start(t, "does nothing", unix.CLONE_NEWNET)
	opened, closed := open(t, linx.PID(s.pid())), open(t, linx.PID(s.pid()))
	id := opened.ID()
	if err := errors.Join(opened.Refresh(), closed.Close(), closed.Refresh(), closed.Close()); err != nil {
		t.Fatal(err)
	}
	if closed.ID() != id {
		t.Errorf("the closed handle has the id %q, want %q", closed.ID(), id)
	}

	s.in.Close()
	wantExited(t, "Wait", opened.Wait(t.Context()))
	if got := state(s.pid()); got != "Z" {
		t.Errorf("the process that was waited for is in state %s", got)
	}
	for _, moment := range []string{"a zombie", "reaped"} {
		wantExited(t, moment+": open", opened.Refresh())
		wantExited(t, moment+": closed", closed.Refresh())
		wantExited(t, moment+": Wait", opened.Wait(t.Context()))
		wantExited(t, moment+": Wait, closed", closed.Wait(t.Context()))
		_, err := linx.PID(s.pid()).Find()
		wantExited(t, moment+": Find", err)
		s.end()
	}
	_, err := linx.PID(s.pid()).Find()
	if !errors.Is(err, unix.ESRCH) {
		t.Errorf("Find, reaped: got %v, want ESRCH", err)
	}
	// Its namespace outlives it while it is held.
	if err := opened.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
	opened.Close()
	wantExited(t, "closed after the end", opened.Refresh())
}

// state gives the process's state, as R, S or Z, or "" if there is none.
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1]
}

// The process's namespace is destroyed when it has exited and the handle is closed, or was never opened.
func TestFindPinsNothing(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	inside := testns.New(t)
	n.VethTo("outer", inside, "inner")
	p := inside.Process()
	found, err := linx.PID(p.PID()).Find()
	if err != nil {
		t.Fatal(err)
	}
	opened := open(t, linx.PID(p.PID()))
	inside.Remove()
	p.Kill()
	exists := func() bool {
		_, err := n.Netlink().LinkByName("outer")
		return err == nil
	}
	if !exists() {
		t.Error("the open handle does not pin the namespace")
	}
	opened.Close()
	eventually(t, "the veth peer goes with the namespace", func() bool { return !exists() })
	wantExited(t, "Refresh", found.Refresh())
}

func TestThreadsID(t *testing.T) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if tid := atoi(task.Name()); tid != os.Getpid() {
			_, err := linx.PID(tid).Find()
			if errors.Is(err, unix.ESRCH) {
				continue // it has ended by now
			}
			wantPlain(t, "a thread's id", err, "want its process's")
		}
	}
}

// A process whose main thread has exited is no end, as long as other threads live.
func TestMainThreadExits(t *testing.T) {
	nothingLeft(t)
	s := start(t, "outlives its main thread", 0)
	opened := open(t, linx.PID(s.pid()))
	s.tell("exit")
	eventually(t, "a zombie", func() bool { return state(s.pid()) == "Z" })
	wantPlain(t, "an open handle", opened.Refresh(), "the main thread has exited")
	found, err := linx.PID(s.pid()).Find()
	if err != nil {
		t.Fatal(err)
	}
	wantPlain(t, "a closed handle", found.Refresh(), "the main thread has exited")
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	fds := count(t, "/proc/self/fd")
	_, err = linx.PID(s.pid()).Open()
	wantPlain(t, "Open", err, "the main thread has exited")
	if now := count(t, "/proc/self/fd"); now != fds {
		t.Errorf("Open failed, and left %d descriptors, were %d", now, fds)
	}
	if err := opened.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- found.Wait(t.Context()) }()
	s.tell("are you there?")
	if got := s.hear(); got != "yes" {
		t.Errorf("heard %q", got)
	}
	select {
	case err := <-waited:
		t.Errorf("Wait returned %v while threads live", err)
	default:
		s.in.Close()
		wantExited(t, "Wait", <-waited)
	}
	wantExited(t, "Refresh", opened.Refresh())
}

func outlivesItsMainThread(t *teller) {
	exit := make(chan struct{})
	go func() {
		t.next()
		close(exit)
		t.next()
		t.say("yes")
		for t.Scan() {
		}
		os.Exit(0)
	}()
	<-exit
	unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // of this thread alone
}

func TestProcessMoves(t *testing.T) {
	nothingLeft(t)
	s := start(t, "moves", unix.CLONE_NEWNET)
	h := open(t, linx.PID(s.pid()))
	id := h.ID()
	s.tell("move")
	if got := s.hear(); got != "moved" {
		t.Fatal(got)
	}
	wantGone(t, "an open handle", h.Refresh())
	if err := errors.Join(h.Close(), h.Refresh()); err != nil {
		t.Error(err)
	}
	if h.ID() == id {
		t.Error("the id is that of the former namespace")
	}
	if got, _ := where(t, h); got["net"] != namespaceOf(itoa(s.pid()), "net") {
		t.Errorf("inside %s", got["net"])
	}
}

func moves(t *teller) {
	t.next()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil { // on the main thread, so all the world sees it
		t.say(err)
		return
	}
	t.say("moved")
}

// A pid that is given to another process is not that process's handle. In a pid namespace of one's own one
// can choose the next pid.
func TestRecycledPID(t *testing.T) {
	s := start(t, "sees its child's pid again", unix.CLONE_NEWPID)
	switch got := s.hear(); {
	case strings.HasPrefix(got, "cannot choose pids"):
		testns.Skip(t, got)
	case got != "well":
		t.Error(got)
	}
}

func seesItsChildsPIDAgain(t *teller) {
	if err := recycle(); err != nil {
		t.say(err)
		return
	}
	t.say("well")
}

func recycle() error {
	first, err := sleeper()
	if err != nil {
		return err
	}
	pid := first.Process.Pid
	opened, err := linx.PID(pid).Open()
	if err != nil {
		return err
	}
	closed, err := linx.PID(pid).Find()
	if err != nil {
		return err
	}
	// A source, which is what enters namespaces day by day: served before, and asked again afterwards.
	source := rtnl.New(linx.PID(pid), rtnl.Options{})
	if _, err := source.Reconcile(context.Background(), onLoopback, rtnl.LastApplied{}, nil); err != nil {
		return err
	}
	end(first)

	second, err := sleeper()
	for tries := 0; err == nil && second.Process.Pid != pid; tries++ {
		end(second)
		if tries == 1000 {
			return fmt.Errorf("no chance to see pid %d again", pid)
		}
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(itoa(pid-1)), 0); err != nil {
			return fmt.Errorf("cannot choose pids: %w", err)
		}
		second, err = sleeper()
	}
	if err != nil {
		return err
	}
	defer end(second)

	for name, h := range map[string]*linx.Handle{"open": opened, "closed": closed} {
		err := h.Refresh()
		if !errors.Is(err, linx.ErrNamespaceGone) || !errors.Is(err, suture.ErrDoNotRestart) {
			return fmt.Errorf("%s: Refresh gave %v", name, err)
		}
	}
	third, err := linx.PID(pid).Open()
	if err != nil {
		return fmt.Errorf("the second process: %w", err)
	}
	if third.ID() == opened.ID() {
		return fmt.Errorf("both processes have the id %s", third.ID())
	}
	for range 2 { // as it was, and closed
		_, err := source.Reconcile(context.Background(), onLoopback, rtnl.LastApplied{}, nil)
		if !errors.Is(err, linx.ErrNamespaceGone) || !errors.Is(err, suture.ErrDoNotRestart) {
			return fmt.Errorf("the source of the first process: %v", err)
		}
		if err := source.Close(); err != nil {
			return err
		}
	}
	err = third.Do(func() error {
		links, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, l := range links {
			if addresses, err := l.Addrs(); err != nil || len(addresses) > 0 {
				return fmt.Errorf("in the second process's namespace: %s has %v (%w)", l.Name, addresses, err)
			}
		}
		return nil
	})
	return errors.Join(err, opened.Close(), third.Close())
}

var onLoopback = rtnl.State{Addresses: []rtnl.Address{{Interface: "lo", Prefix: netip.MustParsePrefix("10.0.0.2/24")}}}

// sleeper starts a process in a network namespace of its own.
func sleeper() (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), storyVariable+"=does nothing", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return cmd, cmd.Start()
}

func end(cmd *exec.Cmd) {
	cmd.Process.Kill()
	cmd.Wait()
}
