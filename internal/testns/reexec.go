package testns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stage is the environment variable that tells a process started by Reexec, and whatever that starts in turn
// (a fuzz worker, a test that runs its own binary), where it is: see the constants.
const stage = "LINX_TESTNS"

const (
	entering = "entering" // in fresh namespaces, not set up; the outer network namespace follows
	inside   = "inside"   // in such namespaces, set up; likewise
	nowhere  = "nowhere"  // not in such namespaces; the reason follows
)

// idle is the name (argv[0]) under which the binary does nothing until its standard input ends.
const idle = "testns-idle"

// dir is where namespaces are bound, on a tmpfs that only this mount namespace sees. It is ip-netns(8)'s own.
const dir = "/run/netns"

// Reexec starts the program again, with the same arguments, inside private namespaces. It returns only in
// there, set up: lo is up, mounts are private, /run is empty but for /run/netns, /sys shows the new network
// namespace where the kernel allows it. In the process that called it, it passes on signals and exits with
// the other's status.
//
// An error says why there are no namespaces; the program goes on where it is. Call it first in main.
func Reexec() error {
	if os.Args[0] == idle {
		io.Copy(io.Discard, os.Stdin) // ends when the parent closes the pipe or dies
		os.Exit(0)
	}
	what, outer, _ := strings.Cut(os.Getenv(stage), " ")
	switch {
	case what == nowhere, what == inside && outer != netnsName():
	case what == entering && outer != netnsName():
		if err := setUp(); err != nil {
			os.Setenv(stage, nowhere+" "+err.Error())
			break
		}
		os.Setenv(stage, inside+" "+outer)
	default: // outside, whatever a stale variable says
		err := startInside()
		os.Setenv(stage, nowhere+" "+err.Error())
	}
	return available()
}

// available says why there are no private namespaces here, or nil.
func available() error {
	what, rest, _ := strings.Cut(os.Getenv(stage), " ")
	switch {
	case what == inside && rest != netnsName():
		return nil
	case what == nowhere:
		return fmt.Errorf("testns: no private namespaces to be had: %s", rest)
	default:
		return errors.New("testns: neither Main nor Reexec was called")
	}
}

// netnsName gives "net:[4026531840]".
func netnsName() string {
	name, _ := os.Readlink("/proc/self/ns/net") // fails only without /proc; then nothing else works either
	return name
}

// startInside runs the program in new namespaces and exits with its status. It returns if it cannot be
// started.
func startInside() error {
	attrs := []*syscall.SysProcAttr{userAttr()}
	if os.Geteuid() == 0 { // in a container root may lack CAP_SYS_ADMIN, and then do better as an ordinary user
		attrs = []*syscall.SysProcAttr{{Cloneflags: namespaces}, userAttr()}
	}
	// The kernel sends Pdeathsig when the thread that started the child ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	defer signal.Stop(signals)

	var err error
	for _, attr := range attrs {
		attr.Pdeathsig = unix.SIGKILL
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = os.Args // argv[0] too: fuzzing starts its workers by it
		cmd.Env = append(os.Environ(), stage+"="+entering+" "+netnsName())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = attr
		if err = cmd.Start(); err != nil {
			continue
		}
		go func() {
			for s := range signals {
				cmd.Process.Signal(s)
			}
		}()
		cmd.Wait() // its error is the status
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
			os.Exit(128 + int(status.Signal()))
		}
		os.Exit(cmd.ProcessState.ExitCode())
	}
	return fmt.Errorf("starting again in new ones: %w", err)
}

const namespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// userAttr asks for the namespaces with a user namespace around them, in which the caller is root.
func userAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  namespaces | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

// setUp makes fresh namespaces fit to work in.
func setUp() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("testns", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs on /run: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	// Refused to an ordinary user where parts of the outer /sys are hidden. /sys/class/net then shows the
	// outer namespace.
	_ = unix.Mount("testns", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return loopbackUp()
}

// loopbackUp acts on the namespace of the calling thread.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	return nil
}
