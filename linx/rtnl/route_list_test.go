package rtnl

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRouteList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		routes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Route { return Route{Metric: rapid.Uint32().Draw(t, "metric")} }), 0, 8)
		l := routeList{all: routes.Draw(t, "all"), more: routes.Draw(t, "more")}
		var want []uint32
		for i, r := range l.all {
			if rapid.Bool().Draw(t, "has") {
				want = append(want, r.Metric)
			} else {
				l.but = append(l.but, int32(i))
			}
		}
		for i := range l.all {
			if not := slices.Contains(l.but, int32(i)); l.has(int32(i)) == not {
				t.Errorf("has(%d) is %v", i, !not)
			}
		}
		for _, r := range l.more {
			want = append(want, r.Metric)
		}
		var got []uint32
		for r := range l.each() {
			got = append(got, r.Metric)
		}
		if !slices.Equal(got, want) || l.len() != len(want) {
			t.Errorf("%v, %d in number, not %v", got, l.len(), want)
		}
		for n := range want { // it may be left early
			for range l.each() {
				if n--; n < 0 {
					break
				}
			}
		}
	})
}
