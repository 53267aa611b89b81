package rtnetlink

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// testTable is where tests put routes, under the number i in 10.0.0.0/8: blackholes, which need no interface.
const testTable = 100

// dial makes a namespace and a Conn in it.
func dial(t testing.TB) (*Conn, *testns.Net) {
	t.Helper()
	n := testns.New(t)
	return dialIn(t, n), n
}

func dialIn(t testing.TB, n *testns.Net) *Conn {
	t.Helper()
	c, err := Dial(handle(t, n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func handle(t testing.TB, n *testns.Net) *linx.Handle {
	t.Helper()
	h, err := n.Namespace().Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func addRoute(b *Batch, i int) {
	b.Begin(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	putRoute(b, i)
}

func delRoute(b *Batch, i int) {
	b.Begin(unix.RTM_DELROUTE, 0)
	putRoute(b, i)
}

func putRoute(b *Batch, i int) {
	fixed := [unix.SizeofRtMsg]byte{0: unix.AF_INET, 1: 32, 4: testTable, 5: unix.RTPROT_STATIC, 7: unix.RTN_BLACKHOLE}
	b.Raw(fixed[:])
	b.Bytes(unix.RTA_DST, []byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// badRoute is one that the kernel refuses with EINVAL and a text: it has host bits.
func badRoute(b *Batch, i int) {
	b.Begin(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	fixed := [unix.SizeofRtMsg]byte{0: unix.AF_INET, 1: 24, 4: testTable, 5: unix.RTPROT_STATIC, 7: unix.RTN_BLACKHOLE}
	b.Raw(fixed[:])
	b.Bytes(unix.RTA_DST, []byte{10, byte(i >> 16), byte(i >> 8), byte(i) | 1})
}

// askRoutes asks for the routes of a table; 0: of all.
func askRoutes(b *Batch, table byte) {
	b.Reset()
	b.Begin(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	fixed := [unix.SizeofRtMsg]byte{0: unix.AF_INET, 4: table}
	b.Raw(fixed[:])
}

func askLinks(b *Batch) {
	b.Reset()
	b.Begin(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	b.Raw(make([]byte, unix.SizeofIfInfomsg))
}

// mustDo sends a batch of which nothing may fail.
func mustDo(t testing.TB, c *Conn, b *Batch) {
	t.Helper()
	done, err := c.Do(context.Background(), b, func(i int, err error) { t.Errorf("request %d: %v", i, err) })
	if err != nil || done != b.Len() {
		t.Fatalf("%d of %d done: %v", done, b.Len(), err)
	}
}

// addRoutes adds those from 0 up to n.
func addRoutes(t testing.TB, c *Conn, n int) {
	t.Helper()
	var b Batch
	for i := range n {
		addRoute(&b, i)
	}
	mustDo(t, c, &b)
}

// routes tells which of the test's routes there are.
func routes(t testing.TB, c *Conn) map[int]bool {
	t.Helper()
	var b Batch
	askRoutes(&b, 0)
	found := map[int]bool{}
	err := c.Dump(context.Background(), &b, func(_ uint16, body []byte) error {
		if body[4] != testTable {
			return nil
		}
		for typ, v := range Attributes(body[unix.SizeofRtMsg:]) {
			if typ == unix.RTA_DST {
				i := int(v[1])<<16 | int(v[2])<<8 | int(v[3])
				if found[i] {
					t.Errorf("route %d came twice", i)
				}
				found[i] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
