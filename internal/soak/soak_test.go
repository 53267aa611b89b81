package soak

import (
	"flag"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/linxtest"
)

var (
	seed     = flag.Uint64("soak.seed", 0, "draw the same faults as the run that printed it; 0: others each time")
	duration = flag.Duration("soak.duration", 5*time.Second, "how long to inject faults")
)

func TestMain(m *testing.M) { testns.Main(m) }

// calmEvery is after how many faults all must converge in between.
const calmEvery = 1000

// TestSoak: whatever happens to the loops and beneath them, once it is over they converge, what is
// others' is as those left it, and nothing has leaked.
func TestSoak(t *testing.T) {
	linxtest.CheckLeaks(t)
	checkFiles(t)
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d: -soak.seed %[1]d draws the same faults", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	w := newWorld(t, r)
	w.settle()

	injected := 0
	for end := time.Now().Add(*duration); time.Now().Before(end) && !t.Failed(); {
		s, wait := draw(r), time.Duration(r.IntN(2)*r.IntN(10))*time.Millisecond
		w.note(injected, s)
		s.do(w)
		w.kinds[s.kind]++
		pause(wait)
		if injected++; injected%calmEvery == 0 {
			w.heal(rand.New(rand.NewPCG(*seed, uint64(injected))))
			w.settle()
		}
	}

	last := rand.New(rand.NewPCG(*seed, 1))
	healing := time.Now()
	w.heal(last)
	w.settle()
	took := time.Since(healing)
	passes, restarts := uint64(0), w.restarts.Load()
	for _, h := range w.loops {
		passes += h.passes()
	}
	w.endLoops(last)
	w.end()
	t.Logf("%d faults, %d passes, %d restarts, %d overflows, %d events; healed in %v",
		injected, passes, restarts, w.overflows, w.events.Load(), took)
	t.Logf("faults: %v", w.kinds)
}

// checkFiles fails the test if, at its end, other files are open than now. Collecting garbage would close
// what was forgotten, so it is put off as long as memory allows. The pidfd of a handle is meant to go
// that way: after the check.
func checkFiles(t *testing.T) {
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(1<<30)
	before := openFiles()
	t.Cleanup(func() {
		defer runtime.GC()
		defer debug.SetGCPercent(percent)
		defer debug.SetMemoryLimit(limit)
		after := map[string]int{}
		if !poll(patience, func() bool { after = openFiles(); return maps.Equal(before, after) }) {
			t.Errorf("files open before: %v\nafter: %v", before, after)
		}
	})
}

// TestSeedReplays: a seed means the same faults, another one means others.
func TestSeedReplays(t *testing.T) {
	drawn := func(seed uint64) (all string) {
		r := rand.New(rand.NewPCG(seed, 0))
		for range 1000 {
			all += draw(r).what + "\n"
		}
		return all
	}
	first, again, other := drawn(1), drawn(1), drawn(2)
	if first != again {
		t.Error("the same seed draws other faults")
	}
	if first == other {
		t.Error("every seed draws the same faults")
	}
}
