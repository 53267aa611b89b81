package linx

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// On a kernel without the ioctls, /proc has to say the same.
func TestByProc(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LINX_TEST_STORY=does nothing", "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := findProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.pidfd.Close()
	for _, want := range processSpaces {
		file, err := p.byProc(want.kind)
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
	in.Close()
	cmd.Wait()
	if file, err := p.byProc(unix.CLONE_NEWNET); !errors.Is(err, unix.ENOENT) {
		t.Errorf("after the end: %v, %v, want ENOENT", file, err)
	}
	if _, err := p.byProc(unix.CLONE_NEWNS - 1); err != unix.EOPNOTSUPP {
		t.Errorf("a kind of namespace that this kernel lacks: %v, want EOPNOTSUPP", err)
	}
}
