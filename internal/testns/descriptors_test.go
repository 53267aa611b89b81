package testns

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLeaveDescriptors(t *testing.T) {
	gap, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	above, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, gap+5)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(above)
	unix.Close(gap)
	for _, n := range []int{0, 1, 7} {
		restore := LeaveDescriptors(t, n)
		for i := range n {
			fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatalf("%d of %d: %v", i+1, n, err)
			}
			defer unix.Close(fd)
		}
		if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0); !errors.Is(err, unix.EMFILE) {
			t.Errorf("with %d gone, one more is %d, %v", n, fd, err)
		}
		restore()
		restore()
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
}
