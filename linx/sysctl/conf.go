package sysctl

import (
	"errors"
	"fmt"
	"strings"
)

// ParseConf reads the text of sysctl.d(5) files into Settings: lines "key = value", patterns, and
// exclusions ("-key"); lines that are empty, or begin with # or ;, say nothing. Join the texts of several
// files in the order of their precedence, the weakest first: of several lines for one key the last one
// counts.
//
// A minus sign before an assignment, which lets sysctl(8) pass over errors, says nothing either: no failing
// key holds up others here. In one respect order matters in files and not in Settings: a later pattern goes
// before an earlier one that matches the same keys, even if that is the more specific one. Such a line is
// refused.
//
// Errors name the line. Whether keys are to be had in a namespace, New says.
func ParseConf(text string) (Settings, error) {
	lines := map[key]int{} // which has the setting
	w := &wishes{}
	settings := Settings{}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		k, name, value, err := parseLine(line)
		if err == nil {
			err = w.checkOrder(k, value, lines)
		}
		if err != nil {
			return nil, fmt.Errorf("sysctl: line %d: %w", number, err)
		}
		// In the one form, so that what is given twice, or excluded first and assigned then, is there once.
		delete(settings, k.String())
		delete(settings, "-"+k.String())
		settings[name] = value
		lines[k] = number
	}
	return settings, nil
}

// parseLine reads an assignment or an exclusion.
func parseLine(line string) (k key, name string, value Value, err error) {
	name, text, assigns := strings.Cut(line, "=")
	name, minus := strings.CutPrefix(name, "-")
	name = strings.TrimSpace(name)
	if k, err = parseKey(name); err == nil {
		err = k.checkDevice()
	}
	if err != nil {
		return k, "", "", fmt.Errorf("key %q: %w", name, err)
	}
	switch {
	case !assigns && !minus:
		return k, "", "", fmt.Errorf("%q is neither key = value nor -key", line)
	case !assigns && k.isPattern():
		return k, "", "", errors.New("excludes a pattern: exclude keys by their names")
	case !assigns:
		return k, "-" + k.String(), "", nil
	}
	if k.isPattern() {
		if err := k.checkPattern(); err != nil {
			return k, "", "", fmt.Errorf("key %q: %w", name, err)
		}
	}
	value = Value(strings.TrimSpace(text))
	if err := value.check(); err != nil {
		return k, "", "", fmt.Errorf("key %q: value %w", name, err)
	}
	return k, k.String(), value, nil
}

// checkOrder refuses a pattern that goes before an earlier, more specific one, and remembers it.
func (w *wishes) checkOrder(k key, value Value, lines map[key]int) error {
	if !k.isPattern() {
		return nil
	}
	p := pattern{k, value}
	rest := w.patterns[:0]
	for _, q := range w.patterns {
		if q.glob == k {
			continue // the same one, given again
		}
		if q.specific() >= p.specific() && p.overlaps(q) && !p.value.is(q.value) {
			return fmt.Errorf("pattern %q may match a key that %q of line %d matches, which is as specific or more: "+
				"put it before that line, or give such keys by name", k, q.glob, lines[q.glob])
		}
		rest = append(rest, q)
	}
	w.patterns = append(rest, p)
	return nil
}
