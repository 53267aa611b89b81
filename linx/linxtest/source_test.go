package linxtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
	"pgregory.net/rapid"
)

func TestPass(t *testing.T) {
	ours := func(v string) linxtest.Object { return linxtest.Object{Value: v, Ours: true} }
	foreign := func(v string) linxtest.Object { return linxtest.Object{Value: v} }
	tests := []struct {
		name      string
		foreign   linxtest.State
		before    linxtest.State // what an earlier pass converged on
		drift     func(*linxtest.Kernel)
		desired   linxtest.State
		applied   string
		failed    string
		want      map[string]linxtest.Object
		owned     linxtest.Owned
		converged bool
	}{
		{
			name: "creates what is missing", desired: linxtest.State{"a": "1", "b": "2"},
			applied:   "[create a=1 create b=2]",
			want:      map[string]linxtest.Object{"a": ours("1"), "b": ours("2")},
			owned:     linxtest.Owned{"a": linxtest.Confirmed, "b": linxtest.Confirmed},
			converged: true,
		},
		{
			name: "finds everything in place", before: linxtest.State{"a": "1"}, desired: linxtest.State{"a": "1"},
			applied: "[]", want: map[string]linxtest.Object{"a": ours("1")},
			owned: linxtest.Owned{"a": linxtest.Confirmed}, converged: true,
		},
		{
			name: "updates and deletes its own", before: linxtest.State{"a": "1", "b": "2"}, desired: linxtest.State{"a": "3"},
			applied: "[update a=3 delete b=2]", want: map[string]linxtest.Object{"a": ours("3")},
			owned: linxtest.Owned{"a": linxtest.Confirmed}, converged: true,
		},
		{
			name: "heals drift", before: linxtest.State{"a": "1", "b": "2"}, desired: linxtest.State{"a": "1", "b": "2"},
			drift:   func(k *linxtest.Kernel) { k.Put("a", "x"); k.Delete("b") },
			applied: "[update a=1 create b=2]", want: map[string]linxtest.Object{"a": ours("1"), "b": ours("2")},
			owned: linxtest.Owned{"a": linxtest.Confirmed, "b": linxtest.Confirmed}, converged: true,
		},
		{
			name: "is satisfied by a foreign twin", foreign: linxtest.State{"a": "1"}, desired: linxtest.State{"a": "1"},
			applied: "[]", want: map[string]linxtest.Object{"a": foreign("1")}, owned: linxtest.Owned{}, converged: true,
		},
		{
			name: "leaves a foreign conflict alone", foreign: linxtest.State{"a": "x"}, desired: linxtest.State{"a": "1", "b": "2"},
			applied: "[create b=2]", failed: "[update a=1: held by somebody else]",
			want:  map[string]linxtest.Object{"a": foreign("x"), "b": ours("2")},
			owned: linxtest.Owned{"b": linxtest.Confirmed},
		},
		{
			name: "never deletes what somebody else made anew", before: linxtest.State{"a": "1"},
			drift:   func(k *linxtest.Kernel) { k.Delete("a"); k.Put("a", "1") },
			applied: "[]", want: map[string]linxtest.Object{"a": foreign("1")}, owned: linxtest.Owned{}, converged: true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := linxtest.NewSource(linxtest.NewKernel(test.foreign))
			first, err := src.Reconcile(t.Context(), test.before, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.drift != nil {
				test.drift(src.Kernel())
			}
			report, err := src.Reconcile(t.Context(), test.desired, first.LastApplied, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(report.Applied); got != test.applied {
				t.Errorf("applied %s, want %s", got, test.applied)
			}
			if got := fmt.Sprint(report.Failed); test.failed != "" && got != test.failed {
				t.Errorf("failed %s, want %s", got, test.failed)
			}
			if got := src.Kernel().Objects(); !maps.Equal(got, test.want) {
				t.Errorf("the kernel holds %v, want %v", got, test.want)
			}
			if !maps.Equal(report.LastApplied, test.owned) {
				t.Errorf("owned %v, want %v", report.LastApplied, test.owned)
			}
			if report.Converged != test.converged {
				t.Errorf("converged %v", report.Converged)
			}
		})
	}
}

// What rtnl and sysctl promise, the fake must keep, or it would prove nothing.
func TestPassProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.SampledFrom([]string{"1", "2"}))
		foreign := linxtest.State(state.Draw(t, "foreign"))
		src := linxtest.NewSource(linxtest.NewKernel(foreign))
		var owned linxtest.Owned
		for range rapid.IntRange(1, 4).Draw(t, "states") {
			desired := linxtest.State(state.Draw(t, "desired"))
			first, err := src.Reconcile(context.Background(), desired, owned, nil)
			if err != nil {
				t.Fatal(err)
			}
			second, err := src.Reconcile(context.Background(), desired, first.LastApplied, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(second.Applied) > 0 {
				t.Fatalf("a second pass applied %v", second.Applied)
			}
			if !maps.Equal(first.LastApplied, second.LastApplied) || first.Converged != second.Converged {
				t.Fatalf("a second pass says %+v, after %+v", second, first)
			}
			objects := src.Kernel().Objects()
			for name, value := range foreign {
				if got := objects[name]; got != (linxtest.Object{Value: value}) {
					t.Fatalf("the foreign %s=%s became %v", name, value, got)
				}
			}
			for name, object := range objects {
				if _, wanted := desired[name]; object.Ours && !wanted {
					t.Fatalf("%s was left behind", name)
				}
			}
			owned = second.LastApplied
		}
	})
}

func TestClaim(t *testing.T) {
	src := linxtest.NewSource(nil)
	var claims []linxtest.Owned
	claim := func(o linxtest.Owned) error {
		if n := len(src.Kernel().Objects()); n != 0 {
			t.Errorf("%d objects made before the claim", n)
		}
		claims = append(claims, o)
		return nil
	}
	desired := linxtest.State{"a": "1"}
	last := linxtest.Owned{"old": linxtest.Confirmed}
	report, err := src.Reconcile(t.Context(), desired, last, claim)
	if err != nil {
		t.Fatal(err)
	}
	want := linxtest.Owned{"old": linxtest.Confirmed, "a": linxtest.Claimed}
	if len(claims) != 1 || !maps.Equal(claims[0], want) {
		t.Errorf("claimed %v, want %v", claims, want)
	}
	if !maps.Equal(last, linxtest.Owned{"old": linxtest.Confirmed}) {
		t.Errorf("the pass changed the ownership it was given: %v", last)
	}
	if _, err := src.Reconcile(t.Context(), desired, report.LastApplied, claim); err != nil || len(claims) != 1 {
		t.Errorf("a pass with nothing to do claimed (%v)", err)
	}

	full := errors.New("disk full")
	_, err = src.Reconcile(t.Context(), linxtest.State{"b": "2"}, report.LastApplied, func(linxtest.Owned) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if got := src.Kernel().Objects(); len(got) != 1 {
		t.Errorf("a refused claim was followed by changes: %v", got)
	}
}

// A pass that breaks after its claim keeps the claim, and the next one acts on what the kernel says of it.
func TestBrokenPassKeepsClaims(t *testing.T) {
	broken := errors.New("broken")
	for moment, made := range map[linxtest.Moment]bool{linxtest.PassClaimed: false, linxtest.PassApplied: true} {
		t.Run(string(moment), func(t *testing.T) {
			src := linxtest.NewSource(nil)
			src.At(moment, linxtest.Fail(broken))
			report, err := src.Reconcile(t.Context(), linxtest.State{"a": "1"}, nil, nil)
			if !errors.Is(err, broken) {
				t.Fatalf("error %v", err)
			}
			if want := (linxtest.Owned{"a": linxtest.Claimed}); !maps.Equal(report.LastApplied, want) {
				t.Errorf("owned %v, want %v", report.LastApplied, want)
			}
			if _, ok := src.Kernel().Get("a"); ok != made {
				t.Errorf("made: %v", ok)
			}
			if !made {
				src.Kernel().Put("a", "1") // foreign, and must stay
			}
			if _, err := src.Reconcile(t.Context(), nil, report.LastApplied, nil); err != nil {
				t.Fatal(err)
			}
			if _, ok := src.Kernel().Get("a"); ok == made {
				t.Errorf("there after the release: %v", ok)
			}
		})
	}
}

func TestPartlyFailing(t *testing.T) {
	src := linxtest.NewSource(nil)
	src.Refuse("a", errors.New("no"))
	src.Withhold("b", errors.New("waits for eth0"))
	desired := linxtest.State{"a": "1", "b": "2", "c": "3"}
	report, err := src.Reconcile(t.Context(), desired, nil, nil)
	if err != nil || report.Converged {
		t.Errorf("converged %v, error %v", report.Converged, err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"applied":[{"verb":"create","object":"c=3"}]`,
		`"failed":[{"verb":"create","object":"a=1","error":"no"}]`,
		`"pending":[{"verb":"create","object":"b=2","error":"waits for eth0"}]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("report %s lacks %s", text, want)
		}
	}
	src.Heal()
	report, err = src.Reconcile(t.Context(), desired, report.LastApplied, nil)
	if err != nil || !report.Converged {
		t.Errorf("healed: converged %v, error %v", report.Converged, err)
	}
}

func TestCancelledPass(t *testing.T) {
	src := linxtest.NewSource(nil)
	ctx, cancel := context.WithCancel(t.Context())
	src.At(linxtest.PassClaimed, linxtest.Call(cancel))
	report, err := src.Reconcile(ctx, linxtest.State{"a": "1", "b": "2"}, nil, nil)
	if !errors.Is(err, context.Canceled) || len(report.Pending) != 2 || len(report.Applied) != 0 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

func TestBare(t *testing.T) {
	src := linxtest.Bare(linxtest.NewSource(nil))
	if _, ok := src.(reconcile.Subscriber); ok {
		t.Error("a Subscriber")
	}
	if _, ok := src.(reconcile.Validator[linxtest.State]); ok {
		t.Error("a Validator")
	}
	if _, ok := src.(io.Closer); ok {
		t.Error("an io.Closer")
	}
	if r, err := src.Reconcile(t.Context(), linxtest.State{"a": "1"}, nil, nil); err != nil || !r.Converged {
		t.Errorf("report %v, error %v", r, err)
	}
}

func TestRecords(t *testing.T) {
	src := linxtest.NewSource(nil)
	src.At(linxtest.PassBegins, nil, linxtest.Panic("lost"))
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_, _ = src.Reconcile(t.Context(), linxtest.State{"a": "1"}, nil, nil)
		}()
	}
	passes := src.Passes()
	if len(passes) != 2 || !passes[0].Report.Converged || passes[1].Report.Converged {
		t.Fatalf("passes %+v", passes)
	}
	if slices.ContainsFunc(passes, func(p linxtest.Pass) bool { return p.Ended.IsZero() }) {
		t.Errorf("a pass without an end: %+v", passes)
	}
	if got, want := src.Counts(), (linxtest.Counts{Passes: 2}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	release, overlapped := make(chan struct{}), make(chan struct{})
	src.At(linxtest.PassBegins, linxtest.Hang(release))
	go func() {
		defer close(overlapped)
		_, _ = src.Reconcile(t.Context(), nil, nil, nil)
	}()
	linxtest.Eventually(t, "a pass that hangs", func() bool { return src.Counts().Passes == 3 })
	linxtest.Eventually(t, "another over it", func() bool {
		_, _ = src.Reconcile(t.Context(), nil, nil, nil)
		return src.Counts().Overlapping > 0
	})
	close(release)
	<-overlapped
}
