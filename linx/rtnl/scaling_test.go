package rtnl

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// many gives n routes of one family in a table.
func many(n int, v6 bool, table uint32) State {
	s := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	gateway := ipa("10.0.0.1")
	if v6 {
		s.Addresses[0].Prefix, gateway = pfx("2001:db8::2/64"), ipa("2001:db8::1")
	}
	for i := range n {
		var dst netip.Prefix
		if v6 {
			dst = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb9, 0, byte(i >> 16), byte(i >> 8), byte(i)}), 64)
		} else {
			dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(16 + i>>16), byte(i >> 8), byte(i), 0}), 24)
		}
		s.Routes = append(s.Routes, Route{Dst: dst, Gateway: gateway, Table: table})
	}
	return s
}

// effort is what work takes, but for time, which depends on the machine.
type effort struct{ allocations, calls int }

// measure counts what f takes of the process, and of the source's connection to the kernel.
func (k *kernel) measure(f func()) effort {
	var before, after runtime.MemStats
	calls := 0
	if k.src.conn != nil {
		calls = k.src.conn.Calls()
	}
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return effort{int(after.Mallocs - before.Mallocs), k.src.conn.Calls() - calls}
}

// life is the passes over n routes that TestScaling looks at, in that order, and how many allocations each may
// cost a route. Where routes are in place, none does; those that are removed are nowhere but in the report.
var life = []struct {
	pass        string
	allocations float64
}{{"first convergence", 0.2}, {"in place", 0}, {"1 % drift", 0.2}, {"removal", 1.5}}

// TestScaling: what a pass takes grows with the number of routes no faster than that, and little for each.
func TestScaling(t *testing.T) {
	sizes := []int{1000, 2000, 4000, 8000}
	for _, v6 := range []bool{false, true} {
		efforts := make([][]effort, len(life))
		for _, n := range sizes {
			for i, e := range liveThrough(t, n, v6) {
				efforts[i] = append(efforts[i], e)
			}
		}
		for i, l := range life {
			e := efforts[i]
			name := fmt.Sprintf("IPv6 %v, %s", v6, l.pass)
			t.Logf("%s of %v routes: %v", name, sizes, e)
			for i, n := range sizes {
				if limit := 100 + int(l.allocations*float64(n)); e[i].allocations > limit {
					t.Errorf("%s: %d allocations for %d routes, want at most %d", name, e[i].allocations, n, limit)
				}
				if limit := 30 + n/30; e[i].calls > limit { // 128 requests a call, and their answers
					t.Errorf("%s: %d calls for %d routes, want at most %d", name, e[i].calls, n, limit)
				}
				if i >= 2 {
					linear(t, name+": allocations", e[i-2].allocations, e[i-1].allocations, e[i].allocations)
					linear(t, name+": calls", e[i-2].calls, e[i-1].calls, e[i].calls)
				}
			}
		}
	}
}

// TestScalingOfWays: routes that lead several ways, or follow a nexthop object, cost no allocation either where
// they are in place.
func TestScalingOfWays(t *testing.T) {
	const n = 2000
	for name, route := range map[string]Route{
		"IPv4": {NextHops: ways("10.0.0.1", "10.0.0.3*7", "10.0.0.4")}, "object": {NextHopID: 5},
		"IPv6": {NextHops: ways("2001:db8::1", "2001:db8::3*7", "2001:db8::4")},
	} {
		k := newNexthops(t, Options{})
		state := many(n, name == "IPv6", 0)
		state.Nexthops = []NexthopObject{viaObject(5, "10.0.0.1")}
		for i := range state.Routes {
			route.Dst = state.Routes[i].Dst
			state.Routes[i] = route
		}
		if name == "IPv6" {
			state.Addresses = append(state.Addresses, home...)
		}
		k.converge(state)
		k.settled(state)
		if e := k.measure(func() { k.settled(state) }); e.allocations > 200 {
			t.Errorf("%s: %d allocations for %d routes", name, e.allocations, n)
		}
		k.last = LastApplied{} // IPv6: whose they are is known by the first of each
		k.settled(state)
	}
}

// linear checks the efforts for n, 2n and 4n: the second step is twice as long as the first one. (Squares: four
// times.)
func linear(t *testing.T, what string, once, twice, fourTimes int) {
	t.Helper()
	const noise = 30
	if step := twice - once; fourTimes-twice > step*5/2+noise {
		t.Errorf("%s: %d, %d, %d for twice as many routes each", what, once, twice, fourTimes)
	}
}

// liveThrough makes the passes of life.
func liveThrough(t *testing.T, n int, v6 bool) []effort {
	k := newKernel(t, Options{})
	state := many(n, v6, 0)
	none := State{Addresses: state.Addresses}
	k.converge(none)
	pass := func(state State, applied int) effort {
		return k.measure(func() {
			if r := k.pass(state); !r.Converged || len(r.Applied) != applied {
				t.Fatalf("converged %v, applied %d, want %d", r.Converged, len(r.Applied), applied)
			}
		})
	}
	first := pass(state, n)
	k.settled(state)
	inPlace := pass(state, 0)
	for _, r := range state.Routes[:n/100] {
		if err := k.Netlink().RouteDel(k.route(r, DefaultProtocol)); err != nil {
			t.Fatal(err)
		}
	}
	return []effort{first, inPlace, pass(state, n/100), pass(none, n)}
}

// TestOneAmongMany: what is ours is not copied for one route that is not, for as long as that lasts.
func TestOneAmongMany(t *testing.T) {
	k := newKernel(t, Options{})
	state := many(8000, false, 0)
	k.converge(State{Addresses: state.Addresses})
	theirs := k.route(Route{Dst: state.Routes[4000].Dst, Type: Blackhole}, unix.RTPROT_STATIC)
	if err := k.Netlink().RouteAdd(theirs); err != nil {
		t.Fatal(err)
	}
	var r Report
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r = k.pass(state)
		runtime.ReadMemStats(&after)
		// 8,000 routes are 2 MB; some buffers come anew, as a pool drops them at will under the race detector.
		if bytes := after.TotalAlloc - before.TotalAlloc; len(r.Applied) == 0 && bytes > 256<<10 {
			t.Errorf("a pass that changes nothing took %d bytes", bytes)
		}
	}
	if len(r.Failed) != 1 || len(r.Applied) != 0 || r.LastApplied.routes.len() != len(state.Routes)-1 {
		t.Error(show(r), r.LastApplied.routes.len())
	}
}
