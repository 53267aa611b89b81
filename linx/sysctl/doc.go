// Package sysctl holds kernel parameters, the files beneath /proc/sys, at desired values in one namespace.
//
// A Source does the holding, one pass at a time, or for as long as a program runs with a reconcile.Loop:
//
//	loop, err := reconcile.New(
//		sysctl.New(linx.PID(container), sysctl.Options{}),
//		sysctl.Settings{
//			"net.ipv4.ip_forward":                 "1",
//			"net.ipv4.conf.all.rp_filter":         sysctl.Int(2),
//			"net.ipv4.ip_local_port_range":        sysctl.Ints(20000, 60999),
//			"net/ipv4/conf/eth0.100/accept_local": "1",
//		},
//		sysctl.Config{})
//	...
//	supervisor.Add(loop)
//
// Read, ReadInt, ReadInts, Write and List look and write once, with nothing kept.
//
// # Keys
//
// A key is written as for sysctl(8), where the first separator decides: after a dot, dots separate and
// slashes stand for dots; after a slash, it is a path, and dots are dots. An interface named eth0.100 is
// had either way, as net/ipv4/conf/eth0.100/rp_filter or net.ipv4.conf.eth0/100.rp_filter. Ops, reports and
// ownership have the dot form. No key leads out of /proc/sys.
//
// Some keys have no state to be kept: writing them sets something off, or the kernel changes them all the
// time. As desired state they are refused: vm.drop_caches, vm.compact_memory, vm.stat_refresh,
// net.ipv4.route.flush, net.ipv6.route.flush, kernel.ns_last_pid. Write takes them.
//
// # Namespaces
//
// net.* belongs to the network namespace, kernel.hostname and kernel.domainname to the UTS one,
// kernel.shm*, msg* and sem* and fs.mqueue.* to the IPC one: these can be set for linx.Self and linx.PID,
// and net.* for linx.Path. user.* belongs to the user namespace, which a Go program cannot enter, and all
// else is one for the whole machine: for linx.Self alone. Whatever cannot be had in a namespace is refused,
// by New and PutDesired of the loop, and never written where the program happens to be.
//
// Outside the first network namespace the kernel leaves out some keys of net.*, and makes others read-only.
//
// # Values
//
// Integers, alone or in lists, compare by token, other text exactly but for white space at its end. What
// the kernel reads back in a form of its own has converged: 8080-8080 as 8080, a time of 1005 ms as 1008
// where jiffies take 4 ms. That form is remembered with the ownership, and not written over in every pass.
// A value that the kernel ignores or clamps, which it does without an error, is a failure with a
// NotTakenError that says what was wanted and what is there.
//
// A sysctl has one value: where somebody else writes another one, the desired one is put back. Where
// somebody else keeps doing so, the source holds back on that one key; see reconcile.FightError.
//
// # Patterns
//
// Settings may have patterns, which stand for whatever keys there are, interfaces yet to come included, and
// exclusions; see Settings. ParseConf makes Settings of the text of sysctl.d(5) files.
//
// # Order
//
// One key may move others: net.ipv4.ip_forward moves every forwarding, conf.all those of the interfaces. So
// the more general is written first, and after writing a pass looks again and writes what was moved, for a
// few rounds. A report's Converged is from the last look. Keys that reset each other (vm.dirty_ratio and
// vm.dirty_bytes) are refused.
//
// # Ownership
//
// A key is owned from the first pass that desired it. LastApplied has what was applied and the original,
// the value that was there before the first write. Originals are claimed (see reconcile.Config) before
// anything is written, so that no crash loses one. A key that leaves the desired set keeps its value, or
// gets its original back with Options.RevertOnRelease. The original of an interface's key goes with the
// interface, and with its name: one that is made anew, or comes to be called so again, is another one, if a
// pass saw the key gone or had it open; while no program runs, nobody sees it. If an earlier key of the
// same Source had moved the value before it was first written, that is the original. An original that the
// kernel does not take back (-1 that stands for "never set") is a failed revert, tried again at each pass.
//
// # Hints
//
// A Source is a reconcile.Subscriber. Its monitor hears of writes to the keys that are desired or owned,
// and to those that move them, by inotify; of the settings of interfaces that NETCONF knows (forwarding,
// rp_filter, proxy_arp, proxy_ndp, ignore_routes_with_linkdown), whoever moves them; and of interfaces that
// come, go and change their names. inotify sees what is written through the same procfs: this process's
// own, where ip-netns(8) and everything that enters the namespace by setns(2) writes, and for a linx.PID
// that of its container, as far as it is safe to look there. Whatever is missed the timer finds;
// Source.Unhinted names the keys that only the timer watches.
//
// # Cost
//
// A pass that finds everything in place reads each key through a descriptor that stays open, for up to
// MaxKept keys, and enters no namespace. Those of the host and IPC namespaces of a process, and keys that
// are not there, are looked for by a thread that enters it, and so are the keys that match a pattern.
package sysctl
