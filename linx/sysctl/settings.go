package sysctl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/linx-go/linx-go/linx"
)

// Settings is a desired state: keys, in either form of sysctl(8) ("net.ipv4.ip_forward",
// "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"), and the value that each is to hold.
// nil desires nothing.
type Settings map[string]Value

// compile checks settings for a namespace, and gives them by key. The first fault, in the order of the names, is the error.
func (s Settings) compile(ns linx.Namespace) (map[key]Value, error) {
	compiled := make(map[key]Value, len(s))
	for name, value := range s {
		k, err := parseKey(name)
		if err == nil {
			err = checkEntry(ns, k, value)
		}
		if _, twice := compiled[k]; err != nil || twice {
			return nil, s.fault(ns)
		}
		compiled[k] = value
	}
	if err := checkPairs(compiled); err != nil {
		return nil, err
	}
	return compiled, nil
}

func checkEntry(ns linx.Namespace, k key, value Value) error {
	if err := checkDomain(ns, k); err != nil {
		return err
	}
	if err := checkState(k); err != nil {
		return err
	}
	if err := value.check(); err != nil {
		return fmt.Errorf("value %w", err)
	}
	return nil
}

// fault finds the first fault of settings that have one, so that it is the same one each time.
func (s Settings) fault(ns linx.Namespace) error {
	names := map[key]string{}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		k, err := parseKey(name)
		if err == nil {
			err = checkEntry(ns, k, s[name])
		}
		if err != nil {
			return fmt.Errorf("sysctl: settings[%q]: %w", name, err)
		}
		if first, twice := names[k]; twice {
			return fmt.Errorf("sysctl: settings[%q]: is the same key as %q: give it once", name, first)
		}
		names[k] = name
	}
	return nil
}

// exclusive are keys of which writing one resets the other.
var exclusive = [][2]key{
	{"vm/overcommit_ratio", "vm/overcommit_kbytes"},
	{"vm/dirty_ratio", "vm/dirty_bytes"},
	{"vm/dirty_background_ratio", "vm/dirty_background_bytes"},
}

// checkPairs refuses settings of which one would undo the other for ever.
func checkPairs(settings map[key]Value) error {
	for _, pair := range exclusive {
		_, a := settings[pair[0]]
		_, b := settings[pair[1]]
		if a && b {
			return fmt.Errorf("sysctl: settings[%q]: writing it resets %q: give one of them", pair[0], pair[1])
		}
	}
	for k := range settings {
		for _, unit := range []key{"_ms", "_bytes"} {
			if _, both := settings[k+unit]; both {
				return fmt.Errorf("sysctl: settings[%q]: is %q in another unit: give one of them", k, k+unit)
			}
		}
	}
	const forward, all = key("net/ipv4/ip_forward"), key("net/ipv4/conf/all/forwarding")
	a, okA := settings[forward]
	b, okB := settings[all]
	if okA && okB && !a.is(b) {
		return fmt.Errorf("sysctl: settings[%q]: %q and settings[%q] %q are one switch: give both the same value, or one of them",
			all, b, forward, a)
	}
	return nil
}
