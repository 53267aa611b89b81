package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type thing string

func (t thing) String() string { return "thing " + string(t) }

// TestReportJSON: what a report says is there to be read: verbs, objects, errors and their errno.
func TestReportJSON(t *testing.T) {
	began := time.Date(2026, 11, 26, 18, 0, 0, 0, time.UTC)
	refused := fmt.Errorf("asking the kernel: %w", unix.ENETUNREACH)
	for want, r := range map[string]Report[map[string]int]{
		`{"converged":false,"applied":[{"verb":"create","object":"thing \"a\""}],` +
			`"failed":[{"verb":"create","object":"thing b","error":"asking the kernel: network is unreachable","errno":"ENETUNREACH"}],` +
			`"pending":[{"verb":"delete","object":"thing c","error":"another writer keeps undoing it: left alone until 18:00:00"}],` +
			`"lastApplied":{"a":1},"began":"2026-11-26T18:00:00Z","observed":"2026-11-26T18:00:00Z","took":"1.5ms"}`: {
			Applied:     []Op{{"create", thing(`"a"`)}},
			Failed:      []Failure{{Op{"create", thing("b")}, refused}},
			Pending:     []Failure{{Op{"delete", thing("c")}, &FightError{Until: began}}},
			LastApplied: map[string]int{"a": 1},
			Began:       began, Observed: began, Took: 1500 * time.Microsecond,
		},
		`{"converged":true,"lastApplied":null,"began":"0001-01-01T00:00:00Z","took":"0s"}`: {Converged: true},
		`{"converged":false,"pending":[{"verb":"","object":"\u003cnil\u003e","error":"\u003cnil\u003e"}],` +
			`"lastApplied":null,"began":"0001-01-01T00:00:00Z","took":"0s"}`: {Pending: []Failure{{}}},
	} {
		if got, err := json.Marshal(r); err != nil || string(got) != want {
			t.Errorf("%s\nnot\n%s\n(%v)", got, want, err)
		}
		if got, err := json.Marshal(&r); err != nil || string(got) != want {
			t.Errorf("by pointer: %s (%v)", got, err)
		}
	}
	plan := []Op{{"create", thing("a")}, {"delete", thing("b")}}
	want := `[{"verb":"create","object":"thing a"},{"verb":"delete","object":"thing b"}]`
	if got, err := json.Marshal(plan); err != nil || string(got) != want {
		t.Errorf("%s, not %s (%v)", got, want, err)
	}
	bad := Report[func()]{}
	if _, err := json.Marshal(bad); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("an ownership that has no JSON: %v", err)
	}
}

// TestStatusJSON: a health check can be answered with it.
func TestStatusJSON(t *testing.T) {
	for want, s := range map[string]Status{
		`{"serving":true,"serves":2,"passes":7,"converged":false,"lastPass":"2026-11-26T18:00:00Z","monitor":"retrying",` +
			`"stuck":"Notify","subscriber":true,"validator":false,"closer":true,` +
			`"lastEnd":"one","lastError":"two","monitorError":"three","final":"four"}`: {
			Serving: true, Serves: 2, Passes: 7, LastPass: time.Date(2026, 11, 26, 18, 0, 0, 0, time.UTC),
			Monitor: MonitorRetrying, Stuck: "Notify", Subscriber: true, Closer: true,
			LastEnd: errors.New("one"), LastError: errors.New("two"), MonitorError: errors.New("three"), Final: errors.New("four"),
		},
		`{"serving":false,"serves":0,"passes":0,"converged":false,"monitor":"off","subscriber":false,"validator":false,"closer":false}`: {
			Monitor: MonitorOff,
		},
	} {
		if got, err := json.Marshal(s); err != nil || string(got) != want {
			t.Errorf("%s\nnot\n%s\n(%v)", got, want, err)
		}
	}
}
