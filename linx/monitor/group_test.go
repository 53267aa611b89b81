package monitor

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Each group brings its kind of event, and no other; the default brings all.
func TestGroups(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	makeAll := func() {
		a4, a6 := []string{"10.0.0.2"}, []string{"fd00::2"}
		for _, typ := range []uint16{0, 1} { // new, deleted
			c.address(unix.RTM_NEWADDR+typ, "10.5.0.1/32", 0)
			c.address(unix.RTM_NEWADDR+typ, "fd05::1/128", unix.IFA_F_NODAD)
			c.route(unix.RTM_NEWROUTE+typ, "10.1.0.0/24", protoOurs, a4)
			c.route(unix.RTM_NEWROUTE+typ, "fd01::/64", protoOurs, a6)
			c.rule(unix.RTM_NEWRULE+typ, unix.AF_INET, 77)
			c.rule(unix.RTM_NEWRULE+typ, unix.AF_INET6, 77)
			c.neighbor(unix.RTM_NEWNEIGH+typ, "10.0.0.9")
			c.alias("one")
		}
	}
	type want struct {
		kind Kind
		ip   byte // family; 0: any
	}
	groups := map[Group]want{
		GroupLink:       {KindLink, 0},
		GroupNeigh:      {KindNeighbor, 0},
		GroupIPv4IfAddr: {KindAddress, unix.AF_INET},
		GroupIPv6IfAddr: {KindAddress, unix.AF_INET6},
		GroupIPv4Route:  {KindRoute, unix.AF_INET},
		GroupIPv6Route:  {KindRoute, unix.AF_INET6},
		GroupIPv4Rule:   {KindRule, unix.AF_INET},
		GroupIPv6Rule:   {KindRule, unix.AF_INET6},
	}
	for g, w := range groups {
		var r recorder
		m := New(n.Namespace(), r.notify, Config{Groups: []Group{g}})
		if err := m.Join(nil); err != nil {
			t.Fatal(err)
		}
		stop := serve(t, m)
		makeAll()
		// A link has no event for its end here.
		r.wait(t, "an event", func(e Event) bool { return e.Deleted() || g == GroupLink })
		stop()
		for _, e := range r.take() {
			if e.Kind != w.kind || w.ip != 0 && e.Body[0] != w.ip {
				t.Errorf("group %d: %v", g, e)
			}
		}
	}
	if got := DefaultGroups(); len(got) != len(groups) {
		t.Errorf("DefaultGroups() = %v, want those that can be decoded: %v", got, groups)
	}
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	serve(t, m)
	makeAll()
	for g, w := range groups {
		r.wait(t, "the default groups' events", func(e Event) bool {
			return e.Kind == w.kind && (w.ip == 0 || e.Body[0] == w.ip) && (e.Deleted() || g == GroupLink)
		})
	}
}

// Groups change while serving, and what they become is joined again later.
func TestSetGroups(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{Groups: []Group{GroupLink, GroupIPv4Rule}})
	stop := serve(t, m)
	r.wait(t, "the resync", isResync)
	// told makes a route and a rule, and gives which of them are told of.
	told := func() (kinds []Kind) {
		t.Helper()
		r.take()
		for _, typ := range []uint16{0, 1} {
			c.route(unix.RTM_NEWROUTE+typ, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
			c.rule(unix.RTM_NEWRULE+typ, unix.AF_INET, 77)
		}
		c.alias("end")
		r.wait(t, "the end", func(e Event) bool { l, ok := e.Link(); return ok && l.Alias == "end" })
		for _, e := range r.take() {
			if e.Deleted() {
				kinds = append(kinds, e.Kind)
			}
		}
		return kinds
	}
	check := func(want ...Kind) {
		t.Helper()
		if got := told(); !slices.Equal(got, want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	}
	check(KindRule)
	set := func(groups ...Group) {
		t.Helper()
		if err := m.SetGroups(groups...); err != nil {
			t.Fatal(err)
		}
	}
	set(GroupLink, GroupIPv4Rule, GroupIPv4Route)
	check(KindRoute, KindRule)
	set(GroupLink, GroupIPv4Route)
	check(KindRoute)
	if err := m.SetGroups(GroupLink, GroupIPv4Rule, 9999); !errors.Is(err, unix.EINVAL) {
		t.Errorf("SetGroups(9999): %v, want EINVAL", err)
	}
	check(KindRoute) // nothing changed
	stop()
	serve(t, m)
	r.wait(t, "the resync", isResync)
	check(KindRoute)
	set()
	check(KindRoute, KindRule)
}
