package rtnetlink

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/linxtest"
)

// A dump is more than one datagram, and comes whole.
func TestDump(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, _ := dial(t)
	const n = 3000
	addRoutes(t, c, n)
	if got := len(routes(t, c)); got != n {
		t.Errorf("%d routes, want %d", got, n)
	}
}

// The kernel filters, as it does for sockets with strict checking alone.
func TestDumpIsFiltered(t *testing.T) {
	c, n := dial(t)
	n.Veth("v0", "v1")
	addRoutes(t, c, 100)
	var b Batch
	askRoutes(&b, testTable)
	count := 0
	err := c.Dump(t.Context(), &b, func(typ uint16, body []byte) error {
		count++
		if typ != unix.RTM_NEWROUTE || body[4] != testTable {
			t.Errorf("a message of type %d, table %d", typ, body[4])
		}
		return nil
	})
	if count != 100 || err != nil {
		t.Errorf("%d routes, %v", count, err)
	}
}

// A question that the kernel refuses: at once, or (an absent table) at the end of the dump.
func TestDumpRefused(t *testing.T) {
	c, _ := dial(t)
	never := func(uint16, []byte) error { t.Error("got something"); return nil }
	for name, test := range map[string]struct {
		ask  func(*Batch)
		want unix.Errno
	}{
		"absent table": {func(b *Batch) { askRoutes(b, 77) }, unix.ENOENT},
		"what strict checking refuses": {func(b *Batch) {
			b.Begin(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
			fixed := [unix.SizeofRtMsg]byte{0: unix.AF_INET, 1: 24}
			b.Raw(fixed[:])
		}, unix.EINVAL},
	} {
		var b Batch
		test.ask(&b)
		err := c.Dump(t.Context(), &b, never)
		var e *Error
		if !errors.As(err, &e) || e.Errno != test.want || e.Text == "" {
			t.Errorf("%s: %#v, want %v and a text", name, err, test.want)
		}
		t.Log(err)
	}
	if len(routes(t, c)) != 0 { // and the Conn is as good as before
		t.Error("routes")
	}
}

func TestDumpWantsOneQuestion(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	if err := c.Dump(t.Context(), &b, nil); err == nil || !strings.Contains(err.Error(), "0 questions") {
		t.Error(err)
	}
	askLinks(&b)
	b.Begin(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	if err := c.Get(t.Context(), &b, nil); err == nil || !strings.Contains(err.Error(), "2 questions") {
		t.Error(err)
	}
	askLink(&b, strings.Repeat("x", 1<<16))
	if err := c.Get(t.Context(), &b, nil); err == nil || !strings.Contains(err.Error(), "requests[0]: attribute 3 ") {
		t.Error(err)
	}
}

func askLink(b *Batch, name string) {
	b.Reset()
	b.Begin(unix.RTM_GETLINK, 0)
	b.Raw(make([]byte, unix.SizeofIfInfomsg))
	b.String(unix.IFLA_IFNAME, name)
}

func TestGet(t *testing.T) {
	c, _ := dial(t)
	var b Batch
	var name string
	for range 2 { // the second would find the ack of the first, if that were not read
		askLink(&b, "lo")
		name = ""
		err := c.Get(t.Context(), &b, func(typ uint16, body []byte) error {
			for typ, v := range Attributes(body[unix.SizeofIfInfomsg:]) {
				if typ == unix.IFLA_IFNAME {
					name += unix.ByteSliceToString(v)
				}
			}
			return nil
		})
		if name != "lo" || err != nil {
			t.Errorf("got %q, %v", name, err)
		}
	}
	askLink(&b, "nosuch")
	if err := c.Get(t.Context(), &b, nil); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a link that does not exist: %v", err)
	}
}

// An error of fn ends the calls, but the Conn goes on.
func TestDumpStoppedByItsReader(t *testing.T) {
	c, _ := dial(t)
	addRoutes(t, c, 2000)
	var b Batch
	boom := errors.New("boom")
	for range 2 {
		askRoutes(&b, testTable)
		calls := 0
		err := c.Dump(t.Context(), &b, func(uint16, []byte) error { calls++; return boom })
		if err != boom || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	}
	if got := len(routes(t, c)); got != 2000 {
		t.Errorf("%d routes", got)
	}
}

// Addresses that change during their dump make the kernel say so.
func TestDumpInterrupted(t *testing.T) {
	c, n := dial(t)
	other := dialIn(t, n)
	address := func(b *Batch, typ, flags uint16, i int) {
		b.Begin(typ, flags)
		b.Raw([]byte{unix.AF_INET, 32, 0, 0, 1, 0, 0, 0}) // 1: lo
		b.Bytes(unix.IFA_LOCAL, []byte{10, 1, byte(i >> 8), byte(i)})
	}
	var b Batch
	const kept = 1000 // several datagrams
	for i := range kept {
		address(&b, unix.RTM_NEWADDR, unix.NLM_F_CREATE, i)
	}
	mustDo(t, c, &b)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		var b Batch
		for ctx.Err() == nil {
			b.Reset()
			address(&b, unix.RTM_NEWADDR, unix.NLM_F_CREATE, kept)
			address(&b, unix.RTM_DELADDR, 0, kept)
			other.Do(ctx, &b, func(int, error) {})
		}
	})
	dump := func() (calls int, err error) {
		b.Reset()
		b.Begin(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		b.Raw([]byte{unix.AF_INET, 0, 0, 0, 0, 0, 0, 0})
		err = c.Dump(t.Context(), &b, func(uint16, []byte) error { calls++; return nil })
		return calls, err
	}
	linxtest.Eventually(t, "an interrupted dump", func() bool {
		calls, err := dump()
		if err != nil && (!errors.Is(err, ErrInterrupted) || calls < kept/2) {
			t.Fatalf("%v after %d addresses", err, calls)
		}
		return err != nil
	})
	cancel()
	wg.Wait()
	if calls, err := dump(); err != nil || calls < kept {
		t.Errorf("with nobody changing anything: %d addresses, %v", calls, err)
	}
}

// What was left unread by somebody, if that can happen at all, is known by its number.
func TestStaleAnswers(t *testing.T) {
	c, _ := dial(t)
	addRoutes(t, c, 10)
	stale := func(seq uint32) {
		var b Batch
		addRoute(&b, 3) // EEXIST
		b.Begin(unix.RTM_GETLINK, 0)
		b.Raw(make([]byte, unix.SizeofIfInfomsg))
		b.String(unix.IFLA_IFNAME, "lo")
		for i := range 2 {
			b.seal(i, seq, i == 0)
			if err := c.socket.Send(b.Request(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, seq := range []uint32{c.seq, c.seq - 1, c.seq + 1000} {
		stale(seq)
		if got := routes(t, c); len(got) != 10 {
			t.Errorf("seq %d: %d routes", seq, len(got))
		}
		stale(seq)
		var b Batch
		addRoute(&b, 100)
		delRoute(&b, 100)
		mustDo(t, c, &b)
	}
}

// Others in the namespace can send to our port. What they say is not the kernel's word.
func TestForgedAnswers(t *testing.T) {
	c, n := dial(t)
	addRoutes(t, c, 10)
	forger := dialIn(t, n)
	var forged Batch
	for seq := uint32(0); seq < 20; seq++ {
		forged.Begin(unix.RTM_NEWROUTE, unix.NLM_F_MULTI)
		putRoute(&forged, 4711)
		forged.seal(forged.Len()-1, seq, false)
		for _, typ := range []uint16{unix.NLMSG_ERROR, unix.NLMSG_DONE} {
			forged.Begin(typ, 0)
			forged.Raw(make([]byte, 20)) // no error: all is well
			forged.seal(forged.Len()-1, seq, false)
		}
	}
	forge := func() {
		err := forger.socket.Control(func(fd int) error {
			return unix.Sendto(fd, forged.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: c.PortID()})
		})
		if err != nil {
			t.Fatalf("forging: %v", err)
		}
	}
	forge()
	if got := routes(t, c); len(got) != 10 || got[4711] {
		t.Errorf("a dump gave %v", got)
	}
	forge()
	var b Batch
	addRoute(&b, 3)
	told := 0
	done, err := c.Do(t.Context(), &b, func(_ int, err error) {
		told++
		if !errors.Is(err, unix.EEXIST) {
			t.Error(err)
		}
	})
	if done != 1 || told != 1 || err != nil {
		t.Errorf("a batch: %d done, %d failed, %v", done, told, err)
	}
}

// What a dump costs does not grow with what it gives.
func TestDumpAllocatesNothingPerMessage(t *testing.T) {
	c, _ := dial(t)
	ctx := t.Context()
	var b Batch
	sum := 0
	add := func(_ uint16, body []byte) error {
		for typ := range Attributes(body[unix.SizeofRtMsg:]) {
			sum += int(typ)
		}
		return nil
	}
	allocations := func() float64 {
		return testing.AllocsPerRun(20, func() {
			askRoutes(&b, testTable)
			if err := c.Dump(ctx, &b, add); err != nil {
				t.Fatal(err)
			}
		})
	}
	addRoutes(t, c, 1)
	few := allocations()
	b.Reset()
	for i := range 2999 {
		addRoute(&b, i+1)
	}
	mustDo(t, c, &b)
	if many := allocations(); many > few+2 { // a sync.Pool loses its buffer to a garbage collection
		t.Errorf("%v allocations for 3000 routes, %v for one", many, few)
	}
}
