package testns

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

// again runs one test of this binary in a process that starts as go test starts it: outside, for all it
// knows.
func again(t *testing.T, test string, args ...string) *exec.Cmd {
	t.Helper()
	Require(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append(args, "-test.run=^"+test+"$")...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, stage+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// The race detector sleeps for a second at each exit otherwise.
	cmd.Env = append(cmd.Env, "TESTNS_STORY="+test, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// told skips a test that again is to run, when it is go test that runs it.
func told(t testing.TB) {
	if os.Getenv("TESTNS_STORY") != t.Name() {
		t.Skip("is run by other tests")
	}
}

func TestStoryPasses(t *testing.T) { told(t); Require(t); fmt.Println("here:", netnsName()) }
func TestStoryFails(t *testing.T)  { told(t); t.Error("as told") }
func TestStoryLeaks(t *testing.T)  { told(t); go func() { select {} }() }
func TestStoryBlocks(t *testing.T) { told(t); fmt.Println("blocking"); select {} }

func TestMainRunsInside(t *testing.T) {
	out, err := again(t, "TestStoryPasses", "-test.v").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "here: net:[") || strings.Contains(string(out), "here: "+netnsName()) {
		t.Errorf("the test did not run in a network namespace of its own, which is not %s:\n%s", netnsName(), out)
	}
}

func TestMainPassesOnTheStatus(t *testing.T) {
	for _, test := range []string{"TestStoryFails", "TestStoryLeaks"} {
		out, err := again(t, test).CombinedOutput()
		if status, ok := err.(*exec.ExitError); !ok || status.ExitCode() != 1 {
			t.Errorf("%s: got %v, want status 1\n%s", test, err, out)
		}
	}
}

func TestMainListsTests(t *testing.T) {
	out, err := again(t, "x", "-test.list=^TestStoryPasses$").CombinedOutput()
	if err != nil || string(out) != "TestStoryPasses\n" {
		t.Errorf("-test.list: %v\n%s", err, out)
	}
}

func FuzzInside(f *testing.F) {
	f.Fuzz(func(t *testing.T, _ []byte) { Require(t) })
}

func TestMainFuzzes(t *testing.T) {
	cmd := again(t, "x", "-test.fuzz=^FuzzInside$", "-test.fuzztime=10x", "-test.parallel=1",
		"-test.fuzzcachedir="+t.TempDir())
	cmd.Env = append(cmd.Env, "LINX_REQUIRE_NETNS=1")
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMainWritesProfiles(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "cpu")
	if out, err := again(t, "TestStoryPasses", "-test.cpuprofile="+profile).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("no profile: %v", err)
	}
}

// blocked starts TestStoryBlocks and waits until it blocks. rest gives the rest of its output, which ends
// when both processes that hold it have ended: the one started and the one inside.
func blocked(t *testing.T) (cmd *exec.Cmd, rest func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	cmd = again(t, "TestStoryBlocks", "-test.v")
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(out), "blocking\n") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, out)
		}
		out = append(out, buf[:n]...)
	}
	return cmd, func() string {
		var rest strings.Builder
		for {
			n, err := r.Read(buf)
			rest.Write(buf[:n])
			if err == io.EOF {
				return rest.String()
			}
			if err != nil {
				t.Fatalf("reading on: %v after %q", err, rest.String())
			}
		}
	}
}

func TestMainPassesOnSignals(t *testing.T) {
	cmd, rest := blocked(t)
	cmd.Process.Signal(unix.SIGQUIT) // as go test does at its timeout
	if out := rest(); !strings.Contains(out, "TestStoryBlocks(") {
		t.Errorf("SIGQUIT showed no stack of the test:\n%s", out)
	}
	cmd.Wait()

	cmd, rest = blocked(t)
	cmd.Process.Signal(unix.SIGTERM)
	rest()
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.ExitStatus() != 128+int(unix.SIGTERM) {
		t.Errorf("after SIGTERM: status %d, want %d", status.ExitStatus(), 128+int(unix.SIGTERM))
	}
}

func TestMainLeavesNoOrphan(t *testing.T) {
	cmd, rest := blocked(t)
	cmd.Process.Kill()
	rest() // ends only if the other one does
	cmd.Wait()
}

func TestRequireWithoutNamespaces(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"", "SKIP: TestStoryPasses"},
		{"LINX_REQUIRE_NETNS=1", "FAIL: TestStoryPasses"},
	} {
		cmd := again(t, "TestStoryPasses", "-test.v")
		cmd.Env = append(cmd.Env, stage+"="+nowhere+" the moon is full", "LINX_REQUIRE_NETNS=0", c.env)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "the moon is full") {
			t.Errorf("with %q: want %q and the reason:\n%s", c.env, c.want, out)
		}
	}
}

func ExampleOpen() {
	n, err := Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	n.Veth("v0", "v1")
	link, err := n.Netlink().LinkByName("v0")
	fmt.Println(link.Type(), err)
	// Output: veth <nil>
}

func TestExamplesAreLeftOutWithoutNamespaces(t *testing.T) {
	cmd := again(t, "ExampleOpen", "-test.v")
	cmd.Env = append(cmd.Env, stage+"="+nowhere+" the moon is full", "LINX_REQUIRE_NETNS=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
