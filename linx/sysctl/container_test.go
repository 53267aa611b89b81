package sysctl

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// containerChild says, in the process that container starts, what is to be on its /proc.
const containerChild = "LINX_SYSCTL_CONTAINER"

// container is a process with namespaces of its own, mounts and processes included.
type container struct {
	t     testing.TB
	ns    linx.Namespace
	stdin io.Writer
	out   *bufio.Reader
}

func newContainer(t testing.TB, n *testns.Net, proc string) *container {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestContainerChild$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), containerChild+"="+proc)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	c := &container{t, linx.PID(cmd.Process.Pid), stdin, bufio.NewReader(stdout)}
	if answer := c.answer(); answer != "ready" {
		testns.Skip(t, answer)
	}
	return c
}

func (c *container) answer() string {
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// write has the container write a value, through its own /proc.
func (c *container) write(path, value string) {
	c.t.Helper()
	fmt.Fprintln(c.stdin, path, value)
	if answer := c.answer(); answer != "done" {
		c.t.Fatal(answer)
	}
}

// TestContainerChild is what newContainer starts.
func TestContainerChild(t *testing.T) {
	proc := os.Getenv(containerChild)
	if proc == "" {
		t.Skip("started by other tests")
	}
	if err := mountContainerProc(proc); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	var path, value string
	for {
		if _, err := fmt.Scan(&path, &value); err != nil {
			return
		}
		if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("done")
		}
	}
}

const containerKey = "net/ipv4/tcp_syncookies"

func mountContainerProc(proc string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	const file = "/proc/sys/" + containerKey
	switch proc {
	case "own":
		return unix.Mount("proc", "/proc", "proc", 0, "")
	case "covered": // a file that blocks who opens it, over a key
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return err
		}
		if err := unix.Mkfifo("/run/fifo", 0o600); err != nil {
			return err
		}
		defer os.Remove("/run/fifo")
		return unix.Mount("/run/fifo", file, "", unix.MS_BIND, "")
	default: // something that looks like a procfs, with such a file
		if err := unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""); err != nil {
			return err
		}
		if err := os.MkdirAll("/proc/sys/net/ipv4", 0o755); err != nil {
			return err
		}
		return unix.Mkfifo(file, 0o600)
	}
}

// What is written through a container's own procfs is heard of.
func TestContainerWrites(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	c := newContainer(t, n, "own")
	s := source(t, c.ns, Options{})
	hints := listen(t, s)
	desired := Settings{containerKey: "2", "net.ipv4.conf.v0.arp_filter": "1"}
	r := reconciled(t, s, desired, LastApplied{})
	if !r.Converged {
		t.Fatal(r.Failed)
	}
	if got := s.Unhinted(); len(got) > 0 {
		t.Errorf("no hints for %v", got)
	}
	for _, path := range []string{containerKey, "net/ipv4/conf/v0/arp_filter", "net/ipv4/conf/default/arp_filter"} {
		settled(hints)
		c.write(path, "0")
		hinted(t, hints, "a write of "+path+" in the container")
	}
	if r = reconciled(t, s, desired, r.LastApplied); len(r.Applied) != 2 || look(t, n, containerKey) != "2" {
		t.Error(ops(r))
	}
}

// Whatever a container has on its /proc, a pass goes on, and holds what it should.
func TestHostileContainer(t *testing.T) {
	for _, proc := range []string{"covered", "feigned"} {
		t.Run(proc, func(t *testing.T) {
			n := testns.New(t)
			c := newContainer(t, n, proc)
			s := source(t, c.ns, Options{})
			listen(t, s)
			r := reconciled(t, s, Settings{containerKey: "2"}, LastApplied{})
			if !r.Converged || look(t, n, containerKey) != "2" {
				t.Error(ops(r), r.Failed)
			}
			if s.tree.watcher.has(there(containerKey)) {
				t.Error("it is watched")
			}
			if got := s.Unhinted(); !slices.Equal(got, []string{"net.ipv4.tcp_syncookies"}) {
				t.Errorf("no hints for %v", got)
			}
		})
	}
}

func TestIsProcMount(t *testing.T) {
	const mounts = `22 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid master:5 - proc proc rw
24 22 0:22 /sys /mnt rw - proc proc rw
25 22 0:23 / /x\040-\040proc rw - tmpfs proc rw
`
	for id, want := range map[string]bool{"22": false, "23": true, "24": false, "25": false, "2": false, "": false} {
		if got := isProcMount([]byte(mounts), id); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
}
