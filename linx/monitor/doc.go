// Package monitor tells what changes in a network namespace, as ip-monitor(8) does: links, addresses,
// routes, rules, neighbours, and whatever else the kernel multicasts over NETLINK_ROUTE.
//
// A Monitor is a service for a suture.Supervisor. It calls a func for each event, on the goroutine of
// its Serve:
//
//	m := monitor.New(linx.Path("/run/netns/blue"), func(e monitor.Event) { fmt.Println(e) }, monitor.Config{})
//	supervisor.Add(m)
//
// Events are news, not state. Three rules turn them into something that one can rely on:
//
//   - Listen first, then look. What happened before a join was not told. Join, look at the kernel, then
//     Serve: nothing falls in between. Left to itself, Serve joins and begins with Resync, which says:
//     look now.
//   - Resync means look again. The kernel drops events that do not fit into the receive buffer
//     (ENOBUFS). The Monitor says Resync once it is sure to hear what comes next, so whoever looks after
//     it knows everything again.
//   - An event may be older than what a look has shown, for it waited in a buffer. So take it as a hint
//     to look rather than as the truth. (Package reconcile is built on that.)
//
// What is not asked for costs nothing: groups that are not joined (Config.Groups), events that a Filter
// drops in the kernel, and the decoding of events that nobody decodes. An idle Monitor has two
// goroutines, on the netpoller, and no buffer; it wakes up for events, for its context and for the end
// of its namespace, and never to poll.
//
// It needs no privileges but those for opening the namespace. Other processes in the namespace can send
// to netlink sockets there; what does not come from the kernel is dropped.
//
// When the namespace goes, Serve ends, with an error that wraps linx.ErrNamespaceGone, and lets go of
// it: a socket in it would keep it alive, and would never be told of its end.
package monitor
