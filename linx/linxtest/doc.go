// Package linxtest lets a program test how its supervision tree fares when a reconcile loop fails.
//
// A Source is a fake subsystem over a fake Kernel. It behaves as a real one does, claims and ownership,
// conflicts and monitor included, until it is told to fail: at any Moment of a pass, of the
// subscription or of the monitor's life, a Fault may fail, panic, end its goroutine, block, be
// slow, ignore its cancellation, or run any function of the test's own. Counts and Passes tell what
// the loop asked of it.
//
// A test of a tree reads like this:
//
//	func TestTree(t *testing.T) {
//		linxtest.CheckLeaks(t)
//		src := linxtest.NewSource(nil)
//		desired := linxtest.State{"eth0": "10.0.0.2/24"}
//		loop, err := reconcile.New(src, desired, reconcile.Config[linxtest.Owned]{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		tree := linxtest.Supervise(t, loop)
//		if err := loop.WaitConverged(t.Context()); err != nil {
//			t.Fatal(err)
//		}
//		src.EndMonitor(linxtest.Panic("lost it"))
//		tree.AwaitFailures(1)
//		...
//	}
//
// Outlasts tests a loop over whatever source against trouble that is to be no crash.
//
// All of it works inside testing/synctest bubbles, where the passing of time costs none; CheckLeaks says what
// it leaves out there.
package linxtest
