package sysctl

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// A subscription that comes late has everything watched by the next pass, though nothing else is to be done.
func TestLateSubscription(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2"}
	r := reconciled(t, s, desired, LastApplied{})
	r = reconciled(t, s, desired, r.LastApplied)
	hints := listen(t, s)
	reconciled(t, s, desired, r.LastApplied)
	turn(t, n, "net/ipv4/tcp_syncookies", "0")
	hinted(t, hints, "a write")
}

// The keys of an interface that was made anew are watched anew.
func TestNewInterfaceIsWatched(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	s := source(t, n.Namespace(), Options{})
	hints := listen(t, s)
	desired := Settings{"net.ipv4.conf.v0.arp_filter": "1"}
	r := reconciled(t, s, desired, LastApplied{})
	for range 3 {
		link, err := n.Netlink().LinkByName("v0")
		if err == nil {
			err = n.Netlink().LinkDel(link)
		}
		if err != nil {
			t.Fatal(err)
		}
		n.Veth("v0", "v1")
		r = reconciled(t, s, desired, r.LastApplied)
		settled(hints)
		turn(t, n, "net/ipv4/conf/v0/arp_filter", "0") // NETCONF does not know this one
		hinted(t, hints, "a write")
	}
}

// A namespace that went while nobody subscribed does not take the next one's monitor along.
func TestSubscribeToTheNextNamespace(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2"}
	r := reconciled(t, s, desired, LastApplied{})

	n.Replace() // nobody has noticed: no pass, no Close
	t.Run("unnoticed", func(t *testing.T) {
		hints := listen(t, s)
		r = reconciled(t, s, desired, r.LastApplied)
		settled(hints)
		turn(t, n, "net/ipv4/tcp_syncookies", "0")
		hinted(t, hints, "a write")
	})

	n.Replace()
	if _, err := s.Reconcile(t.Context(), desired, r.LastApplied, nil); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("noticed", func(t *testing.T) {
		hints := listen(t, s)
		reconciled(t, s, desired, r.LastApplied)
		settled(hints)
		turn(t, n, "net/ipv4/tcp_syncookies", "0")
		hinted(t, hints, "a write")
	})
}

func TestConcerns(t *testing.T) {
	message := func(typ uint16, index uint32, name string) []byte {
		attr := make([]byte, unix.SizeofNlAttr, 64)
		attr = append(append(attr, name...), 0)
		binary.NativeEndian.PutUint16(attr, uint16(len(attr)))
		binary.NativeEndian.PutUint16(attr[2:], unix.IFLA_IFNAME)
		b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
		b = append(b, attr...)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], typ)
		binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], index)
		return b
	}
	m := events{names: map[uint32]string{}}
	for _, c := range []struct {
		what     string
		datagram []byte
		want     bool
	}{
		{"a link", message(unix.RTM_NEWLINK, 7, "eth0"), true},
		{"the same, in another state", message(unix.RTM_NEWLINK, 7, "eth0"), false},
		{"another link", message(unix.RTM_NEWLINK, 8, "eth1"), true},
		{"another name", message(unix.RTM_NEWLINK, 7, "eth2"), true},
		{"its end", message(unix.RTM_DELLINK, 7, "eth2"), true},
		{"the same again", message(unix.RTM_NEWLINK, 7, "eth2"), true},
		{"a setting", message(unix.RTM_NEWNETCONF, 8, "eth1"), true},
		{"half a link", message(unix.RTM_NEWLINK, 7, "eth2")[:20], false},
	} {
		if got := m.concerns(c.datagram); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
