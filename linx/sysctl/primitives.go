package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// Supported tells whether there are sysctls here: a procfs on /proc, with /proc/sys.
func Supported() bool {
	var stat unix.Statfs_t
	return unix.Statfs(root, &stat) == nil && stat.Type == unix.PROC_SUPER_MAGIC
}

// Read gives the value of a key in a namespace, without the white space at its end. The key is in either
// form; see Settings. The error wraps the kernel's errno: ENOENT for an absent key, EISDIR for a group of
// keys, EACCES, EIO (a value that was never set), and so on.
func Read(ns linx.Namespace, name string) (Value, error) {
	var v Value
	err := withFile(ns, "reading", name, os.O_RDONLY, func(fd int) (err error) {
		buf := make([]byte, unix.Getpagesize())
		v, err = pread(fd, &buf)
		return err
	})
	return v, err
}

// ReadInt gives the value of a key that holds one integer.
func ReadInt(ns linx.Namespace, name string) (int, error) {
	numbers, err := ReadInts(ns, name)
	switch {
	case err != nil:
		return 0, err
	case len(numbers) != 1:
		return 0, fmt.Errorf("sysctl: reading %s in %s: it holds %d integers, not one", name, ns, len(numbers))
	default:
		return numbers[0], nil
	}
}

// ReadInts gives the value of a key that holds integers. One that does not fit an int, which is as wide as
// the kernel's long, is an error that wraps strconv.ErrRange; text is one that wraps strconv.ErrSyntax.
func ReadInts(ns linx.Namespace, name string) ([]int, error) {
	v, err := Read(ns, name)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for field := range strings.FieldsSeq(string(v)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("sysctl: reading %s in %s: %w", name, ns, err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// Write writes a value to a key in a namespace, once. It takes keys without state, too: vm.drop_caches.
// Whether the kernel took the value as it is, Read tells.
func Write(ns linx.Namespace, name string, value Value) error {
	if err := value.check(); err != nil {
		return fmt.Errorf("sysctl: writing %s: value %w", name, err)
	}
	return withFile(ns, "writing", name, os.O_WRONLY, func(fd int) error { return write(fd, value) })
}

// withFile opens a key inside a namespace and runs fn on its descriptor, there.
func withFile(ns linx.Namespace, doing, name string, flag int, fn func(fd int) error) error {
	k, err := parseKey(name)
	if err != nil {
		return fmt.Errorf("sysctl: key %q: %w", name, err)
	}
	if err := checkDomain(ns, k); err != nil {
		return fmt.Errorf("sysctl: key %q: %w", name, err)
	}
	err = within(ns, func(tree *os.Root) error {
		f, err := openFile(tree, ns, k, flag)
		if err != nil {
			return err
		}
		defer f.Close()
		return control(f, fn)
	})
	if err != nil {
		return fmt.Errorf("sysctl: %s %s in %s: %w", doing, k, ns, err)
	}
	return nil
}

// within opens the namespace for one call.
func within(ns linx.Namespace, fn func(*os.Root) error) error {
	h, err := ns.Open()
	if err != nil {
		return err
	}
	defer h.Close()
	return inside(h, fn)
}

// List gives the keys of a namespace that lie beneath prefix, in dot form and in order:
// "net.ipv4.conf.eth0" gives that interface's, a whole key itself, "" all. Keys that cannot be had in the
// namespace are left out: in a Path, all but net. A prefix that names nothing is an error that wraps
// ENOENT.
func List(ns linx.Namespace, prefix string) ([]string, error) {
	path := prefix
	if i := strings.IndexAny(prefix, "./"); i >= 0 && prefix[i] == '.' {
		path = swap.Replace(prefix)
	}
	if path == "" {
		path = "."
	} else if err := checkPath(path); err != nil {
		return nil, fmt.Errorf("sysctl: prefix %q: %w", prefix, err)
	}
	var names []string
	err := within(ns, func(tree *os.Root) error {
		return fs.WalkDir(tree.FS(), path, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case entry != nil && errors.Is(err, unix.ENOENT):
				return nil // it went while we walked, as interfaces do
			case err != nil:
				return err
			case path == "fs/binfmt_misc":
				return fs.SkipDir // another file system, which is mounted by looking at it
			case entry.Type().IsRegular() && checkDomain(ns, key(path)) == nil:
				names = append(names, key(path).String())
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("sysctl: listing %q in %s: %w", prefix, ns, err)
	}
	slices.Sort(names)
	return names, nil
}
