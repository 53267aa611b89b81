package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// sourceFunc is a source that is neither a pointer nor a struct.
type sourceFunc func() (report, error)

func (f sourceFunc) Reconcile(context.Context, state, owned, func(owned) error) (report, error) {
	return f()
}

func TestNewRefuses(t *testing.T) {
	fake := linxtest.NewSource(nil)
	bare := linxtest.Bare[state, owned](fake)
	var noPointer *source
	var noFunc sourceFunc
	good := state{"a": "1"}
	tests := []struct {
		name    string
		src     reconcile.Source[state, owned]
		desired state
		cfg     config
		want    []string // what the error must speak of: what is wrong, and what would be right
	}{
		{"nil source", nil, good, config{}, []string{"source", "nil"}},
		{"nil pointer", noPointer, good, config{}, []string{"source", "nil"}},
		{"nil func", noFunc, good, config{}, []string{"source", "nil"}},
		{"negative interval", fake, good, config{Interval: -1}, []string{"Interval", "-1ns", "Never"}},
		{"negative debounce", fake, good, config{Debounce: -time.Second}, []string{"Debounce", "-1s", "Immediate"}},
		{"never, timer only", fake, good, config{Interval: reconcile.Never, TimerOnly: true}, []string{"Never", "TimerOnly"}},
		{"never, no subscriber", bare, good, config{Interval: reconcile.Never}, []string{"Never", "Subscriber"}},
		{"invalid desired", fake, state{"": "1"}, config{}, []string{`desired[""]`, "name"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := reconcile.New(test.src, test.desired, test.cfg)
			if err == nil || l != nil {
				t.Fatalf("loop %v, error %v", l, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not speak of %q", err, want)
				}
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	fake := linxtest.NewSource(nil)
	for name, cfg := range map[string]config{
		"zero":             {},
		"never":            {Interval: reconcile.Never},
		"timer only":       {TimerOnly: true},
		"immediate":        {Debounce: reconcile.Immediate},
		"shortest":         {Interval: 1},
		"debounce > timer": {Interval: time.Second, Debounce: time.Minute},
	} {
		if _, err := reconcile.New(fake, state{"a": "1"}, cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reconcile.New(linxtest.Bare[state, owned](fake), nil, config{}); err != nil {
		t.Errorf("bare: %v", err)
	}
	if _, err := reconcile.New(sourceFunc(func() (report, error) { return report{}, nil }), nil, config{}); err != nil {
		t.Errorf("a func: %v", err)
	}
}

// New opens nothing and starts nothing.
func TestNewOpensNothing(t *testing.T) {
	linxtest.CheckLeaks(t)
	src := linxtest.NewSource(nil)
	l := newLoop(t, src, state{"a": "1"}, config{})
	if c := src.Counts(); c.Passes+c.Subscribes+c.Closes != 0 {
		t.Errorf("counts %+v", c)
	}
	if _, ok := l.LastReport(); ok {
		t.Error("a report")
	}
}

func TestName(t *testing.T) {
	src := linxtest.NewSource(nil)
	if got := newLoop(t, src, nil, config{Name: "eth0"}).String(); got != "eth0" {
		t.Errorf("named %q", got)
	}
	// By default, what the source calls itself, with its type.
	if got := newLoop(t, src, nil, config{}).String(); !strings.Contains(got, src.String()) {
		t.Errorf("unnamed, it is %q", got)
	}
	// And its type where it has no String.
	unnamed := onlyCloser{linxtest.Bare[state, owned](src), src}
	if got := newLoop(t, unnamed, nil, config{}).String(); !strings.Contains(got, "onlyCloser") {
		t.Errorf("without a String, it is %q", got)
	}
}
