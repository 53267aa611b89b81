package sysctl

import "fmt"

// exclusive are keys of which writing one resets the other.
var exclusive = [][2]key{
	{"vm/overcommit_ratio", "vm/overcommit_kbytes"},
	{"vm/dirty_ratio", "vm/dirty_bytes"},
	{"vm/dirty_background_ratio", "vm/dirty_background_bytes"},
}

// These are one switch.
const (
	ipForward     = key("net/ipv4/ip_forward")
	allForwarding = key("net/ipv4/conf/all/forwarding")
)

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
		twin := k.twin()
		if _, both := settings[twin]; both {
			return fmt.Errorf("sysctl: settings[%q]: is %q in another unit: give one of them", min(k, twin), max(k, twin))
		}
	}
	a, okA := settings[ipForward]
	b, okB := settings[allForwarding]
	if okA && okB && !a.is(b) {
		return fmt.Errorf("sysctl: settings[%q]: %q and settings[%q] %q are one switch: give both the same value, or one of them",
			allForwarding, b, ipForward, a)
	}
	return nil
}

// twin gives the key that is the same value in another unit; empty: there is none.
func (k key) twin() key {
	switch k.name() {
	case "retrans_time", "base_reachable_time", "gc_min_interval":
		return k + "_ms"
	case "retrans_time_ms", "base_reachable_time_ms", "gc_min_interval_ms":
		return k[:len(k)-len("_ms")]
	case "unres_qlen":
		return k + "_bytes"
	case "unres_qlen_bytes":
		return k[:len(k)-len("_bytes")]
	}
	return ""
}

// movers gives the keys that move k when they are written, without a word from the kernel about k: those of
// all and default move interfaces' keys, one key resets another, or is the same.
func (k key) movers() (movers []key) {
	if twin := k.twin(); twin != "" {
		movers = append(movers, twin)
	}
	if _, dir := k.device(); dir != "" {
		group, rest := key(parent(dir)), k[len(dir):]
		return append(movers, group+"/all"+rest, group+"/default"+rest)
	}
	for _, pair := range append(exclusive[:len(exclusive):len(exclusive)], [2]key{ipForward, allForwarding}) {
		switch k {
		case pair[0]:
			return append(movers, pair[1])
		case pair[1]:
			return append(movers, pair[0])
		}
	}
	return movers
}
