// Package reconcile keeps one subsystem of one namespace converged on a desired state, for as long as a
// supervisor serves it.
//
// It is the level-triggered loop of Kubernetes' controllers and of Erlang's Linx.Reconcile: a pass observes
// everything anew, compares it with what is desired, and applies the difference. Passes are driven by a
// timer, which is enough to converge, and by hints of a monitor, which make it fast. A hint says "it may be
// worth looking" and nothing else: the loop never sees what happened, so an event that is lost, late or
// wrong costs time and nothing more.
//
//	loop, err := reconcile.New(source, desired, reconcile.Config[L]{})
//	...
//	supervisor.Add(loop)
//
// # Who does what
//
// A Source knows a subsystem: package rtnl knows addresses and routes, package sysctl kernel parameters. It
// offers Reconcile, one pass; it may offer Subscribe, Validate and Close besides. A Loop knows when to run
// passes, keeps desired state and ownership between them, and fails the way a supervision tree wants.
// Delete the loop, and fifteen lines around a time.Ticker replace it; the package's Example shows them.
//
// # Ownership
//
// A source deletes only what it owns, and what it owns is a value, L, that it is handed at each pass and
// hands back in each Report. The loop keeps it across errors, panics and restarts. Before a pass changes
// anything, it claims what it is about to own; Config.Claim may write that down for the next process.
//
// # Failure
//
// Loop and monitor are linked, as two Erlang processes are: whichever ends unasked takes the other along,
// Serve returns the reason (or panics with it), and the supervisor starts both again, which subscribe anew
// and look at everything. A pass that fails is no such fault; it is tried again, by the timer at the
// latest. (Linx.Reconcile's monitor could end "normally" and leave its loop deaf, and a restart went back
// to the desired state that it was first started with. Both are different here.)
package reconcile
