package fight

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

func calm(string) bool { return false }

// begin fights over k, with a repair a second until the fight begins, and gives the time of that.
func begin(t *testing.T, w *Watch[string], k string) time.Time {
	t.Helper()
	for i := range Repairs {
		began := w.Repaired(k, at(time.Duration(i)*time.Second))
		if began != (i == Repairs-1) {
			t.Fatalf("repair %d: began %v", i+1, began)
		}
	}
	return at((Repairs - 1) * time.Second)
}

func TestFightBeginsAndIsHeld(t *testing.T) {
	var w Watch[string]
	now := begin(t, &w, "a")
	until, held := w.Held("a", now)
	if !held || until.Before(now.Add(FirstTruce*3/4)) || until.After(now.Add(FirstTruce)) {
		t.Errorf("held %v until %v", held, until.Sub(now))
	}
	if _, held := w.Held("b", now); held {
		t.Error("an object that nobody touched is held")
	}
	if _, held := w.Held("a", until); held || !w.Fighting("a") {
		t.Error("after the truce there is one repair, and still a fight")
	}
}

func TestSlowRepairsAreNoFight(t *testing.T) {
	var w Watch[string]
	for i := range 100 {
		now := at(time.Duration(i) * (Window/(Repairs-1) + time.Millisecond))
		if w.Repaired("a", now) {
			t.Fatalf("repair %d began a fight", i+1)
		}
	}
}

func TestTruceGrows(t *testing.T) {
	var w Watch[string]
	now := begin(t, &w, "a")
	want := FirstTruce
	for range 20 {
		until, _ := w.Held("a", now)
		if d := until.Sub(now); d > want || d < want*3/4 {
			t.Fatalf("truce of %v, want %v less a quarter at most", d, want)
		}
		now = until
		if w.Repaired("a", now) {
			t.Fatal("began once more")
		}
		want = min(2*want, LastTruce)
	}
}

func TestFightEnds(t *testing.T) {
	var w Watch[string]
	now := begin(t, &w, "a")
	until, _ := w.Held("a", now)
	if over := w.Ended(until.Add(Window-1), calm); len(over) > 0 {
		t.Error("over too soon")
	}
	if over := w.Ended(until.Add(Window), func(string) bool { return true }); len(over) > 0 {
		t.Error("over while something is amiss")
	}
	if over := w.Ended(until.Add(Window), calm); len(over) != 1 || over[0] != "a" {
		t.Errorf("over: %v", over)
	}
	if !w.Quiet() {
		t.Error("something is remembered")
	}
}

func TestQuietObjectsAreForgotten(t *testing.T) {
	var w Watch[string]
	w.Repaired("a", at(0))
	if w.Ended(at(Window), calm); w.Quiet() {
		t.Error("forgotten too soon")
	}
	if w.Ended(at(Window+1), calm); !w.Quiet() {
		t.Error("not forgotten")
	}
}

func TestKeep(t *testing.T) {
	var w Watch[string]
	begin(t, &w, "a")
	now := begin(t, &w, "b")
	w.Repaired("c", now)
	over := w.Keep(func(k string) bool { return k == "a" })
	if len(over) != 1 || over[0] != "b" {
		t.Errorf("over: %v, want b, which alone was fought over and is not kept", over)
	}
	if !w.Fighting("a") || w.Fighting("b") {
		t.Error("the fight over a is to go on, and that over b is not")
	}
}

// Whatever the other writer does, an object costs few repairs.
func TestRepairsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Watch[string]
		now, repairs := start, 0
		for now.Before(at(time.Hour)) {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(2*time.Second)).Draw(t, "pause")))
			if _, held := w.Held("a", now); !held {
				w.Repaired("a", now)
				repairs++
			}
		}
		if repairs > 100 {
			t.Fatalf("%d repairs in an hour", repairs)
		}
	})
}
