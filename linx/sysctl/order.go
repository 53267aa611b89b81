package sysctl

import (
	"cmp"
	"strings"
)

// compareKeys orders writes so that none undoes an earlier one: what moves other keys comes before what it
// moves. net.ipv4.ip_forward moves every forwarding, conf.all many of the interfaces', conf.default those
// of interfaces to come. Among an interface's IPv6 keys, disable_ipv6 is first, as turning IPv6 on sets it
// up afresh, and then forwarding, which resets others. What is alike goes by name.
func compareKeys(a, b key) int {
	return cmp.Or(
		cmp.Compare(generality(a), generality(b)),
		strings.Compare(a.directory(), b.directory()),
		cmp.Compare(urgency(a), urgency(b)),
		strings.Compare(string(a), string(b)),
	)
}

func generality(k key) int {
	if k == ipForward {
		return 0
	}
	parts := k.parts()
	if len(parts) < 5 || parts[0] != "net" || parts[2] != "conf" && parts[2] != "neigh" {
		return 1
	}
	switch parts[3] {
	case "all":
		return 2
	case "default":
		return 3
	default:
		return 4
	}
}

func urgency(k key) int {
	switch k.name() {
	case "disable_ipv6":
		return 0
	case "forwarding":
		return 1
	default:
		return 2
	}
}
