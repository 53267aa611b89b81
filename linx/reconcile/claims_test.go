package reconcile_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Claim is told, before each change, of all that is owned and about to be.
func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var claims []owned
		l := newLoop(t, src, state{"a": "1"}, config{
			TimerOnly: true,
			Claim: func(_ context.Context, o owned) error {
				if made := len(src.Kernel().Objects()); made != len(claims) {
					t.Errorf("claim %d comes after %d objects", len(claims), made)
				}
				claims = append(claims, maps.Clone(o))
				return nil
			},
		})
		serve(t, l)
		advance(time.Minute)
		if err := l.PutDesired(state{"a": "1", "b": "2"}); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		want := []owned{{"a": claimed}, {"a": confirmed, "b": claimed}}
		if !slices.EqualFunc(claims, want, maps.Equal) {
			t.Errorf("claims %v, want %v", claims, want)
		}
	})
}

// What cannot be claimed is not made, and is tried again.
func TestRefusedClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		full := errors.New("disk full")
		var claim callback
		claim.at(linxtest.Times(3, linxtest.Fail(full))...)
		l, s := start(t, src, state{"a": "1"}, config{
			TimerOnly: true,
			Claim:     func(ctx context.Context, _ owned) error { return claim.reach(ctx) },
		})
		expectKernel(t, src)
		if r, ok := l.LastReport(); !ok || r.Converged || len(r.LastApplied) != 0 {
			t.Errorf("report %+v", r)
		}
		if st := l.Status(); !errors.Is(st.LastError, full) {
			t.Errorf("status %+v", st)
		}
		advance(time.Minute)
		expectKernel(t, src, "a=1")
		if !s.running() {
			t.Errorf("Serve ended: %v", s.err)
		}
	})
}

// What a pass had claimed when it panicked is owned: it is cleared away when it is no longer desired, though
// the pass that made it never said so. But on the claim alone nothing is deleted.
func TestClaimsSurvivePanic(t *testing.T) {
	for name, fault := range map[string]linxtest.Fault{"panic": linxtest.Panic("lost"), "goexit": linxtest.Goexit()} {
		for moment, made := range map[linxtest.Moment]bool{linxtest.PassClaimed: false, linxtest.PassApplied: true} {
			t.Run(name+" when "+string(moment), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := linxtest.NewSource(nil)
					l := newLoop(t, src, state{"a": "1"}, config{TimerOnly: true})
					tree := linxtest.Supervise(t, l)
					advance(time.Minute)
					src.At(linxtest.Closing, linxtest.Call(func() {
						if !made {
							src.Kernel().Put("b", "1") // somebody else's, just where ours would have been
						}
						if err := l.PutDesired(state{"a": "1"}); err != nil {
							t.Error(err)
						}
					}))
					src.At(moment, fault)
					if err := l.PutDesired(state{"a": "1", "b": "1"}); err != nil {
						t.Fatal(err)
					}
					advance(time.Minute)
					tree.AwaitFailures(1)
					last := src.Passes()[src.Counts().Passes-1].Report.LastApplied
					if !maps.Equal(last, owned{"a": confirmed}) {
						t.Errorf("owned %v in the end", last)
					}
					if made {
						expectKernel(t, src, "a=1")
					} else {
						expectKernel(t, src, "a=1", "b=1 foreign")
					}
				})
			})
		}
	}
}

// So are those of a pass whose Notify panicked: its report was the newest word.
func TestOwnershipSurvivesNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var notify callback
		notify.at(linxtest.Panic("lost"))
		l := newLoop(t, src, state{"a": "1"}, config{
			TimerOnly: true,
			Notify:    func(ctx context.Context, _ report, _ error) { _ = notify.reach(ctx) },
		})
		linxtest.Supervise(t, l)
		synctest.Wait()
		passes := src.Passes()
		if len(passes) != 2 || !maps.Equal(passes[1].Last, owned{"a": confirmed}) {
			t.Errorf("passes %+v", passes)
		}
	})
}

// And of a loop that is stopped after a panic: the last word that Notify hears is what a ledger must keep.
func TestFinalNotifyTellsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var final owned
		src.At(linxtest.PassApplied, linxtest.Panic("lost"))
		l, s := start(t, src, state{"a": "1"}, config{Notify: func(_ context.Context, r report, err error) {
			if errors.Is(err, reconcile.ErrStopped) {
				final = r.LastApplied
			}
		}})
		<-s.done
		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(final, owned{"a": claimed}) {
			t.Errorf("in the end it owns %v", final)
		}
	})
}
