// Package rtnl keeps the interfaces, addresses, neighbours, nexthop objects, routes and rules of a network
// namespace as they are desired, through rtnetlink.
//
// A State says what is desired, and a Source makes it so, a pass at a time: it observes the namespace,
// compares, applies the difference, and observes again. Under a reconcile.Loop it goes on doing so, on a
// timer and whenever something in the namespace changes:
//
//	loop, err := reconcile.New(
//		rtnl.New(linx.PID(container), rtnl.Options{}),
//		rtnl.State{
//			Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")}},
//			Routes:    []rtnl.Route{{Gateway: netip.MustParseAddr("10.0.0.1")}}, // zero Dst: default
//		},
//		rtnl.Config{Interval: 30 * time.Second},
//	)
//	...
//	supervisor.Add(loop)
//
// Where there is something already, Source.Observe gives it as a State: to begin with, edit and hand over.
//
// # What is ours
//
// The kernel remembers who made a route, a nexthop object, a rule or an address: in rtm_protocol,
// nh_protocol, FRA_PROTOCOL (Linux 4.17), and from Linux 5.18 on in IFA_PROTO. What carries Options.Protocol
// is ours: it is deleted when it is not desired, also after a crash, by a process that knows nothing of the
// one before. All else is others', and no pass deletes or replaces it, unless Options.Conflict says so. On
// older kernels LastApplied alone tells which addresses are ours.
//
// Of a neighbour the kernel remembers its maker too (NDA_PROTOCOL, Linux 5.0), but does not forget it
// when another changes the entry. So a neighbour is ours if it carries Options.Protocol and LastApplied
// has it: without that record, it stays behind. Nor is one deleted that is no longer as it was made. One
// that the kernel has learned from the traffic is nobody's: where a permanent one is desired it becomes
// that. Of an entry of a forwarding database (FDB) it remembers no maker: it is ours while it is just as
// LastApplied says we made it.
//
// Of an interface the kernel does not remember the maker. It is ours if LastApplied has its index and its
// kind. So that this holds after a crash in the midst of its creation too, the index is chosen here, at
// random from 32768 to 65535, and claimed before: what another has made under that name is not taken for
// ours. One that is desired and that another has renamed gets its name back; one that is not desired any
// more is deleted only under the name that it was given.
//
// Another's object that already is as desired is enough: it stays the other's, and stays when we go. When a
// route expires is not compared, nor what the kernel takes from a router's advertisements. An address may
// have more than is asked for, but not live longer. What is otherwise, in the place of a desired object, is a
// *ConflictError in Report.Failed. Rules are never in each other's place: of two that differ in who made them
// alone, the kernel keeps both.
//
// # What waits
//
// What cannot be done yet is in Report.Pending, and holds up nothing else: what needs an interface or a
// nexthop object that does not exist, an IPv6 address in duplicate address detection (a route whose source it
// is, too), a gateway that nothing reaches, and an object that another writer keeps undoing. Interfaces are
// known by name, wherever that goes. An IPv6 address of ours that another host has is in Report.Failed, and
// tried again by a pass a minute later, since nothing tells when that host has gone. What went with an
// interface that was down is made again at once: nobody keeps undoing that.
//
// # How interfaces change
//
// A Link with a Kind is ours to make: it is made if there is none of its name, and deleted, with all that
// stands on it, when it is not desired any more. One without is adjusted, as eth0 is: what an attribute was
// before is in LastApplied, and given back when the attribute is not desired any more, if it still is as it
// was made. The settings of a bridge's port alone are not given back, as they go with the port.
//
// An interface that another has made under the name of one with a Kind is a conflict if it differs. Under
// Adopt one that is as desired becomes ours, and so is deleted one day; under TakeOver any does, once it has
// been changed.
//
// Links are made in the order in which they need each other, whatever order they are in, and then looked at
// again, so that what stands on them is there in the same pass. They are deleted last, ports before what they
// are in. What can be changed in place is, an attribute at a time. An interface is set down only if that is
// asked for, or to become a bond's port, as its routes and IPv6 addresses go then. What cannot be changed is
// in Report.Failed, unless the Link has Recreate: then the interface is deleted and made anew, and what the
// state has on it comes back in the same pass. What others change of an interface that is down, the kernel
// does not always tell: then the timer finds it.
//
// A veth makes its other end, which goes with it, and which a second Link without a Kind adjusts. In another
// namespace (Veth.PeerNamespace) the other end is only made: to keep anything on it is another Source's.
//
// The kernel has no guard for deleting an interface: each is looked at once more right before, and what
// remains is the time between two messages.
//
// # How neighbours change
//
// A neighbour is created where there is none (NLM_F_EXCL), and else replaced in place, if it is ours or was
// learned. The kernel has no guard for that either: it is read once more right before it is changed or
// deleted.
//
// One with an FDB is an entry of the forwarding database of a bridge or a vxlan: it says where frames go, not
// packets. Its place holds one entry, but a vxlan floods to many: see FDB. Traffic may move a Static entry of
// a bridge to another port, unless it is Sticky: then it is another's, and a conflict while it is desired.
//
// # How addresses change
//
// Lifetimes, Metric and, for IPv6, the flags of an address are changed in place. The kernel replaces all that
// can be replaced, the mark of who made it too, and looks at nobody's: so an address is read once more right
// before, what is to stay is named, and one that is no longer as it was is left to the next round. What
// remains is the time between two messages.
//
// For anything else an address goes, and comes back at once. Meanwhile an IPv4 one has a stand-in, of the
// same host and mostly of length 32, so that no route goes with it; where the kernel keeps no IFA_PROTO it
// has none, as that could be left behind, and there a crash between the two makes ours another's. An IPv6 one
// is gone for a moment, which takes the routes along that have it for their source.
//
// A lifetime is renewed once half of it is over, for as long as the address is desired. Only what is or was
// asked for is changed: an adopted address keeps the metric that it has.
//
// # How routes change
//
// A route is created only where there is none (NLM_F_EXCL), and deleted by all that tells it from others.
// To change one, the new is put beside the old, and then the old deleted, so that there is never a moment
// without (for IPv6, where two would be merged, the new one first stands at another metric). NLM_F_REPLACE,
// which replaces whatever is first in the place, is used for no route. A desired route that stands behind
// another's of the same destination, TOS and metric counts as in place, though packets take the other.
// Should another take the place of an IPv6 route while that stands aside, it keeps it: that is a conflict.
//
// An IPv4 route that leads several ways (NextHops) is one route, and changed like any other. Of an IPv6 one,
// each way is a route of its own that the kernel merges with all of that destination and metric, others' too.
// So each is looked for by itself: what is missing is added, what is too much is deleted, what stays is not
// touched, and one that is another's already is enough. But where none is ours, and others' are not all that
// is desired, none is added: that is a conflict. A way over an interface that is down counts as in place, as
// long as the kernel shows it.
//
// # Nexthop objects
//
// State.Nexthops are where IPv4 routes lead, each under a number that routes name as NextHopID. Changing an
// object is one request (NLM_F_REPLACE), which leads all its routes elsewhere at once; deleting one deletes
// them too. The kernel has no guard for either: so all objects and IPv4 routes are read right before, and
// what others' routes or groups use is left alone. An object goes, with its routes, when its interface goes
// or is set down; all come back with that. Options.NexthopObjects has such objects made for the gateways that
// IPv4 routes name, without any of that in the state.
//
// # How rules change
//
// Nothing of a rule can be changed: the new one is created, then the old one deleted. The kernel deletes
// the first rule that agrees with all that a request names, and what a rule leaves out cannot be named:
// "from all" is also what is from 10.0.0.0/8. The protocol is named, so that others' rules are never hit.
// Where one of ours that stays would be, it is created once more, behind the one to be deleted, and then
// deleted in front: so its order among ours of the same priority changes. Should somebody delete one of
// ours between the last look and the deletion, another of ours may go in its place; it is back in the
// same pass.
//
// # What the kernel does besides
//
// Some consequences of a change cannot be prevented, only known. Deleting the last IPv4 address of an
// interface takes all IPv4 routes over it, and deleting any address the routes that have it for a source,
// whoever's they are; ours come back in the same pass. An IPv4 address that has another's secondaries is
// not deleted unless promote_secondaries is on, nor replaced. Deleting an address has no guard in the kernel:
// between the last look at it and its deletion, another may have made it theirs. The same holds for a
// neighbour and a nexthop object, and for changing one. For the same reason, an interface renamed in the very
// moment between a look at its name and the change is changed under its new name; the next pass repairs that.
//
// With an IPv6 address goes a route of its network over its interface: of several, the one of the lowest
// metric, even another's. An "ip address change" of what is ours takes its mark away: it is another's then,
// and not deleted any more. While an IPv6 route changes, a lookup may once in a while find none, although
// there was one all the time: the kernel's do so whoever changes it.
//
// Of IPv6 routes that the kernel has merged, it shows the first one's metrics, source and protocol alone.
// What we made is known from LastApplied then. Of two that differ in their Encap alone it deletes the first
// of ours, so that one of the two that shows no sign of being ours is left alone. One without a gateway that
// others' next hops have come to stand on both sides of is not shown at all: it is taken for absent, a
// conflict if it is desired, and is left behind if it is not.
//
// # What is there already
//
// Observe reads what a namespace was configured to be, by whomever, as a State, with a list of what a State
// cannot say. In a namespace that has only the same hardware, that State makes the same again. Where it was
// read it changes nothing, and all stays others', but for rules, which are made once more. Under Adopt all
// but the interfaces that are only adjusted becomes ours.
package rtnl
