// Package soak breaks everything at once, for as long as one likes, and looks at what comes of it.
//
// Twenty loops run under nested supervisors in one process: rtnl and sysctl sources in five network
// namespaces, known by path and by process, and fakes. An injector makes sources, monitors and callbacks
// fail, panic and exit, closes sockets, overflows buffers, changes the kernel under the loops, takes
// namespaces away and kills processes, all from one seeded stream. In the end all loops must have
// converged, what is others' must be as they left it, and nothing may have leaked:
//
//	go test -race ./internal/soak -v -soak.duration 5m -timeout 15m
//	go test -race ./internal/soak -v -soak.seed 1234 # the faults of an earlier run, in the same order
//
// It is all in the tests.
package soak
