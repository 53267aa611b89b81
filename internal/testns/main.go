package testns

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main is a package's TestMain: it starts the test binary again inside fresh network, mount, UTS and IPC
// namespaces (and a user namespace that maps the caller to root, where the caller is not root), so that no
// test can touch the machine, runs the tests there, and checks with goleak that no goroutine is left. Where
// no namespaces are to be had, the tests run all the same, Require skips or fails, and Examples, which
// cannot skip themselves, are left out.
func Main(m *testing.M) {
	if Reexec() != nil && !required() {
		flag.Parse()
		if skip := flag.Lookup("test.skip"); skip.Value.String() == "" {
			skip.Value.Set("^Example") // a valid pattern: it cannot fail
		}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "testns: the tests left goroutines behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Require skips the test where there are no namespaces, or fails it with LINX_REQUIRE_NETNS=1.
func Require(t testing.TB) {
	t.Helper()
	if err := available(); err != nil {
		Skip(t, err)
	}
}

// Skip skips the test for want of something that comes with the namespaces, mounts and processes of one's
// own, say, or fails it with LINX_REQUIRE_NETNS=1.
func Skip(t testing.TB, why any) {
	t.Helper()
	if required() {
		t.Fatalf("LINX_REQUIRE_NETNS=1, and %v", why)
	}
	t.Skip(why)
}

func required() bool { return os.Getenv("LINX_REQUIRE_NETNS") == "1" }
