package rtnl

import (
	"iter"
	"slices"
)

// routeList is routes that are mostly those of another list, which it shares: that of the desired state. So
// to know what is ours costs what it differs by, and not what there is.
type routeList struct {
	all  []Route
	but  []int32 // positions in all that do not count, ascending
	more []Route
}

// each walks the routes, in place.
func (l *routeList) each() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		but := l.but
		for i := range l.all {
			if len(but) > 0 && int(but[0]) == i {
				but = but[1:]
			} else if !yield(&l.all[i]) {
				return
			}
		}
		for i := range l.more {
			if !yield(&l.more[i]) {
				return
			}
		}
	}
}

func (l *routeList) len() int { return len(l.all) - len(l.but) + len(l.more) }

// only says that the list has nothing but routes of all, at most.
func (l *routeList) only(all []Route) bool { return sameSlice(l.all, all) && len(l.more) == 0 }

// has says whether it has the route at that position of all.
func (l *routeList) has(position int32) bool {
	_, not := slices.BinarySearch(l.but, position)
	return !not
}
