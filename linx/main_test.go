package linx_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linx-go/linx-go/internal/testns"
)

// A story is a process that a test needs: this binary again, told by the environment to be one of stories.
// It tells what happens on standard output, is told what to do on standard input, and ends with that.
var stories = map[string]func(*teller){
	"does nothing":               func(*teller) {},
	"outlives its main thread":   outlivesItsMainThread,
	"moves":                      moves,
	"lacks capabilities":         lacksCapabilities,
	"sees its child's pid again": seesItsChildsPIDAgain,
	"is on the main thread":      isOnTheMainThread,
}

const storyVariable = "LINX_TEST_STORY"

// A story's main goroutine has the main thread.
func init() {
	if os.Getenv(storyVariable) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(storyVariable)
	if name == "" {
		testns.Main(m)
		return
	}
	os.Unsetenv(storyVariable)
	t := &teller{bufio.NewScanner(os.Stdin)}
	stories[name](t)
	for t.Scan() {
	}
	os.Exit(0)
}

// teller is the story's side.
type teller struct{ *bufio.Scanner }

func (*teller) say(args ...any) { fmt.Println(strings.ReplaceAll(fmt.Sprint(args...), "\n", " ")) }

// next waits for the next line and gives it.
func (t *teller) next() string {
	if !t.Scan() {
		os.Exit(0)
	}
	return t.Text()
}

// story is the test's side.
type story struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a story in new namespaces of the given kinds. It is killed when the test ends.
func start(t *testing.T, name string, clone uintptr) *story {
	t.Helper()
	testns.Require(t)
	cmd := exec.Command("/proc/self/exe")
	// The race detector sleeps for a second at each exit otherwise.
	cmd.Env = append(os.Environ(), storyVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: clone}
	if clone&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{Size: 1}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the process that %s: %v", name, err)
	}
	s := &story{t, cmd, in, bufio.NewScanner(out)}
	t.Cleanup(func() {
		cmd.Process.Kill()
		s.end()
	})
	return s
}

func (s *story) pid() int { return s.cmd.Process.Pid }

func (s *story) tell(line string) { fmt.Fprintln(s.in, line) }

// hear waits for the next line.
func (s *story) hear() string {
	s.t.Helper()
	if !s.out.Scan() {
		s.t.Fatal("the process has ended without a word: ", s.out.Err())
	}
	return s.out.Text()
}

// end lets the process end, and reaps it.
func (s *story) end() {
	s.in.Close()
	s.cmd.Wait()
}

// eventually polls, for what tells nobody that it happens.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not within 20 s: " + what)
		}
	}
}

// nothingLeft sees to it that the test leaves no file descriptor, no goroutine and no thread in a foreign
// namespace behind. Call it first: it looks after all cleaning up.
func nothingLeft(t *testing.T) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // the netpoller's own descriptors come with its first use
		r.Close()
		w.Close()
	}
	runtime.GC()
	goroutines := goleak.IgnoreCurrent()
	before := count(t, "/proc/self/fd")
	t.Cleanup(func() {
		goleak.VerifyNone(t, goroutines)
		eventually(t, fmt.Sprintf("back to %d file descriptors", before), func() bool {
			runtime.GC() // pidfds go with their handles
			return count(t, "/proc/self/fd") <= before
		})
		eventually(t, "no thread in a foreign namespace", func() bool { return len(strayThreads(t)) == 0 })
	})
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// strayThreads gives the threads whose namespaces are not those of the one that asks.
func strayThreads(t *testing.T) (stray []string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"net", "uts", "ipc"} {
		own := namespaceOf("thread-self", kind)
		for _, task := range tasks {
			ns := namespaceOf("self/task/"+task.Name(), kind)
			if ns != "" && ns != own { // "": the thread has ended
				stray = append(stray, task.Name()+" is in "+ns)
			}
		}
	}
	return stray
}

// namespaceOf gives "net:[4026531840]", or "".
func namespaceOf(who, kind string) string {
	name, _ := os.Readlink("/proc/" + who + "/ns/" + kind)
	return name
}
