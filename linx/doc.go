// Package linx names Linux namespaces, works inside them, and links services whose failures belong
// together. It is the ground that the other packages of this module stand on, and of use without them.
//
// # Namespaces
//
// A [Namespace] is a name: [Self], the [PID] of a process, or the [Path] that a network namespace is bound
// to, as ip-netns(8) does. A name can be kept, compared and printed, and costs nothing. But what it means
// can change. The kernel gives a dead process's pid to the next one, and "ip netns del" and "add" put
// another namespace behind the same path, often with the very same inode.
//
// So whoever acts on a namespace holds a [Handle], which means one process, or one namespace, for good: a
// pidfd for a process, an open file for a path. [Namespace.Find] settles the identity, [Handle.Refresh]
// opens the namespace, or checks that the name still means it, and [Handle.Close] lets go. That matters:
// a namespace that somebody holds is not destroyed, its interfaces stay, and so do the other ends of its
// veth pairs.
//
// [ErrNamespaceGone] says that the name means something else by now, or nothing. A process never comes
// back, so its error tells a supervisor to give up ([suture.ErrDoNotRestart]); a path may, so its error
// does not. [Handle.Wait] sleeps until then.
//
// Who works in rounds keeps one handle for life:
//
//	h, err := linx.PID(pid).Find() // once
//	...
//	for { // each round
//		err := h.Refresh()
//		if errors.Is(err, linx.ErrNamespaceGone) {
//			h.Close() // and look again in the next round, or give up
//		}
//		...
//	}
//
// An [ID] says whether what was noted about a namespace yesterday is about this one.
//
// # Threads
//
// The kernel keeps the namespace that a program is in per thread, while a goroutine wanders from thread to
// thread. [Handle.Do] therefore locks a thread, moves it, runs the function given, and throws the thread
// away: if it were to move back and failed, some other goroutine would find itself in a foreign namespace,
// and change the wrong machine's routes. The main thread is spared, for the Go runtime cannot end it. What
// is opened inside, a socket above all, stays inside and works from everywhere, so one visit is enough for
// a long-lived connection.
//
// Entering a namespace takes CAP_SYS_ADMIN, in the user namespace that it belongs to and in one's own;
// looking into a process takes CAP_SYS_PTRACE if it is another user's. What one is in already takes
// neither. Linux 5.14 or later is needed, and /proc.
//
// # Linked services
//
// [OneForAll] is for services of which none is worth anything without the others, as a control loop and the
// monitor that wakes it. It is the one_for_all of OTP's supervisors without the restarting: when one ends,
// the rest are stopped, and the group ends with the reason of the first, for the supervisor above to restart
// them all. A panic crosses over as a [*PanicError], with its stack.
package linx
