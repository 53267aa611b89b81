package sysctl

import "errors"

// checkState refuses keys that have no state to be kept: writing one sets something off, or the kernel
// changes it all the time. Write takes them, if somebody wants just that.
//
// The list: vm.drop_caches, vm.compact_memory, vm.stat_refresh, net.ipv4.route.flush, net.ipv6.route.flush,
// kernel.ns_last_pid. doc.go repeats it.
func checkState(k key) error {
	switch k {
	case "vm/drop_caches", "vm/compact_memory", "vm/stat_refresh", "net/ipv4/route/flush", "net/ipv6/route/flush":
		return errors.New("sets something off and holds no state that could be kept: call Write when it is to happen")
	case "kernel/ns_last_pid":
		return errors.New("changes with every process: there is no state that could be kept; call Write when it is to be set")
	}
	return nil
}
