package rtnl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// linkWorld is a random configuration, and what others have: what the kernel is to hold.
type linkWorld struct {
	random  *rand.Rand
	desired []Link
	foreign []string          // interfaces of others, in the words of ipLinkWords
	base    map[string]string // v0's attributes as others have them
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// desire draws another state. Of links of its own all that ip(8) shows is asked for; of v0, anything.
func (w *linkWorld) desire() {
	w.desired = nil
	own := func(l Link) {
		l.MTU, l.Admin, l.Alias = pick[uint32](w.random, 1300, 1400), pick(w.random, Up, Down), pick(w.random, "a", "b")
		if w.random.IntN(2) == 0 {
			l.AltNames = []string{"alt" + l.Name}
		}
		w.desired = append(w.desired, l)
	}
	for _, name := range []string{"br0", "br1"} {
		if w.random.IntN(3) > 0 {
			own(Link{Name: name, Kind: pick(w.random, KindBridge, KindBridge, KindIFB), Recreate: true})
		}
	}
	masters := []string{NoMaster}
	for _, l := range w.desired {
		if l.Kind == KindBridge {
			masters = append(masters, l.Name)
		}
	}
	if w.random.IntN(3) > 0 {
		l := veth("p0", "p1")
		l.Master = pick(w.random, masters...)
		own(l)
		own(Link{Name: "p1", Master: pick(w.random, masters...)})
	}
	if w.random.IntN(3) > 0 {
		l := Link{Name: "v0", MTU: pick[uint32](w.random, 0, 1200), Alias: pick(w.random, "", "ours"), Group: pick[uint32](w.random, 0, 7)}
		l.Master = pick(w.random, append(masters, "")...)
		w.desired = append(w.desired, l)
	}
	w.random.Shuffle(len(w.desired), func(i, j int) { w.desired[i], w.desired[j] = w.desired[j], w.desired[i] })
}

// drift lets others do something.
func (w *linkWorld) drift(k *kernel) {
	asks := func(f func(*Link) bool) bool {
		return slices.ContainsFunc(w.desired, func(l Link) bool { return l.Name == "v0" && f(&l) })
	}
	switch what := w.random.IntN(5); {
	case what == 0:
		name := fmt.Sprintf("f%d", w.random.IntN(1_000_000))
		k.run("link add " + name + " type ifb")
		w.foreign = append(w.foreign, name+" type ifb")
	case what == 1 && len(w.foreign) > 0:
		name, _, _ := strings.Cut(w.foreign[0], " ")
		k.run("link del " + name)
		w.foreign = w.foreign[1:]
	case what == 2:
		k.run("link set v0 mtu 1100")
		if !asks(func(l *Link) bool { return l.MTU != 0 }) {
			w.base["mtu"] = "1100"
		}
	case len(w.desired) > 0:
		if l := pick(w.random, w.desired...); l.Kind == KindBridge || l.Kind == KindIFB {
			if what == 3 {
				k.run("link del " + l.Name)
			} else {
				k.run("link set " + l.Name + " alias theirs name x" + l.Name)
			}
		} else if l.Kind == KindVeth {
			k.run("link set " + l.Name + " nomaster alias theirs mtu 1250")
		}
	}
}

// want gives what is to be there, v0 included.
func (w *linkWorld) want() []string {
	out := slices.Clone(w.foreign)
	v0 := Link{Name: "v0", Kind: KindVeth}
	for _, l := range w.desired {
		switch l.Name {
		case "v0":
			v0 = l
			v0.Kind = KindVeth
		case "p1":
			l.Kind = KindVeth
			fallthrough
		default:
			out = append(out, linkWords(l, nil))
		}
	}
	v0.Admin = Up
	out = append(out, linkWords(v0, w.base))
	slices.Sort(out)
	return out
}

// linkWords says of a link what ipLinkWords does.
func linkWords(l Link, base map[string]string) string {
	s := l.Name
	word := func(name, value string) {
		if value == "" {
			value = base[name]
		}
		if value != "" && value != NoMaster {
			s += " " + name + " " + value
		}
	}
	word("mtu", number(l.MTU))
	word("group", number(l.Group))
	word("ifalias", l.Alias)
	word("master", l.Master)
	if l.Admin == Up {
		s += " up"
	}
	if len(l.AltNames) > 0 {
		s += fmt.Sprint(" altnames ", l.AltNames)
	}
	return s + " type " + string(l.Kind)
}

// TestLinksRandom: after each pass, whatever was desired before and whatever others did, there is what is
// desired and what others have, and nothing else, as ip(8) sees it.
func TestLinksRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	w := &linkWorld{random: rand.New(rand.NewPCG(seed, 0)), base: map[string]string{}}
	k := newKernel(t, Options{})
	check := func() {
		t.Helper()
		k.converge(State{Links: w.desired})
		got := append(k.ipLinks(), k.ipLink("v0"))
		slices.Sort(got)
		if want := w.want(); !slices.Equal(got, want) {
			t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	for range 8 {
		w.desire()
		check()
		for range w.random.IntN(3) {
			w.drift(k)
			check() // before another state: what was renamed and is not desired any more is the other's
		}
		if w.random.IntN(3) == 0 {
			k.restart()
		}
	}
	w.desired = nil
	check()
	if len(k.last.links)+len(k.last.adjusted) != 0 {
		t.Errorf("%+v", k.last)
	}
}
