package sysctl

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

func TestSupported(t *testing.T) {
	if !Supported() {
		t.Skip("no procfs")
	}
}

func TestReadAndWrite(t *testing.T) {
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		if err := Write(ns, "net.ipv4.tcp_rmem", Ints(4096, 8192, 16384)); err != nil {
			t.Fatal(err)
		}
		if v, err := Read(ns, "net/ipv4/tcp_rmem"); v != "4096\t8192\t16384" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if got, err := ReadInts(ns, "net.ipv4.tcp_rmem"); !reflect.DeepEqual(got, []int{4096, 8192, 16384}) || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		if got := look(t, n, "net/ipv4/tcp_rmem"); got != "4096\t8192\t16384" {
			t.Errorf("%q", got)
		}
		if got, err := ReadInt(ns, "net.ipv4.tcp_rmem"); err == nil {
			t.Errorf("three integers were read as one: %d", got)
		}
		if got, err := ReadInt(ns, "net.ipv4.ip_forward"); got != 0 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if got, err := ReadInts(ns, "net.ipv4.tcp_congestion_control"); !errors.Is(err, strconv.ErrSyntax) {
			t.Errorf("%v, %v", got, err)
		}
		if err := Write(ns, "net.ipv4.ip_local_reserved_ports", "80,90-99"); err != nil {
			t.Error(err)
		}
		if err := Write(ns, "net.ipv4.ip_local_reserved_ports", ""); err != nil || look(t, n, "net/ipv4/ip_local_reserved_ports") != "" {
			t.Errorf("clearing a list: %v", err)
		}
		if err := Write(ns, "net.ipv4.route.flush", "1"); err != nil {
			t.Error(err)
		}
	})
}

func TestPrimitivesErrors(t *testing.T) {
	n := testns.New(t)
	for name, errno := range map[string]error{
		"net.ipv4.nonsense":              unix.ENOENT,
		"net.ipv4.ip_forward.x":          unix.ENOENT,
		"net.ipv4.conf.none.rp_filter":   unix.ENOENT,
		"net.ipv4":                       unix.EISDIR,
		"net.ipv4.route.flush":           unix.EACCES, // write-only
		"net.ipv6.conf.lo.stable_secret": unix.EIO,
	} {
		if v, err := Read(n.Namespace(), name); !errors.Is(err, errno) {
			t.Errorf("%s: %q, %v; want %v", name, v, err, errno)
		}
	}
	for name, errno := range map[string]error{
		"net.ipv4.nonsense": unix.ENOENT,
		"net.ipv4.conf":     unix.EISDIR,
		"net.ipv4.tcp_available_congestion_control": unix.EACCES,
		"net.ipv4.ip_forward":                       unix.EINVAL,
	} {
		if err := Write(n.Namespace(), name, "x"); !errors.Is(err, errno) {
			t.Errorf("%s: %v; want %v", name, err, errno)
		}
	}
	if err := Write(n.Namespace(), "net.ipv4.ip_forward", "1\n"); err == nil {
		t.Error("a newline was written")
	}
	if _, err := Read(n.Namespace(), "net/../kernel/hostname"); err == nil {
		t.Error("a key went up")
	}
	if _, err := Read(linx.Path("/absent"), "net.ipv4.ip_forward"); err == nil {
		t.Error("read in no namespace")
	}
}

func TestList(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0.1", "v1")
	names, err := List(n.Namespace(), "net.ipv4.conf.v0/1")
	if err != nil || !slices.Contains(names, "net.ipv4.conf.v0/1.rp_filter") || !slices.IsSorted(names) || len(names) < 20 {
		t.Errorf("%v, %v", names, err)
	}
	for _, name := range names {
		if _, err := Read(n.Namespace(), name); err != nil {
			t.Error(err)
		}
	}
	if same, err := List(n.Namespace(), "net/ipv4/conf/v0.1"); err != nil || !slices.Equal(same, names) {
		t.Errorf("%v, %v", same, err)
	}
	if one, err := List(n.Namespace(), "net.ipv4.ip_forward"); err != nil || !slices.Equal(one, []string{"net.ipv4.ip_forward"}) {
		t.Errorf("%v, %v", one, err)
	}
	all, err := List(n.Namespace(), "")
	if err != nil || len(all) < 200 || slices.ContainsFunc(all, func(name string) bool { return name[:4] != "net." }) {
		t.Errorf("%d keys, %v", len(all), err)
	}
	if all, err = List(linx.Self(), ""); err != nil || !slices.Contains(all, "kernel.hostname") || !slices.Contains(all, "vm.swappiness") {
		t.Errorf("%d keys, %v", len(all), err)
	}
	if names, err := List(n.Namespace(), "net.nonsense"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := List(n.Namespace(), "net.ipv4.//.conf"); err == nil {
		t.Errorf("%v", names)
	}
}
