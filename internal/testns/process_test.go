package testns

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// nsOf gives the name of a process's namespace, such as "uts:[4026531838]".
func nsOf(t *testing.T, pid int, kind string) string {
	t.Helper()
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestProcessLivesInside(t *testing.T) {
	n := New(t)
	var here string
	n.Do(func() { here, _ = os.Readlink("/proc/thread-self/ns/net") })
	p := n.Process(unix.CLONE_NEWUTS, unix.CLONE_NEWIPC)
	if got := nsOf(t, p.PID(), "net"); got != here {
		t.Errorf("network namespace %s, want %s", got, here)
	}
	for kind, own := range map[string]bool{"uts": true, "ipc": true, "mnt": false, "user": false} {
		if (nsOf(t, p.PID(), kind) != nsOf(t, os.Getpid(), kind)) != own {
			t.Errorf("%s namespace of its own: want %v", kind, own)
		}
	}
}

func TestKill(t *testing.T) {
	p := New(t).Process()
	p.Kill()
	p.Kill()
	if err := unix.Kill(p.PID(), 0); err != unix.ESRCH {
		t.Errorf("after Kill: %v", err)
	}
}

func TestStoryHasAProcess(t *testing.T) {
	told(t)
	fmt.Println(New(t).Process().PID())
	select {}
}

func TestProcessDiesWithItsParent(t *testing.T) {
	cmd := again(t, "TestStoryHasAProcess")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := bufio.NewScanner(out)
	line.Scan()
	pid, err := strconv.Atoi(line.Text())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cmd.Process.Kill()
	cmd.Wait()
	// Readable when the process has ended.
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20_000); n != 1 {
		t.Errorf("it lives on: poll gives %d, %v", n, err)
	}
}
