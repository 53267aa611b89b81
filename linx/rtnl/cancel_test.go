package rtnl

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
)

// countdown is a context that ends when it is asked for the nth time.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// TestCancelledAnywhere: wherever a pass is cut short, the next one finds all that is ours.
func TestCancelledAnywhere(t *testing.T) {
	full := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v1", "10.5.0.2/24"), on("v0", "2001:db8::2/64")},
		Routes: []Route{
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")},
			{Dst: pfx("10.1.0.0/16"), Interface: "v1", Table: 100},
			{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5},
			{Dst: pfx("2001:db8:2::/48"), Interface: "v1", Table: 200},
			{Dst: pfx("10.3.0.0/16"), NextHops: ways("10.0.0.1", "10.0.0.4*7")},
			{Dst: pfx("2001:db8:3::/48"), NextHops: ways("2001:db8::1", "2001:db8::4", "2001:db8::7")},
			{Dst: pfx("10.4.0.0/16"), NextHopID: 9},
		},
		Nexthops: []NexthopObject{viaObject(5, "10.0.0.1"), {ID: 9, Group: []NexthopMember{{ID: 5}}}},
	}
	for name, next := range map[string]State{
		"nothing":   {},
		"interface": {Routes: []Route{{Dst: pfx("10.2.0.0/16"), Interface: "nope"}}},
		"other ways": {Addresses: full.Addresses, Nexthops: []NexthopObject{viaObject(5, "10.0.0.7"), viaObject(6, "10.0.0.8")}, Routes: []Route{
			{Dst: pfx("10.3.0.0/16"), NextHops: ways("10.0.0.1", "10.0.0.4")},
			{Dst: pfx("2001:db8:3::/48"), NextHops: ways("2001:db8::1*3", "2001:db8::8", "2001:db8::9")},
			{Dst: pfx("10.4.0.0/16"), NextHopID: 6},
		}},
		"renumbered": {Addresses: []Address{on("v0", "10.0.0.3/24")}, Routes: []Route{{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.1")}}},
	} {
		for _, untagged := range []bool{false, true} {
			k := newKernel(t, Options{})
			k.src.untagged = untagged
			k.pass(next)
			var want []string
			left := func() []string {
				return slices.Concat(k.ipRoutes("all"), k.addresses("v0"), k.addresses("v1"), k.objectsByIP())
			}
			want = left()
			for n, cut := int64(1), true; cut; n++ {
				k.converge(full)
				ctx, cancel := context.WithCancel(t.Context())
				c := &countdown{Context: ctx, cancel: cancel}
				c.left.Store(n)
				r, err := k.src.Reconcile(c, next, k.last, func(LastApplied) error { return nil })
				cut = err != nil
				k.last = r.LastApplied
				k.pass(next)
				if got := left(); !slices.Equal(got, want) {
					t.Fatalf("to %s, untagged %v, cut short at %d: left %q", name, untagged, n, got)
				}
				cancel()
			}
		}
	}
}
