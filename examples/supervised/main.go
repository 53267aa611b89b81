// Command supervised does the whole job of linx in one program: three loops under a suture.Supervisor hold a
// small router's addresses, routes, rules and sysctls, while the story around them breaks things and looks at
// the kernel, through another library and /proc, until they are mended.
//
//	go run ./examples/supervised [-v]
//
// It needs no root and touches nothing of the machine: it starts itself again in private namespaces.
//
// program.go is what a consumer writes. story.go tells what happens to it, and step.go plays that; the rest
// is stage: world.go builds the wires and plays the other people, witness.go looks at the kernel,
// killable.go is a monitor that can be killed, stock.go counts what is left at the end.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/linx-go/linx-go/internal/testns"
)

func main() {
	if err := testns.Reexec(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verbose := flag.Bool("v", false, "print the supervisor's events and the loops' logs")
	flag.Parse()
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if !tell(os.Stdout, log) {
		os.Exit(1)
	}
}
