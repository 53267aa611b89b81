package monitor

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
)

// watch is a Monitor with a filter and one without, of the same namespace.
type watch struct {
	t               *testing.T
	all, filtered   recorder
	filteredMonitor *Monitor
	c               *changer
	marks           int
}

func newWatch(t *testing.T, n *testns.Net, c *changer) *watch {
	t.Helper()
	w := &watch{t: t, c: c}
	w.filteredMonitor = New(n.Namespace(), w.filtered.notify, Config{})
	for _, m := range []*Monitor{w.filteredMonitor, New(n.Namespace(), w.all.notify, Config{})} {
		if err := m.Join(nil); err != nil {
			t.Fatal(err)
		}
		serve(t, m)
	}
	return w
}

// heard makes changes and gives what the two heard of it, among the events that match.
func (w *watch) heard(match func(Event) bool, change func()) (all, filtered []string) {
	w.t.Helper()
	w.mark()
	change()
	w.all.wait(w.t, "what is to be heard", match) // that of an IPv6 address comes a little later
	w.mark()
	return matching(w.all.take(), match), matching(w.filtered.take(), match)
}

// mark waits until both have told of everything up to now: that is, of a change of a link, which no
// filter drops.
func (w *watch) mark() {
	w.t.Helper()
	w.marks++
	alias := fmt.Sprint("mark ", w.marks)
	w.c.alias(alias)
	for _, r := range []*recorder{&w.all, &w.filtered} {
		r.wait(w.t, "the mark", func(e Event) bool {
			l, ok := e.Link()
			return ok && l.Alias == alias
		})
		if w.marks%2 == 1 {
			r.take()
		}
	}
}

func matching(events []Event, match func(Event) bool) (s []string) {
	for _, e := range events {
		if match(e) {
			s = append(s, e.String())
		}
	}
	return s
}

func routeTo(dst string) func(Event) bool {
	want := netip.MustParsePrefix(dst)
	return func(e Event) bool {
		r, ok := e.Route()
		return ok && r.Dst == want
	}
}

// Every kind of route event, with the protocol ours dropped or passed as it has to be.
func TestFilterForeignRoutes(t *testing.T) {
	n, c := newChanger(t)
	w := newWatch(t, n, c)
	if err := w.filteredMonitor.SetFilter(Filter{OwnProtocol: protoOurs}); err != nil {
		t.Fatal(err)
	}
	const (
		add, del      = unix.RTM_NEWROUTE, unix.RTM_DELROUTE
		excl, replace = unix.NLM_F_EXCL, unix.NLM_F_REPLACE
		appends       = unix.NLM_F_APPEND
		ours, theirs  = protoOurs, protoTheirs
		dst4, dst6    = "10.1.0.0/24", "fd01::/64"
	)
	var (
		none         []string
		a4, b4       = []string{"10.0.0.2"}, []string{"10.0.0.3"}
		a6, b6       = []string{"fd00::2"}, []string{"fd00::3"}
		both4, both6 = []string{"10.0.0.2", "10.0.0.3"}, []string{"fd00::2", "fd00::3"}
	)
	type step struct {
		name  string
		typ   uint16
		proto byte
		via   []string
		flags int
		pass  bool
		kind  byte // 0: unicast
	}
	for _, test := range []struct {
		name, dst string
		steps     []step // one after the other, each one event at least
	}{
		{"IPv4, ours", dst4, []step{
			{"create", add, ours, a4, excl, true, 0},
			{"replace", add, ours, b4, replace, true, 0},
			{"delete", del, ours, b4, 0, true, 0},
		}},
		{"IPv4, foreign", dst4, []step{
			{"create", add, theirs, a4, excl, false, 0},
			{"append", add, theirs, b4, appends, true, 0},
			{"delete the second", del, theirs, b4, 0, false, 0},
			{"replace", add, theirs, b4, replace, true, 0},
			{"delete", del, theirs, b4, 0, false, 0},
			{"create without EXCL in the request", add, theirs, a4, 0, false, 0},
			{"delete", del, theirs, a4, 0, false, 0},
		}},
		{"IPv4, multipath", dst4, []step{
			{"create", add, theirs, both4, excl, false, 0},
			{"delete", del, theirs, both4, 0, false, 0},
			{"create ours", add, ours, both4, excl, true, 0},
			{"replace ours", add, theirs, both4, replace, true, 0},
			{"delete", del, theirs, both4, 0, false, 0},
		}},
		{"IPv4, foreign over ours", dst4, []step{
			{"create ours", add, ours, a4, excl, true, 0},
			{"replace ours", add, theirs, a4, replace, true, 0},
			{"delete it", del, theirs, a4, 0, false, 0},
		}},
		{"IPv4, blackhole", dst4, []step{
			{"create", add, theirs, none, excl, false, unix.RTN_BLACKHOLE},
			{"delete", del, theirs, none, 0, false, unix.RTN_BLACKHOLE},
		}},
		{"IPv6, ours", dst6, []step{
			{"create", add, ours, a6, excl, true, 0},
			{"replace", add, ours, b6, replace, true, 0},
			{"delete", del, ours, b6, 0, true, 0},
		}},
		{"IPv6, foreign", dst6, []step{
			{"create", add, theirs, a6, excl, false, 0},
			{"replace", add, theirs, b6, replace, true, 0},
			{"delete", del, theirs, b6, 0, false, 0},
		}},
		{"IPv6, multipath", dst6, []step{
			{"create", add, theirs, both6, excl, true, 0},
			{"delete all in one", del, theirs, none, 0, true, 0},
		}},
		{"IPv6, foreign sibling of ours", dst6, []step{
			{"create ours", add, ours, a6, excl, true, 0},
			{"append theirs", add, theirs, b6, appends, true, 0},
			{"delete theirs alone", del, theirs, b6, 0, false, 0},
			{"append again", add, theirs, b6, appends, true, 0},
			{"delete by their protocol: takes ours", del, theirs, none, 0, true, 0},
		}},
		{"IPv6, ours a sibling of theirs", dst6, []step{
			{"create theirs", add, theirs, a6, excl, false, 0},
			{"append ours", add, ours, b6, appends, true, 0},
			{"delete by their protocol: takes ours", del, theirs, none, 0, true, 0},
		}},
		{"IPv6, blackhole", dst6, []step{
			{"create", add, theirs, none, excl, false, unix.RTN_BLACKHOLE},
			{"delete", del, theirs, none, 0, false, unix.RTN_BLACKHOLE},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, s := range test.steps {
				kind := s.kind
				if kind == 0 {
					kind = unix.RTN_UNICAST
				}
				all, filtered := w.heard(routeTo(test.dst), func() {
					c.typedRoute(kind, s.typ, test.dst, s.proto, s.via, s.flags)
				})
				t.Logf("%s: %q", s.name, all)
				want := all
				if !s.pass {
					want = nil
				}
				if len(all) == 0 || fmt.Sprint(filtered) != fmt.Sprint(want) {
					t.Errorf("%s: of %q came %q, want %q", s.name, all, filtered, want)
				}
			}
		})
	}
}

// The two switches are independent, and none of them lets go of what it does not concern.
func TestFilterSwitches(t *testing.T) {
	n, c := newChanger(t)
	other := dial(t, n, "v0")
	w := newWatch(t, n, other)
	const excl = unix.NLM_F_EXCL
	a4 := []string{"10.0.0.2"}
	ours := Filter{OwnPort: c.conn.PortID()}
	foreign := Filter{OwnProtocol: protoOurs}
	both := Filter{OwnPort: ours.OwnPort, OwnProtocol: foreign.OwnProtocol}
	for _, test := range []struct {
		filter Filter
		by     *changer
		proto  byte
		pass   bool
	}{
		{Filter{}, c, protoOurs, true},
		{Filter{}, other, protoTheirs, true},
		{ours, c, protoOurs, false},
		{ours, c, protoTheirs, false},
		{ours, other, protoTheirs, true},
		{foreign, c, protoOurs, true},
		{foreign, other, protoTheirs, false},
		{both, c, protoOurs, false},
		{both, other, protoTheirs, false},
		{both, other, protoOurs, true},
		{Filter{}, c, protoOurs, true}, // detached again
	} {
		if err := w.filteredMonitor.SetFilter(test.filter); err != nil {
			t.Fatal(err)
		}
		all, filtered := w.heard(routeTo("10.1.0.0/24"), func() {
			test.by.route(unix.RTM_NEWROUTE, "10.1.0.0/24", test.proto, a4, excl)
			test.by.route(unix.RTM_DELROUTE, "10.1.0.0/24", test.proto, a4)
		})
		want := all
		if !test.pass {
			want = nil
		}
		if len(all) != 2 || fmt.Sprint(filtered) != fmt.Sprint(want) {
			t.Errorf("%+v, protocol %d, port %d: of %q came %q", test.filter, test.proto, test.by.conn.PortID(), all, filtered)
		}
	}
}

// A filter set before is there from the first event on, and again after each join.
func TestFilterBeforeJoin(t *testing.T) {
	n, c := newChanger(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	if err := m.SetFilter(Filter{OwnProtocol: protoOurs}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := m.Join(nil); err != nil {
			t.Fatal(err)
		}
		c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoTheirs, []string{"10.0.0.2"}, unix.NLM_F_EXCL)
		c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoTheirs, []string{"10.0.0.2"})
		c.route(unix.RTM_NEWROUTE, "10.2.0.0/24", protoOurs, []string{"10.0.0.2"}, unix.NLM_F_EXCL)
		c.route(unix.RTM_DELROUTE, "10.2.0.0/24", protoOurs, []string{"10.0.0.2"})
		stop := serve(t, m)
		r.wait(t, "the deletion of ours", func(e Event) bool { return e.Deleted() && routeTo("10.2.0.0/24")(e) })
		if r.saw(routeTo("10.1.0.0/24")) {
			t.Errorf("join %d: a foreign route came through", i+1)
		}
		r.take()
		stop()
	}
}

// What no test can make this kernel say, another socket can: it runs the same program.
func TestFilterOtherMessages(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := (Filter{OwnPort: 4711, OwnProtocol: protoOurs}).attach(pair[1]); err != nil {
		t.Fatal(err)
	}
	route := func(family byte) []byte {
		return append([]byte{family, 0, 0, 0, 254, protoTheirs, 0, 1, 0, 0, 0, 0}, attribute(unix.RTA_OIF, 1, 0, 0, 0)...)
	}
	const mroute4, mroute6 = 128, 129 // RTNL_FAMILY_IPMR, RTNL_FAMILY_IP6MR
	for name, test := range map[string]struct {
		typ  uint16
		port uint32
		body []byte
		pass bool
	}{
		"IPv4 route deleted":       {unix.RTM_DELROUTE, 0, route(unix.AF_INET), false},
		"IPv6 route deleted":       {unix.RTM_DELROUTE, 0, route(unix.AF_INET6), false},
		"MPLS route deleted":       {unix.RTM_DELROUTE, 0, route(unix.AF_MPLS), true},
		"IPv4 multicast deleted":   {unix.RTM_DELROUTE, 0, route(mroute4), true},
		"IPv6 multicast deleted":   {unix.RTM_DELROUTE, 0, route(mroute6), true},
		"a rule without a body":    {unix.RTM_NEWRULE, 0, nil, true},
		"our rule without a body":  {unix.RTM_NEWRULE, 4711, nil, false},
		"a traffic class from us":  {unix.RTM_NEWTCLASS, 4711, nil, true},
		"a namespace's id from us": {unix.RTM_NEWNSID, 4711, nil, true},
		"our MPLS route":           {unix.RTM_DELROUTE, 4711, route(unix.AF_MPLS), false},
		"a type that is none":      {unix.RTM_DELRULE + 1<<8, 4711, nil, true},
	} {
		b := native.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(test.body)))
		b = native.AppendUint16(b, test.typ)
		b = native.AppendUint16(b, 0)
		b = native.AppendUint32(b, 0)
		b = native.AppendUint32(b, test.port)
		if _, err := unix.Write(pair[0], append(b, test.body...)); err != nil {
			t.Fatal(err)
		}
		_, err := unix.Read(pair[1], make([]byte, 100))
		if passed := err == nil; passed != test.pass || err != nil && err != unix.EAGAIN {
			t.Errorf("%s: passed %v (%v), want %v", name, passed, err, test.pass)
		}
	}
}
