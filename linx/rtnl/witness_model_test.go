package rtnl

import (
	"context"
	"encoding/json"
	"errors"
	stdflag "flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestWitness: whatever is desired, whatever others have and do, after each pass the namespace holds what is
// desired and what is others', exactly, as ip(8) sees it. Many cases: -rapid.checks 5000.
func TestWitness(t *testing.T) {
	wishes := pool()
	learn(newWitness(t, testns.New(t)), wishes)
	fewChecks(t, 20)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		for _, s := range rapid.SliceOfN(drawStep(wishes), 1, 8).Draw(t, "steps") {
			w.step(s)
		}
		w.step(step{desired: []*wish{}})
	})
}

// fewChecks has rapid try n cases, unless the command line says how many.
func fewChecks(t *testing.T, n int) {
	const name = "rapid.checks"
	said := false
	stdflag.Visit(func(f *stdflag.Flag) { said = said || f.Name == name })
	if said {
		return
	}
	checks := stdflag.Lookup(name).Value
	before := checks.String()
	t.Cleanup(func() { checks.Set(before) })
	checks.Set(fmt.Sprint(n))
}

// learn gets to know all wishes, those that need an interface last.
func learn(w witness, wishes []*wish) {
	furnish(w)
	links := slices.IndexFunc(wishes, func(w *wish) bool { return !strings.HasPrefix(w.words, "link ") })
	know(w, wishes[:links])
	w.batch(wishes[0].command("add"))
	know(w, wishes[links:])
}

// know has ip(8) make each wish alone, to see how it shows that.
func know(w witness, wishes []*wish) {
	base := w.look()
	for family, six := range map[string]bool{"-4": false, "-6": true} {
		var commands []string
		for _, wish := range wishes {
			if wish.v6 == six {
				commands = append(commands, strings.TrimPrefix(wish.command("add"), "-6 "))
				for _, s := range sightsOf(family) {
					commands = append(commands, s.command)
				}
				commands = append(commands, strings.TrimPrefix(wish.command("del"), "-6 "))
			}
		}
		out, err := w.ip(commands, family, "-json", "-details")
		if err != nil {
			panic(err)
		}
		dump := json.NewDecoder(strings.NewReader(out))
		for _, wish := range wishes {
			if wish.v6 != six {
				continue
			}
			var things []thing
			for _, s := range sightsOf(family) {
				things = append(things, s.read(dump, family)...)
			}
			things = slices.DeleteFunc(things, func(t thing) bool { return slices.Contains(base, t) })
			if len(things) != 1 {
				panic(fmt.Sprintf("%s makes %v", wish.words, things))
			}
			wish.thing = things[0]
		}
	}
}

// furnish makes what is there all the time.
func furnish(w witness) {
	w.Veth("v0", "v1")
	w.Do(func() {
		for _, key := range []string{"ipv6/conf/v0/accept_dad", "ipv6/conf/v1/accept_dad"} {
			if err := os.WriteFile("/proc/sys/net/"+key, []byte("0"), 0o644); err != nil {
				panic(err)
			}
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/promote_secondaries", []byte("1"), 0o644); err != nil {
			panic(err)
		}
	})
	w.batch(anchors...)
}

// step is what happens between two looks.
type step struct {
	drift   []deed
	flap    bool    // v1 goes down and up
	desired []*wish // nil: as before
	restart bool    // the source is made anew, and knows what a record in JSON says
	forget  bool    // not even that
	policy  ConflictPolicy
}

// deed is what another does.
type deed struct {
	verb string
	*wish
	tag string // behind the words
}

func (d deed) String() string {
	command := d.command(d.verb)
	if d.tag == " stale" {
		return strings.Replace(command, "nud permanent", "nud stale", 1)
	}
	command, ways, several := strings.Cut(command, " nexthop")
	if command += d.tag; several {
		command += " nexthop" + ways // at the end, or ip(8) is confused
	}
	return command
}

func (s step) GoString() string {
	var b strings.Builder
	for _, d := range s.drift {
		fmt.Fprintf(&b, "\n\tip %v", d)
	}
	if s.flap {
		b.WriteString("\n\tflap")
	}
	if s.restart {
		fmt.Fprintf(&b, "\n\trestart with policy %d, forget: %v", s.policy, s.forget)
	}
	if s.desired != nil {
		b.WriteString("\n\tdesired:")
		for _, w := range s.desired {
			b.WriteString("\n\t\t" + w.words)
		}
	}
	return b.String()
}

var verbs = map[string][]string{
	"link":     {"add", "set", "del"},
	"address":  {"add", "add", "replace", "del"},
	"route":    {"add", "append", "replace", "del"},
	"neighbor": {"add", "replace", "del"},
	"rule":     {"add", "add", "del"},
}

func drawStep(wishes []*wish) *rapid.Generator[step] {
	kinds := rapid.SampledFrom([]string{"link", "link", "address", "address", "address", "neighbor", "neighbor", "rule",
		"route", "route", "route", "route", "route", "route"})
	wishFor := rapid.Custom(func(t *rapid.T) *wish {
		kind := kinds.Draw(t, "kind")
		return rapid.SampledFrom(slices.DeleteFunc(slices.Clone(wishes), func(w *wish) bool {
			return w.kind != kind
		})).Draw(t, kind)
	})
	deeds := rapid.Custom(func(t *rapid.T) deed {
		w := wishFor.Draw(t, "object")
		d := deed{wish: w, verb: rapid.SampledFrom(verbs[w.kind]).Draw(t, "verb")}
		switch {
		case w.v6 && d.verb == "append":
			d.verb = "add" // not to merge
		case w.kind == "neighbor":
			if rapid.Bool().Draw(t, "learned") {
				d.tag = " stale"
			}
		case w.kind == "link":
		case w.kind != "address" && d.verb != "del" || rapid.Bool().Draw(t, "any"):
			if w.kind != "address" {
				d.tag = rapid.SampledFrom([]string{" proto static", " proto bird"}).Draw(t, "protocol")
			}
		}
		return d
	})
	desired := rapid.SliceOfNDistinct(wishFor, 0, 12, (*wish).identity)
	return rapid.Custom(func(t *rapid.T) step {
		s := step{
			drift: rapid.SliceOfN(deeds, 0, 8).Draw(t, "drift"),
			flap:  rapid.IntRange(0, 9).Draw(t, "flap") == 9,
		}
		if rapid.Bool().Draw(t, "new desired") {
			s.desired = append([]*wish{}, desired.Draw(t, "desired")...)
		}
		if s.restart = rapid.IntRange(0, 2).Draw(t, "restart") == 2; s.restart {
			s.policy = rapid.SampledFrom([]ConflictPolicy{Refuse, Adopt, TakeOver, TakeOver}).Draw(t, "policy")
			s.forget = rapid.IntRange(0, 3).Draw(t, "forget") == 3
		}
		return s
	})
}

// world is a namespace with a source, and what must be there.
type world struct {
	witness
	t       *rapid.T
	src     *Source
	clock   time.Time
	last    LastApplied
	policy  ConflictPolicy
	desired []*wish
	state   State
	mine    map[string]string // what is ours and shows no protocol: by place, how we made it
}

func newWorld(t *rapid.T) *world {
	n, err := testns.Open()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{witness: witness{n}, t: t, clock: time.Now(), mine: make(map[string]string)}
	furnish(w.witness)
	w.start(Refuse)
	return w
}

func (w *world) start(policy ConflictPolicy) {
	w.policy = policy
	w.src = New(w.Namespace(), Options{Conflict: policy})
	w.src.now = func() time.Time { return w.clock }
}

func (w *world) close() {
	w.src.Close()
	w.Net.Close()
}

func (w *world) step(s step) {
	w.clock = w.clock.Add(time.Hour) // nobody fights for so long
	w.drift(s)
	if s.restart {
		w.restart(s)
	}
	if s.desired != nil {
		w.desired, w.state = s.desired, State{}
		for _, wish := range w.desired {
			wish.put(&w.state)
		}
	}
	seen := w.look()
	w.disown(seen)
	want, conflicts, waiting := w.predict(seen)
	report := w.pass()
	got := w.look()
	if diff := differ(want, got); diff != "" {
		w.t.Fatalf("%s\nbefore:%s\nreport: %s", diff, list(seen), show(report))
	}
	for _, f := range report.Failed {
		if c := (*ConflictError)(nil); !errors.As(f.Err, &c) {
			w.t.Fatalf("no conflict: %v", f)
		}
	}
	if len(report.Failed) != conflicts || len(report.Pending) != waiting || report.Converged != (conflicts+waiting == 0) {
		w.t.Fatalf("not %d conflicts, %d waiting\nbefore:%s\nreport: %s", conflicts, waiting, list(seen), show(report))
	}
	if again := w.pass(); len(again.Applied) > 0 || again.Converged != report.Converged {
		w.t.Fatalf("not settled: %s\nafter: %s", show(again), show(report))
	}
}

func list(things []thing) string {
	var b strings.Builder
	for _, t := range things {
		fmt.Fprintf(&b, "\n\t%v", t)
	}
	return b.String()
}

// drift is what others do.
func (w *world) drift(s step) {
	var commands []string
	for _, d := range s.drift {
		commands = append(commands, d.String())
	}
	if s.flap {
		commands = append(commands, "link set v1 down", "link set v1 up")
		commands = append(commands, anchors...)
	}
	if len(commands) > 0 {
		_ = w.try(commands...) // much of it cannot be done
	}
	for _, d := range s.drift {
		switch {
		case d.kind == "address" && d.verb == "replace", // which takes the mark away
			d.kind == "address" && d.verb == "del" && deletes(d.line, w.mine[d.place]),
			(d.kind == "neighbor" || d.kind == "link") && d.verb == "del":
			delete(w.mine, d.place)
		}
	}
}

func (w *world) restart(s step) {
	data, err := json.Marshal(w.last)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last = LastApplied{}
	if s.forget {
		for place := range w.mine {
			if strings.HasPrefix(place, "neighbor") || strings.HasPrefix(place, "link") {
				delete(w.mine, place)
			}
		}
	} else if err := json.Unmarshal(data, &w.last); err != nil {
		w.t.Fatal(err)
	}
	w.src.Close()
	w.start(s.policy)
}

// pass runs passes until nothing waits, as addresses do for a moment.
func (w *world) pass() Report {
	deadline := time.Now().Add(20 * time.Second)
	for {
		report, err := w.src.Reconcile(context.Background(), w.state, w.last, nil)
		w.last = report.LastApplied
		if err != nil {
			w.t.Fatal(err)
		}
		if !slices.ContainsFunc(report.Pending, func(f reconcile.Failure) bool { return !strings.Contains(f.Err.Error(), "does not exist") }) {
			return report
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("it waits: %s", show(report))
		}
	}
}

// disown forgets what has gone.
func (w *world) disown(seen []thing) {
	for place := range w.mine {
		if !slices.ContainsFunc(seen, func(t thing) bool { return t.place == place }) {
			delete(w.mine, place)
		}
	}
}

const ourTag = "76" // DefaultProtocol

// predict says what must be there after a pass, and remembers what will be ours.
func (w *world) predict(seen []thing) (after []thing, conflicts, waiting int) {
	stays, exists := w.predictExtra(seen)
	last := slices.ContainsFunc(seen, func(t thing) bool { // with an interface's last address go all routes over it
		return t.kind == "address" && t.dev() == extra && w.owns(t) &&
			!slices.ContainsFunc(w.desired, func(d *wish) bool { return d.place == t.place })
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
	for _, list := range there {
		after = append(after, slices.DeleteFunc(list, func(t thing) bool {
			return w.owns(t) && (t.kind != "neighbor" || w.mine[t.place] == t.line)
		})...)
	}
	w.mine = mine
	return after, conflicts, waiting
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
