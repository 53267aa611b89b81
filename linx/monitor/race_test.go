package monitor

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/linxtest"
)

// Everything at once: no race, no deadlock, nothing left, and each Serve ends for a reason that it may have.
func TestConcurrentUse(t *testing.T) {
	linxtest.CheckLeaks(t)
	n, c := newChanger(t)
	m := New(n.Namespace(), func(Event) {}, Config{ReceiveBuffer: 16 << 10})
	const rounds = 100
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for i := range rounds {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*time.Millisecond)
				err := m.Serve(ctx)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
					t.Errorf("Serve: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for range rounds {
			m.Join(nil) // an error while joined
			m.ReceiveBuffer()
			if err := m.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	all.Go(func() {
		for i := range rounds {
			if err := m.SetFilter(Filter{OwnPort: uint32(i % 2), OwnProtocol: uint8(i % 3)}); err != nil {
				t.Errorf("SetFilter: %v", err)
			}
			if err := m.SetGroups([]Group{GroupLink, GroupIPv4Route, GroupIPv6Rule}[i%3:]...); err != nil {
				t.Errorf("SetGroups: %v", err)
			}
		}
	})
	all.Go(func() {
		for range rounds {
			c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
			c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
		}
	})
	all.Wait()
}
