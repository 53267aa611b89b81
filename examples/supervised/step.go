package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// step is one thing that happens and what must come of it.
type step struct {
	name string
	do   func(context.Context) error // what happens; nil: nothing
	see  func() error                // nil once it is so
}

// patience is how long a step may take.
const patience = 10 * time.Second

// play does the steps in turn, each until it is seen to be so, and tells whether all were. It stops at the
// first that is not.
func play(out io.Writer, patience time.Duration, steps []step) bool {
	for _, s := range steps {
		began := time.Now()
		err := s.play(patience)
		mark := "✓"
		if err != nil {
			mark = "✗"
		}
		fmt.Fprintf(out, "%s %9.1f ms  %s\n", mark, float64(time.Since(began).Microseconds())/1000, s.name)
		if err != nil {
			fmt.Fprintln(out, "    "+strings.ReplaceAll(err.Error(), "\n", "\n    "))
			return false
		}
	}
	return true
}

func (s step) play(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.do != nil {
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := s.see()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("still not so after %v:\n%w", patience, err)
		}
	}
}
