package rtnl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestObjectsUnderOthers: whatever is desired next, and whatever others do to objects and routes, one pass
// makes it so, and what others made stays as it was.
func TestObjectsUnderOthers(test *testing.T) {
	rapid.Check(test, func(t *rapid.T) {
		k := newObjects(test)
		theirs := make(map[string]string) // by destination: all of the line in leading
		others := 0
		for range rapid.IntRange(1, 5).Draw(t, "passes") {
			for range rapid.IntRange(0, 3).Draw(t, "changes of others") {
				k.disturb(t, theirs, &others)
			}
			state := drawVia(t)
			r := k.pass(state)
			if !r.Converged {
				t.Fatal(show(r))
			}
			if again := k.pass(state); !again.Converged || len(again.Applied) > 0 {
				t.Fatalf("%v, and then %v", applied(r), show(again))
			}
			k.checkObjects(t, state, theirs)
		}
		for dst := range theirs {
			k.run("route del " + dst + " proto static")
		}
		k.converge(State{Addresses: via(0).Addresses})
		if got := slices.DeleteFunc(k.nexthops(), func(o string) bool { return strings.HasSuffix(o, "static") }); len(got) > 0 {
			t.Fatalf("left: %q", got)
		}
	})
}

func drawVia(t *rapid.T) State {
	s := via(0)
	for i := range rapid.IntRange(0, 5).Draw(t, "routes") {
		r := Route{Dst: pfx(fmt.Sprintf("10.%d.0.0/16", 1+i)), Gateway: drawGateway(t, false), Interface: "v0"}
		if rapid.IntRange(0, 4).Draw(t, "plain") == 0 {
			r.Interface = ""
		}
		s.Routes = append(s.Routes, r)
	}
	return s
}

// disturb does what another could.
func (k *kernel) disturb(t *rapid.T, theirs map[string]string, others *int) {
	routes := k.leading()
	var ours []string // ids of objects that only our routes use
	for _, o := range k.nexthops() {
		id, _, _ := strings.Cut(o, " ")
		used := slices.ContainsFunc(routes, func(r string) bool {
			dst, _, _ := strings.Cut(r, " ")
			return theirs[dst] != "" && strings.Contains(r, " "+id+" ")
		})
		if strings.HasSuffix(o, "proto 76") && !used {
			ours = append(ours, fmt.Sprint(firstNexthop+int(id[1]-'0')))
		}
	}
	if len(ours) == 0 {
		return
	}
	id := rapid.SampledFrom(ours).Draw(t, "object")
	switch rapid.SampledFrom([]string{"delete", "replace", "use", "flap", "route"}).Draw(t, "change") {
	case "delete":
		k.run("nexthop del id " + id)
	case "replace":
		k.run("nexthop replace id " + id + " via 10.0.0.8 dev v0 proto static")
	case "use":
		dst := fmt.Sprintf("10.%d.0.0/16", 100+*others)
		*others++
		k.run("route add " + dst + " nhid " + id + " proto static")
		for _, r := range k.leading() {
			if strings.HasPrefix(r, dst+" ") {
				theirs[dst] = r
			}
		}
	case "flap":
		if len(theirs) == 0 {
			k.run("link set v0 down")
			k.run("link set v0 up")
		}
	case "route":
		for _, r := range routes {
			if dst, _, _ := strings.Cut(r, " "); theirs[dst] == "" {
				k.run("route del " + dst)
				break
			}
		}
	}
}

func (k *kernel) checkObjects(t *rapid.T, state State, theirs map[string]string) {
	var want []string
	for _, r := range state.Routes {
		kind := "plain"
		if r.Interface != "" {
			kind = "object"
		}
		want = append(want, fmt.Sprintf("%v %s via %v", r.Dst, kind, r.Gateway))
	}
	for _, line := range theirs {
		want = append(want, line)
	}
	got := k.leading()
	for i, line := range got {
		f := strings.Fields(line)
		if theirs[f[0]] == "" && strings.HasPrefix(f[1], "+") {
			f[1] = "object"
		}
		got[i] = strings.Join(f, " ")
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("there is\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
