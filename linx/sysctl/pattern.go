package sysctl

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/linx-go/linx-go/linx"
)

// pattern is a setting for all keys that match.
type pattern struct {
	glob  key
	value Value
}

func (k key) isPattern() bool { return isPattern(string(k)) }

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[\\") }

// checkPattern refuses what path.Match does not read, and what could be about another namespace than it
// looks.
func (k key) checkPattern() error {
	if _, err := path.Match(string(k), ""); err != nil {
		return errors.New("is no pattern: a [ lacks its ], or a \\ what follows it")
	}
	if top, _, _ := strings.Cut(string(k), "/"); isPattern(top) {
		return errors.New("has a wildcard in the first part of the name: give that part as it is, such as net")
	}
	return nil
}

func (k key) matches(glob key) bool {
	ok, _ := path.Match(string(glob), string(k))
	return ok
}

// specific counts the characters that are no wildcards.
func (p pattern) specific() int {
	n := 0
	inClass := false
	for _, c := range p.glob {
		switch {
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		case !inClass && c != '*' && c != '?':
			n++
		}
	}
	return n
}

// overlaps tells whether there might be a key that both match. It may say so where there is none.
func (p pattern) overlaps(q pattern) bool {
	a, b := p.glob.parts(), q.glob.parts()
	return slices.EqualFunc(a, b, func(a, b string) bool {
		switch wildA, wildB := isPattern(a), isPattern(b); {
		case wildA && wildB:
			return true
		case wildA:
			return key(b).matches(key(a))
		case wildB:
			return key(a).matches(key(b))
		default:
			return a == b
		}
	})
}

// sortPatterns puts the most specific first, and refuses those that cannot be put in an order.
func (w *wishes) sortPatterns() error {
	slices.SortFunc(w.patterns, func(a, b pattern) int {
		return cmp.Or(b.specific()-a.specific(), strings.Compare(string(a.glob), string(b.glob)))
	})
	for i, p := range w.patterns {
		for _, q := range w.patterns[:i] {
			if p.specific() == q.specific() && p.overlaps(q) && !p.value.is(q.value) {
				return fmt.Errorf("sysctl: settings[%q]: may match a key that %q matches, is as specific, "+
					"and has another value: give such keys by name", p.glob, q.glob)
			}
		}
	}
	return nil
}

// globs gives what is to be looked for.
func (w *wishes) globs() []key {
	globs := make([]key, len(w.patterns))
	for i, p := range w.patterns {
		globs[i] = p.glob
	}
	return globs
}

// expand gives all keys and their values, where those that match are found.
func (w *wishes) expand(ns linx.Namespace, found []key) map[key]Value {
	if len(w.patterns) == 0 {
		return w.exact
	}
	all := maps.Clone(w.exact)
	for _, k := range found {
		if _, given := w.exact[k]; given || w.excluded[k] || checkDomain(ns, k) != nil || checkState(k) != nil {
			continue
		}
		for _, p := range w.patterns {
			if k.matches(p.glob) {
				all[k] = p.value
				break
			}
		}
	}
	return all
}
