package rtnl

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCollection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.SliceOfN(rapid.IntRange(0, 2), 0, 4)
		last, want := few.Draw(t, "last"), few.Draw(t, "want")
		before := slices.Clone(last)
		c := collection[int]{last: last}
		for _, v := range want {
			c.add(v)
		}
		got := c.list()
		if !slices.Equal(got, want) {
			t.Errorf("%v, not %v", got, want)
		}
		if shared := sameSlice(got, last); shared != slices.Equal(want, last) && len(want) > 0 {
			t.Errorf("shared: %v", shared)
		}
		if _ = append(got, 7); !slices.Equal(last, before) {
			t.Errorf("the last list was written to: %v", last)
		}
	})
}
