package rtnl

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

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
