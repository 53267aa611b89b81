package monitor

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

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
	// By its prefix: the kernel may yet be telling of an address that was there before.
	address := func(prefix string) func(Event) bool {
		return func(e Event) bool {
			a, ok := e.Address()
			return ok && a.Prefix.String() == prefix
		}
	}
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
		{"IPv4 address", address("10.5.0.1/32"), false,
			func(c *changer) { c.address(unix.RTM_NEWADDR, "10.5.0.1/32", 0) },
			func(c *changer) { c.address(unix.RTM_DELADDR, "10.5.0.1/32", 0) }},
		{"IPv6 address", address("fd05::1/128"), true,
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
		{"link whose maker wants an echo, which carries the port id", kind(KindLink), true,
			func(c *changer) { c.bridge(unix.RTM_NEWLINK, unix.NLM_F_ECHO) },
			func(c *changer) { c.bridge(unix.RTM_DELLINK, unix.NLM_F_ECHO) }},
		{"link", kind(KindLink), true,
			func(c *changer) { c.alias("one") },
			func(c *changer) { c.alias("two") }},
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
