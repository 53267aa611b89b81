package sysctl

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/thejerf/suture/v4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/internal/testns"
)

// goOn serves a member of the monitor until the test ends, and fails the test if it ends before.
func goOn(t *testing.T, member suture.Service) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- member.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Error(err)
		}
	})
}

// acquainted makes the member that hears netlink, in n. It has heard of all links already, one of which it
// gives: their mere events are no hints.
func acquainted(t *testing.T, n *testns.Net) (m *events, hints <-chan struct{}, one netlink.Link) {
	t.Helper()
	h, err := n.Namespace().Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	socket, err := rtnetlink.OpenSocket(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.Control(join); err != nil {
		t.Fatal(err)
	}
	links, err := n.Netlink().LinkList()
	if err != nil {
		t.Fatal(err)
	}
	names := map[uint32]string{}
	for _, link := range links {
		names[uint32(link.Attrs().Index)] = link.Attrs().Name
	}
	c := make(chan struct{}, 1000)
	m = &events{name: "events", socket: socket, hint: func() { c <- struct{}{} }, names: names}
	return m, c, links[len(links)-1]
}

// Events that netlink dropped are a hint by themselves, and no end.
func TestNetlinkOverflow(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	m, hints, link := acquainted(t, n)
	for i := range 2000 { // the buffer holds some 100
		if err := n.Netlink().LinkSetMTU(link, 1400+i%2); err != nil {
			t.Fatal(err)
		}
	}
	goOn(t, m)
	hinted(t, hints, "lost events")
	settled(hints)
	turn(t, n, "net/ipv4/conf/lo/rp_filter", "1")
	hinted(t, hints, "an event after that")
}

// So is one that is too long to be read: a link can have more alternative names than fit.
func TestLongEvent(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	m, hints, link := acquainted(t, n)
	goOn(t, m)
	for i := range len(m.buf) / 100 {
		if err := n.Netlink().LinkAddAltName(link, fmt.Sprintf("%0100d", i)); err != nil {
			t.Fatal(err)
		}
	}
	hinted(t, hints, "a long event")
}

// Writes that inotify lost count of are a hint, and no end. Those that it did count are read away here.
func TestInotifyOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	room, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	n := testns.New(t)
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close() })
	keys := []key{"net/ipv4/tcp_syncookies", "net/ipv4/tcp_sack"} // two writes of one would count as one
	var files []*os.File
	for _, k := range keys {
		var file *os.File
		n.Do(func() { file, err = os.OpenFile("/proc/sys/"+string(k), os.O_RDWR, 0) })
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if !w.watch(k, int(file.Fd())) {
			t.Fatal(k, "is not watched")
		}
		files = append(files, file)
	}
	for i := range room + 10 {
		if _, err := files[i%len(files)].WriteAt([]byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	counted := make([]byte, room*unix.SizeofInotifyEvent)
	for read := 0; read < len(counted); {
		n, err := w.file.Read(counted[read:])
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	hints := make(chan struct{}, 1000)
	goOn(t, &writes{"writes", w, func() { hints <- struct{}{} }})
	hinted(t, hints, "lost writes")
	settled(hints)
	turn(t, n, string(keys[0]), "0")
	hinted(t, hints, "a write after that")
}
