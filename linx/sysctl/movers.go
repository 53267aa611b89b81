package sysctl

import "strings"

// movers gives the keys that move k when they are written, without a word from the kernel about k: those of all and default
// move interfaces' keys, and one key may be another in a different unit.
func movers(k key) []key {
	if _, dir := k.device(); dir != "" {
		name := k[len(dir)+1:]
		group := key(parent(dir))
		if strings.HasSuffix(string(group), "/neigh") {
			return append(twins(k), group+"/default/"+name)
		}
		return append(twins(k), group+"/all/"+name, group+"/default/"+name)
	}
	if k == "net/ipv4/conf/all/forwarding" {
		return []key{"net/ipv4/ip_forward"}
	}
	if k == "net/ipv4/ip_forward" {
		return []key{"net/ipv4/conf/all/forwarding"}
	}
	for _, pair := range exclusive {
		switch k {
		case pair[0]:
			return []key{pair[1]}
		case pair[1]:
			return []key{pair[0]}
		}
	}
	return twins(k)
}

// twins gives the same value's keys in other units.
func twins(k key) []key {
	for _, unit := range []string{"_ms", "_bytes"} {
		if plain, ok := strings.CutSuffix(string(k), unit); ok {
			return []key{key(plain)}
		}
	}
	switch name := string(k[strings.LastIndexByte(string(k), '/')+1:]); name {
	case "retrans_time", "base_reachable_time", "gc_min_interval":
		return []key{k + "_ms"}
	case "unres_qlen":
		return []key{k + "_bytes"}
	}
	return nil
}
