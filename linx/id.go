package linx

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ID tells namespaces apart for as long as the machine runs, and across its reboots: it is made of the
// kernel's boot id and the network namespace's cookie (SO_NETNS_COOKIE, Linux 5.14). It is opaque,
// comparable, and may be stored. The empty ID names no namespace. (Device and inode would not do: the
// kernel uses an inode again as soon as it is free.)
type ID string

const bootID = "/proc/sys/kernel/random/boot_id"

func (h *Handle) identify(spaces []*space) (ID, error) {
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("linx: %s: boot id: %w", h.ns, err)
	}
	var cookie uint64
	err = h.do(spaces, func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("linx: %s: opening a socket: %w", h.ns, err)
		}
		defer unix.Close(fd)
		cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		if err != nil {
			return fmt.Errorf("linx: %s: asking for the namespace's cookie: %w", h.ns, err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return ID(fmt.Sprintf("%s:%d", strings.TrimSpace(string(boot)), cookie)), nil
}
