package linx_test

import (
	"os"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// Another library, asked from inside Do, agrees on where that is.
func TestDoIsWhereNetnsSays(t *testing.T) {
	n := testns.New(t)
	p := n.Process()
	want, err := netns.GetFromPath(n.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	byPID, err := netns.GetFromPid(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer byPID.Close()
	if !want.Equal(byPID) {
		t.Fatalf("the process is in %s, want %s", byPID, want)
	}

	outside, err := netns.GetFromPid(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	for ns, want := range map[linx.Namespace]netns.NsHandle{
		linx.Path(n.Path()): want, linx.PID(p.PID()): want, linx.Self(): outside,
	} {
		h, err := ns.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		err = h.Do(func() error {
			got, err := netns.Get()
			if err != nil {
				return err
			}
			defer got.Close()
			if !got.Equal(want) {
				t.Errorf("%s: inside %s, want %s", ns, got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
