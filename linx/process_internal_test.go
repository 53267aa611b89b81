package linx

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"
)

// idler starts a process that does nothing until end, and finds it.
func idler(t *testing.T) (p *process, end func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LINX_TEST_STORY=does nothing", "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		in.Close()
		cmd.Wait()
	})
	t.Cleanup(end)
	p, err = findProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.pidfd.Close() })
	return p, end
}

// What was found by number while the process exited may be another process's, which has its number by then.
func TestExitsWhileOpening(t *testing.T) {
	p, end := idler(t)
	var found []*os.File
	byNumber := func(kind int, _ uint) (*os.File, error) {
		file, err := p.byProc(kind)
		if found = append(found, file); len(found) == len(processSpaces) {
			end()
		}
		return file, err
	}
	spaces, err := p.spacesBy(byNumber)
	if !errors.Is(err, ErrNamespaceGone) || !errors.Is(err, suture.ErrDoNotRestart) || spaces != nil {
		t.Errorf("%v, %v; want ErrNamespaceGone and ErrDoNotRestart", spaces, err)
	}
	for _, file := range found {
		if err := file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s was left open", file.Name())
		}
	}
}

// On a kernel without the ioctls, /proc has to say the same.
func TestByProc(t *testing.T) {
	p, end := idler(t)
	for _, want := range processSpaces {
		file, err := p.open(want.kind, 0) // no kernel knows that one
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSpace(file, want.kind)
		if err != nil {
			t.Fatal(err)
		}
		defer s.file.Close()
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+procName(want.kind), &st); err != nil {
			t.Fatal(err)
		}
		if s.node != (node{st.Dev, st.Ino}) {
			t.Errorf("the child's %s namespace is %v, ours %d:%d", kindName(want.kind), s.node, st.Dev, st.Ino)
		}
		if file, err := p.byIoctl(want.ioctl); err == nil {
			byIoctl, err := newSpace(file, want.kind)
			if err != nil {
				t.Fatal(err)
			}
			defer byIoctl.file.Close()
			if s.node != byIoctl.node {
				t.Errorf("%s: /proc says %v, the pidfd %v", kindName(want.kind), s.node, byIoctl.node)
			}
		}
	}
	end()
	if file, err := p.byProc(unix.CLONE_NEWNET); !errors.Is(err, unix.ENOENT) {
		t.Errorf("after the end: %v, %v, want ENOENT", file, err)
	}
	if _, err := p.byProc(unix.CLONE_NEWNS - 1); err != unix.EOPNOTSUPP {
		t.Errorf("a kind of namespace that this kernel lacks: %v, want EOPNOTSUPP", err)
	}
}
