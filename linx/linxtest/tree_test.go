package linxtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/thejerf/suture/v4"
)

type serviceFunc func(context.Context) error

func (f serviceFunc) Serve(ctx context.Context) error { return f(ctx) }
func (f serviceFunc) String() string                  { return "service" }

func TestTree(t *testing.T) {
	CheckLeaks(t)
	synctest.Test(t, func(t *testing.T) {
		serves := 0
		tree := Supervise(t, serviceFunc(func(ctx context.Context) error {
			serves++
			switch serves {
			case 1:
				return errors.New("broken")
			case 2:
				panic("lost")
			}
			<-ctx.Done()
			return ctx.Err()
		}))
		failures := tree.AwaitFailures(2)
		if e, ok := failures[0].(suture.EventServiceTerminate); !ok || e.ServiceName != "service" {
			t.Errorf("first failure: %v", failures[0])
		}
		if e, ok := failures[1].(suture.EventServicePanic); !ok || e.PanicMsg != "lost" {
			t.Errorf("second failure: %v", failures[1])
		}
		tree.Stop()
		tree.Stop()
		if n := len(tree.Events()); n != 2 || serves != 3 {
			t.Errorf("%d events, %d serves", n, serves)
		}
	})
}

func TestTreeFindsTheUnstopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		release := make(chan struct{})
		tree := Supervise(r, serviceFunc(func(context.Context) error {
			<-release
			return nil
		}))
		tree.Stop()
		close(release)
		if got := r.finish(); got != "service service did not stop" {
			t.Errorf("found %q", got)
		}
	})
}
