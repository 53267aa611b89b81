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

// Every kind of event that can carry a port id, from the port that is dropped and from another one.
func TestFilterOwnPort(t *testing.T) {
	n, c := newChanger(t)
	other := dial(t, n, "v0")
	w := newWatch(t, n, other) // whose marks would pass in any case, as links do
	if err := w.filteredMonitor.SetFilter(Filter{OwnPort: c.conn.PortID()}); err != nil {
		t.Fatal(err)
	}
	a4, both4 := []string{"10.0.0.2"}, []string{"10.0.0.2", "10.0.0.3"}
	a6, both6 := []string{"fd00::2"}, []string{"fd00::2", "fd00::3"}
	const excl, nodad = unix.NLM_F_EXCL, unix.IFA_F_NODAD
	kind := func(k Kind) func(Event) bool { return func(e Event) bool { return e.Kind == k } }
	neighbor := func(addr string, deleted bool) func(Event) bool {
		return func(e Event) bool {
			n, ok := e.Neighbor()
			return ok && n.Addr.String() == addr && e.Deleted() == deleted
		}
	}
	for _, test := range []struct {
		name  string
		match func(Event) bool
		pass  bool
		add   func(*changer)
		del   func(*changer)
	}{
		{"IPv4 address", kind(KindAddress), false,
			func(c *changer) { c.address(unix.RTM_NEWADDR, "10.5.0.1/32", 0) },
			func(c *changer) { c.address(unix.RTM_DELADDR, "10.5.0.1/32", 0) }},
		{"IPv6 address", kind(KindAddress), true,
			func(c *changer) { c.address(unix.RTM_NEWADDR, "fd05::1/128", nodad) },
			func(c *changer) { c.address(unix.RTM_DELADDR, "fd05::1/128", 0) }},
		{"routes of an IPv4 address", kind(KindRoute), true,
			func(c *changer) { c.address(unix.RTM_NEWADDR, "10.6.0.1/24", 0) },
			func(c *changer) { c.address(unix.RTM_DELADDR, "10.6.0.1/24", 0) }},
		{"IPv4 route", routeTo("10.1.0.0/24"), false,
			func(c *changer) { c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, a4, excl) },
			func(c *changer) { c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, a4) }},
		{"IPv4 multipath route", routeTo("10.1.0.0/24"), false,
			func(c *changer) { c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, both4, excl) },
			func(c *changer) { c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, both4) }},
		{"IPv6 route", routeTo("fd01::/64"), false,
			func(c *changer) { c.route(unix.RTM_NEWROUTE, "fd01::/64", protoOurs, a6, excl) },
			func(c *changer) { c.route(unix.RTM_DELROUTE, "fd01::/64", protoOurs, a6) }},
		{"IPv6 multipath route", routeTo("fd01::/64"), false,
			func(c *changer) { c.route(unix.RTM_NEWROUTE, "fd01::/64", protoOurs, both6, excl) },
			func(c *changer) { c.route(unix.RTM_DELROUTE, "fd01::/64", protoOurs, both6) }},
		{"IPv4 rule", kind(KindRule), false,
			func(c *changer) { c.rule(unix.RTM_NEWRULE, unix.AF_INET, 77) },
			func(c *changer) { c.rule(unix.RTM_DELRULE, unix.AF_INET, 77) }},
		{"IPv6 rule", kind(KindRule), false,
			func(c *changer) { c.rule(unix.RTM_NEWRULE, unix.AF_INET6, 77) },
			func(c *changer) { c.rule(unix.RTM_DELRULE, unix.AF_INET6, 77) }},
		{"IPv4 neighbor", neighbor("10.0.0.9", false), false,
			func(c *changer) { c.neighbor(unix.RTM_NEWNEIGH, "10.0.0.9") },
			func(c *changer) { c.neighbor(unix.RTM_DELNEIGH, "10.0.0.9") }},
		{"IPv6 neighbor", neighbor("fd00::9", false), false,
			func(c *changer) { c.neighbor(unix.RTM_NEWNEIGH, "fd00::9") },
			func(c *changer) { c.neighbor(unix.RTM_DELNEIGH, "fd00::9") }},
		{"the end of a neighbor, which is the kernel's own", neighbor("10.0.0.9", true), true,
			func(c *changer) {
				c.neighbor(unix.RTM_NEWNEIGH, "10.0.0.9")
				c.neighbor(unix.RTM_DELNEIGH, "10.0.0.9")
			}, nil},
		{"link", kind(KindLink), true,
			func(c *changer) { c.alias("one") },
			func(c *changer) { c.alias("two", unix.NLM_F_ECHO) }},
	} {
		for _, by := range []struct {
			name string
			*changer
			pass bool
		}{{"another's", other, true}, {"ours", c, test.pass}} {
			for i, change := range []func(*changer){test.add, test.del} {
				if change == nil {
					continue
				}
				all, filtered := w.heard(test.match, func() { change(by.changer) })
				t.Logf("%s, %s: %q", test.name, by.name, all)
				want := all
				if !by.pass {
					want = nil
				}
				if len(all) == 0 || fmt.Sprint(filtered) != fmt.Sprint(want) {
					t.Errorf("%s, %s, step %d: of %q came %q, want %q", test.name, by.name, i+1, all, filtered, want)
				}
			}
		}
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
