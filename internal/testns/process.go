package testns

import (
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// Process is a process to be somebody else.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer // its life line: it ends when this is closed, however this process may end
	kill  sync.Once
}

// Process starts a process that lives inside n and does nothing; it is killed when the test ends. clone are
// namespaces of its own to give it, such as unix.CLONE_NEWUTS and unix.CLONE_NEWIPC; all others but n are the
// caller's.
func (n *Net) Process(clone ...uintptr) *Process {
	n.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{idle}
	cmd.SysProcAttr = new(syscall.SysProcAttr)
	for _, flag := range clone {
		cmd.SysProcAttr.Cloneflags |= flag
	}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = n.do(cmd.Start) // what is started by a thread begins in that thread's namespaces
	}
	if err != nil {
		n.t.Fatal(err)
	}
	p := &Process{cmd: cmd, stdin: stdin}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.procs = append(n.procs, p)
	return p
}

// PID is its id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends it and waits until it is reaped. Killing twice is fine.
func (p *Process) Kill() {
	p.kill.Do(func() {
		p.stdin.Close()
		p.cmd.Process.Kill() // fails only when it has ended
		p.cmd.Wait()         // its error says that it was killed
	})
}
