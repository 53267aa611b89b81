package rtnl

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// addressModel is a kernel's addresses on the interfaces of modelLinks.
type addressModel []address

func (m addressModel) find(key addressKey) int {
	return slices.IndexFunc(m, func(o address) bool { return o.key() == key })
}

// add is __inet_insert_ifa and ipv6_add_addr, but for primaries and scopes.
func (m *addressModel) add(a address, protocol uint8) bool {
	if m.find(a.key()) >= 0 {
		return false
	}
	a.protocol = protocol
	a.filled(modelName(a.link))
	*m = append(*m, a)
	return true
}

// replace is what inet_rtm_newaddr and inet6_addr_modify change.
func (m addressModel) replace(a address) bool {
	i := m.find(a.key())
	if i < 0 {
		return false
	}
	o := &m[i]
	o.protocol, o.valid, o.preferred = a.protocol, a.valid, a.preferred
	if !a.v6 || a.metric != 0 {
		o.metric = a.metric
	}
	if a.v6 {
		o.flags = o.flags&^settable | a.flags&settable
	}
	return true
}

func (m *addressModel) drop(a *address) bool {
	before := len(*m)
	*m = slices.DeleteFunc(*m, func(o address) bool { return o.bare() == a.bare() })
	return len(*m) < before
}

// survey shows it to one who has a record of what was made.
func (m addressModel) survey(x *index, records []Address) *survey {
	s := &survey{want: x, last: new(LastApplied), protocol: us}
	s.reset()
	for name, i := range modelLinks {
		s.seeLink([]byte(name), link{index: i, up: true})
	}
	s.record = func(a *address) (ownedAddress, bool) {
		for _, rec := range records {
			if packed := packAddress(&rec, modelLinks[rec.Interface]); packed.bare() == a.bare() {
				return ownedAddress{Address: rec, Index: a.link, Tagged: true}, true
			}
		}
		return ownedAddress{}, false
	}
	for i := range m {
		s.seeAddress(&m[i])
	}
	return s
}

func drawFullAddress(t *rapid.T) Address {
	maybe := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	a := drawAddress(t)
	six := a.Prefix.Addr().Is6()
	if maybe("peer") {
		a.Peer = ipa(map[bool]string{false: "10.9.0.1", true: "2001:db8:9::1"}[six])
	}
	if maybe("metric") {
		a.Metric = 7
	}
	if maybe("lives") {
		a.ValidLifetime = Lifetime(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour}).Draw(t, "valid"))
		if a.Deprecated = maybe("deprecated"); !a.Deprecated && maybe("preferred") {
			a.PreferredLifetime = Lifetime(30 * time.Second)
		}
	}
	a.NoPrefixRoute = maybe("noprefixroute")
	if six {
		a.Home, a.NoDAD = maybe("home"), maybe("nodad")
		return a
	}
	if maybe("broadcast") {
		a.Broadcast = ipa("10.0.0.255")
	}
	if maybe("label") {
		a.Label = "v0:x"
	}
	if !a.Prefix.Addr().IsLoopback() && maybe("scope") {
		a.Scope = ScopeLink
	}
	return a
}

func drawAddresses(t *rapid.T, label string) *index {
	var state State
	for _, a := range rapid.SliceOfN(rapid.Custom(drawFullAddress), 0, 6).Draw(t, label) {
		if with := append(slices.Clone(state.Addresses), a); valid(State{Addresses: with}) {
			state.Addresses = with
		}
	}
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestAddressesConverge: from whatever mix of ours, older and younger, and others', one application gives what
// is desired, but for conflicts; ours have that and no more, and others' are left alone unless the policy says
// otherwise.
func TestAddressesConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, old, foreign := drawAddresses(t, "want"), drawAddresses(t, "old"), drawAddresses(t, "foreign")
		policy := rapid.SampledFrom([]ConflictPolicy{Refuse, Adopt, TakeOver}).Draw(t, "policy")
		var m addressModel
		fill := func(x *index, protocol uint8) {
			placed := addressModel(nil).survey(x, nil)
			for i := range x.addresses {
				a := placed.wantedAddress(int32(i))
				if a.valid != forever {
					a.valid -= rapid.Uint32Range(0, a.valid-1).Draw(t, "age")
					a.preferred = min(a.preferred, a.valid)
				}
				m.add(a, protocol)
			}
		}
		fill(old, us)
		fill(foreign, unix.RTPROT_STATIC)
		others := slices.DeleteFunc(slices.Clone(m), func(a address) bool { return a.protocol == us })

		s := m.survey(want, old.state.Addresses)
		s.tags = true
		d := s.diff(policy, isTagged, modelName)
		for _, w := range d.swaps {
			if !m.drop(&w.old) {
				t.Fatalf("nothing to swap: %+v", w.old)
			}
		}
		for _, w := range d.swaps {
			d.newAddresses = append(d.newAddresses, w.at)
		}
		for _, i := range d.newAddresses {
			if !m.add(s.wantedAddress(i), us) {
				t.Fatalf("EEXIST: %v", want.state.Addresses[i])
			}
		}
		for _, u := range d.addressUpdates {
			u.to.protocol = us
			if !m.replace(u.to) {
				t.Fatalf("nothing to update: %+v", u.to)
			}
		}
		for i := range d.oldAddresses {
			if !m.drop(&d.oldAddresses[i]) {
				t.Fatalf("nothing to delete: %+v", d.oldAddresses[i])
			}
		}

		for _, o := range others {
			key := o.key()
			key.link = s.at[o.link]
			_, wanted := want.address[key]
			if i := m.find(o.key()); (policy == Refuse || !wanted) && (i < 0 || m[i] != o) {
				t.Fatalf("another's %+v is no more in %+v", o, m)
			}
		}
		// What is ours now is on record as it was desired.
		again := m.survey(want, want.state.Addresses).diff(policy, isTagged, modelName)
		if again.changes() || len(again.failed) != len(d.failed) {
			t.Fatalf("still wants %+v after %+v", again, d)
		}
		for i := range want.addresses {
			a := s.wantedAddress(int32(i))
			n := m.find(a.key())
			if n < 0 {
				t.Fatalf("%v is not there", want.state.Addresses[i])
			}
			before := slices.ContainsFunc(others, func(o address) bool { return o.key() == a.key() })
			seen := m[n]
			seen.valid, seen.preferred = a.valid, a.preferred
			if seen.v6 && seen.metric == 256 {
				seen.metric = 0
			}
			if !before && !a.exactly(&seen, want.state.Addresses[i].Interface) {
				t.Fatalf("%+v is %+v", a, seen)
			}
		}
		for _, a := range m {
			key := a.key()
			key.link = s.at[a.link]
			if _, wanted := want.address[key]; a.protocol == us && !wanted {
				t.Fatalf("left: %+v", a)
			}
		}
	})
}
