package sysctl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/linx-go/linx-go/linx"
)

// Settings is a desired state: keys, in either form of sysctl(8) ("net.ipv4.ip_forward",
// "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"), and the value that each is to
// hold. nil desires nothing.
//
// As in sysctl.d(5), a key may be a pattern, "net.ipv4.conf.*.rp_filter", which stands for all keys that
// there are, at each pass; *, ? and [a-z] match within one part of the name. It does not stand for keys
// that are given themselves, nor for those that are excluded, by a minus sign and no value:
// "-net.ipv4.conf.eth0.rp_filter": "". Where several patterns match a key, the one with the most characters
// that are no wildcards counts; two that have as many, different values, and might match one key are
// refused.
type Settings map[string]Value

// wishes are settings as passes work with them.
type wishes struct {
	exact    map[key]Value
	excluded map[key]bool
	patterns []pattern // the most specific first
}

// compile checks settings for a namespace. The error is about the first that is at fault, in the order of
// their names.
func (s Settings) compile(ns linx.Namespace) (*wishes, error) {
	w := &wishes{exact: make(map[key]Value, len(s)), excluded: map[key]bool{}}
	names := make(map[key]string, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		k, err := w.add(ns, name, s[name])
		if err != nil {
			return nil, fmt.Errorf("sysctl: settings[%q]: %w", name, err)
		}
		if first, twice := names[k]; twice {
			return nil, fmt.Errorf("sysctl: settings[%q]: is the same key as %q: give it once", name, first)
		}
		names[k] = name
	}
	if err := w.sortPatterns(); err != nil {
		return nil, err
	}
	return w, checkPairs(w.exact)
}

// add checks one setting and adds it.
func (w *wishes) add(ns linx.Namespace, name string, value Value) (key, error) {
	name, excluded := strings.CutPrefix(name, "-")
	k, err := parseKey(name)
	if err == nil {
		err = k.checkDevice()
	}
	if err != nil {
		return k, err
	}
	switch {
	case excluded && value != "":
		return k, fmt.Errorf("has the value %q, and a minus sign, which excludes the key: leave out one of them", value)
	case excluded && k.isPattern():
		return k, errors.New("excludes a pattern: exclude keys by their names")
	case excluded:
		w.excluded[k] = true
		return k, nil
	}
	if err := checkDomain(ns, k); err != nil {
		return k, err
	}
	if err := value.check(); err != nil {
		return k, fmt.Errorf("value %w", err)
	}
	if k.isPattern() {
		w.patterns = append(w.patterns, pattern{k, value})
		return k, k.checkPattern()
	}
	w.exact[k] = value
	return k, checkState(k)
}
