package rtnl

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
)

// TestWitness: whatever is desired, whatever others have and do, after each pass the namespace holds what is
// desired and what is others', exactly, as ip(8) sees it. Many cases: -rapid.checks 5000.
func TestWitness(t *testing.T) {
	wishes := pool()
	learn(newWitness(t, testns.New(t)), wishes)
	fewChecks(t, 12)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		for _, s := range rapid.SliceOfN(drawStep(wishes), 1, 8).Draw(t, "steps") {
			w.step(s)
		}
		w.step(step{desired: []*wish{}})
	})
}

const ourTag = "76" // DefaultProtocol

// predict says what must be there after a pass, and remembers what will be ours.
func (w *world) predict(seen []thing) (after []thing, conflicts, waiting int) {
	stays, exists := w.predictExtra(seen)
	// With an interface's last address go all routes over it.
	last := slices.ContainsFunc(seen, func(t thing) bool {
		return t.kind == "address" && t.dev() == extra && w.owns(t) && !w.wants(t.place)
	})
	there := make(map[string][]thing)
	for _, t := range seen {
		if t.kind == "link" || t.dev() != extra || stays && !(last && t.kind == "route") {
			there[t.place] = append(there[t.place], t)
		}
	}
	mine := make(map[string]string)
	for _, d := range w.desired {
		if d.dev() == extra && !exists {
			waiting++
			continue
		}
		others, ours, conflict := w.settle(d.thing, there[d.place])
		after = append(after, others...)
		if ours {
			mine[d.place] = d.line
			d := d.thing
			if d.owner = ourTag; d.kind == "address" || d.kind == "link" {
				d.owner = "<nil>" // not shown
			}
			after = append(after, d)
		}
		if conflict {
			conflicts++
		}
		delete(there, d.place)
	}
	kept := w.kept(seen)
	for _, list := range there {
		for _, t := range list {
			switch goes := w.owns(t) && (t.kind != "neighbor" || w.mine[t.place] == t.line); {
			case goes && kept[t.place]:
				mine[t.place] = t.line
				conflicts++
			case goes:
				continue
			}
			after = append(after, t)
		}
	}
	w.mine = mine
	return after, conflicts, waiting
}

// kept are the places of IPv4 addresses that cannot be deleted, as others' would fall with them: the first of
// its network is the primary one.
func (w *world) kept(seen []thing) map[string]bool {
	kept := make(map[string]bool)
	primary := make(map[string]string)
	for _, t := range seen {
		if w.promotes || t.kind != "address" || !strings.HasPrefix(t.line, "-4") {
			continue
		}
		a := parse(t.line)
		network := netip.PrefixFrom(ipa(fmt.Sprint(cmp.Or(a["address"], a["local"]))), int(a["prefixlen"].(float64))).Masked()
		key := fmt.Sprint(a["dev"], network)
		if _, there := primary[key]; !there {
			primary[key] = t.place
		} else if adopted := w.policy != Refuse && w.wants(t.place); !w.owns(t) && !adopted {
			kept[primary[key]] = true
		}
	}
	return kept
}

func (w *world) wants(place string) bool {
	return slices.ContainsFunc(w.desired, func(d *wish) bool { return d.place == place })
}

// predictExtra says whether the interface that comes and goes stays as it is, with all that is on it, and
// whether there is one afterwards.
func (w *world) predictExtra(seen []thing) (stays, exists bool) {
	there := slices.DeleteFunc(slices.Clone(seen), func(t thing) bool { return t.kind != "link" || parse(t.line)["ifname"] != extra })
	desired := slices.IndexFunc(w.desired, func(d *wish) bool { return d.kind == "link" })
	switch {
	case len(there) == 0:
		return false, desired >= 0
	case desired < 0:
		return !w.owns(there[0]), !w.owns(there[0])
	}
	d := w.desired[desired].thing
	_, ours, _ := w.settle(d, there)
	return !ours || linkKind(d) == linkKind(there[0]), true
}

func linkKind(t thing) any {
	info, _ := parse(t.line)["linkinfo"].(map[string]any)
	return info["info_kind"]
}

// dev is the interface that an object is on.
func (t thing) dev() string {
	if t.kind != "address" && t.kind != "route" {
		return ""
	}
	return fmt.Sprint(parse(t.line)["dev"])
}

// owns says whether an object is ours.
func (w *world) owns(t thing) bool {
	if t.kind == "route" || t.kind == "rule" {
		return t.owner == ourTag
	}
	_, mine := w.mine[t.place]
	return mine
}

// settle gives what of others is in a place once d is desired there, and whether ours is.
func (w *world) settle(d thing, there []thing) (others []thing, ours, conflict bool) {
	satisfied, adopted := false, -1
	for _, t := range there {
		switch {
		case !w.owns(t):
			if right(t, d) {
				satisfied = true
				if adopted < 0 && !slices.ContainsFunc(others, func(o thing) bool { return hides(o, t) }) {
					adopted = len(others)
				}
			}
			others = append(others, t)
		case t.line == d.line, d.kind != "route":
			return without(there, w.owns), true, false
		default:
			ours = true // not as desired yet
		}
	}
	switch {
	case d.kind == "rule":
		return others, true, false // which are never in the way
	case satisfied && (w.policy == Refuse || adopted < 0):
		return others, false, false
	case satisfied:
		return slices.Delete(others, adopted, adopted+1), true, false
	case ours, len(others) == 0:
		return others, true, false
	case w.policy == TakeOver, learned(others[0]) && strings.Contains(d.line, "PERMANENT"):
		return nil, true, false
	}
	return others, false, true
}

// right says that another's is as desired. An address that it will not prefer for as long is.
func right(t, d thing) bool {
	return t.line == d.line ||
		t.kind == "address" && d.line == strings.NewReplacer(`"deprecated":true,`, "", `"preferred_life_time":0,`, "").Replace(t.line)
}

func learned(t thing) bool { return strings.Contains(t.line, "STALE") }
