package sysctl

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// Somebody undoes one key between all passes, for an hour: it is repaired ever more rarely, and told of
// once, while other keys are repaired in each pass. When they cease, the fight is over, told of once as
// well.
func TestFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var log bytes.Buffer
		f.fights.log = slog.New(slog.NewTextHandler(&log, nil))
		desired := Settings{"net.ipv4.tcp_syncookies": "1", "net.core.refusing": "1"}
		var last LastApplied
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		repairs, held := 0, 0
		pass := func() Report {
			<-tick.C
			r := mustPass(t, f, desired, last, true)
			last = r.LastApplied
			for _, p := range r.Pending {
				var fight *reconcile.FightError
				if !errors.As(p.Err, &fight) || fight.By != `who puts "7" there` || p.Op.Object.(assignment).key != plain || r.Converged {
					t.Fatalf("converged %v, pending %v", r.Converged, p)
				}
				held++
			}
			return r
		}
		pass()
		for i := range 3600 {
			f.values[plain] = "7"
			if i%20 == 0 { // not so often as to be a fight
				f.values[refusing] = "0"
			}
			for _, op := range pass().Applied {
				if op.Object.(assignment).key == plain {
					repairs++
				}
			}
			if f.values[refusing] != "1" {
				t.Fatal("another key was not repaired at once")
			}
		}
		if repairs < 60 || repairs > 100 || held < 3400 {
			t.Errorf("%d repairs, held back %d times", repairs, held)
		}

		f.values[plain] = "7"
		desired["net.ipv4.tcp_syncookies"] = "2" // no repair, but another wish
		if want(t, pass(), true, "set net.ipv4.tcp_syncookies = 2"); f.values[plain] != "2" {
			t.Error("a new value was held back")
		}
		for range 200 {
			pass()
		}
		if begun, ended := strings.Count(log.String(), "keeps changing a"), strings.Count(log.String(), "nobody keeps"); begun != 1 || ended != 1 {
			t.Errorf("%d begun, %d ended:\n%s", begun, ended, log.String())
		}
		if !f.fights.Quiet() {
			t.Error("the fight is not forgotten")
		}
	})
}

// What passes do themselves is no fight.
func TestNoFight(t *testing.T) {
	f := newFake()
	var last LastApplied
	for i := range 50 {
		r := mustPass(t, f, Settings{"net.ipv4.ip_forward": Int(i % 2), "net.ipv4.conf.eth0.forwarding": "2", "net.core.ignoring": "1"}, last, true)
		if len(r.Pending) > 0 {
			t.Fatalf("pass %d: %v", i, r.Pending)
		}
		last = r.LastApplied
	}
	f.values[forwardIf] = "9"
	r := mustPass(t, f, Settings{"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0.forwarding": "2"}, last, true)
	if len(r.Pending) > 0 || f.values[forwardIf] != "2" {
		t.Errorf("somebody else's first write is taken for a fight: %v", r.Pending)
	}
}

// Whatever a crash has left undone is no repair.
func TestRepairs(t *testing.T) {
	c := change{verb: Set, key: plain, value: "1"}
	for what, is := range map[string]bool{
		"a claim":       Owned{Applied: "1", Claimed: true}.repairs(c),
		"another value": Owned{Applied: "2"}.repairs(c),
		"a revert":      Owned{Applied: "1"}.repairs(change{verb: Revert, key: plain, value: "1"}),
	} {
		if is {
			t.Errorf("%s counts as a repair", what)
		}
	}
	if !(Owned{Applied: "1"}).repairs(c) {
		t.Error("writing once more what was written is a repair")
	}
}
