package sysctl

import (
	"golang.org/x/sys/unix"
)

// glances are what a whole pass leaves behind for the next one: for each name that was desired, how to look
// at it. They make a pass that finds everything in place cost little more than its system calls: nothing is
// parsed, nothing indexed. Whatever is not just as it was is left to a whole pass, which looks at
// everything anew.
type glances map[string]glance

type glance struct {
	dots string // the key in the form that LastApplied has
	fd   int    // kept open
}

// glanceSize is what a glance reads; the kernel allocates and clears as much for each. A longer value is no
// steady one.
const glanceSize = 128

// glances gives those of a pass that has converged; none where a key is not kept open.
func (t *procfs) glances(desired Settings) glances {
	g := make(glances, len(desired))
	for name := range desired {
		k, err := parseKey(name)
		fd, kept := t.kept[k]
		if err != nil || !kept {
			return nil
		}
		g[name] = glance{k.String(), fd}
	}
	return g
}

// steady tells whether everything is in place: it owns what is desired and nothing else, and each key holds
// what was applied.
func (t *procfs) steady(desired Settings, last LastApplied) bool {
	if len(t.seen) != len(desired) || len(last.Keys) != len(desired) || last.Namespace != t.handle.ID() {
		return false
	}
	buf := t.buf[:glanceSize]
	for name, want := range desired {
		glance, known := t.seen[name]
		owned, mine := last.Keys[glance.dots]
		if !known || !mine || owned.Claimed || owned.Applied != want {
			return false
		}
		n, err := unix.Pread(glance.fd, buf, 0)
		if err != nil || n == len(buf) || !owned.shows(buf[:n]) {
			return false
		}
	}
	return true
}

// shows is holds of what was read, and allocates nothing where it is the form that is expected.
func (o Owned) shows(text []byte) bool {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	return string(text) == string(o.Applied) ||
		o.ReadBack != "" && string(text) == string(o.ReadBack) ||
		o.holds(Value(text))
}
