package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/linx-go/linx-go/internal/testns"
)

func TestMain(m *testing.M) { testns.Main(m) }

func TestStory(t *testing.T) {
	testns.Require(t)
	var out strings.Builder
	if !tell(&out, slog.New(slog.NewTextHandler(t.Output(), nil))) {
		t.Errorf("the story did not come true:\n%s", out.String())
	}
	t.Log("\n" + out.String())
}

// A story whose every step passed whatever happens would prove nothing.
func TestPlayStopsAtWhatIsNotSo(t *testing.T) {
	never := errors.New("never so")
	for name, bad := range map[string]step{
		"seen never": {see: func() error { return never }},
		"not done": {
			do:  func(context.Context) error { return never },
			see: func() error { return nil },
		},
	} {
		var out strings.Builder
		bad.name = name
		good := step{name: "good", see: func() error { return nil }}
		if play(&out, 10*time.Millisecond, []step{good, bad, good}) {
			t.Errorf("%s: played to the end", name)
		}
		got := out.String()
		if strings.Count(got, "✓") != 1 || strings.Count(got, "✗") != 1 || !strings.Contains(got, never.Error()) {
			t.Errorf("%s: printed\n%s", name, got)
		}
	}
}

func TestShowsIsExact(t *testing.T) {
	testns.Require(t)
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	defer w.end()
	seen, err := look()
	if err != nil {
		t.Fatal(err)
	}
	if err := shows(strings.Join(seen, "\n")); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ want, wrong string }{
		{strings.Join(seen[1:], "\n"), "too much: " + seen[0]},
		{strings.Join(append(seen, "10.9.9.9/32 dev eth0"), "\n"), "missing: 10.9.9.9/32 dev eth0"},
	} {
		if err := shows(c.want); err == nil || err.Error() != c.wrong {
			t.Errorf("got %v, want %s", err, c.wrong)
		}
	}
}
