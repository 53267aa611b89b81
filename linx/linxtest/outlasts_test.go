package linxtest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestOutlasts: a loop that tries again passes, and one that crashes does not.
func TestOutlasts(t *testing.T) {
	for name, c := range map[string]struct {
		fault linxtest.Fault
		fails bool
	}{
		"an error": {linxtest.Fail(errors.New("too many open files")), false},
		"a crash":  {linxtest.Panic("too many open files"), true},
	} {
		t.Run(name, func(t *testing.T) {
			src := linxtest.NewSource(nil)
			loop, err := reconcile.New(src, linxtest.State{"eth0": "10.0.0.2/24"}, reconcile.Config[linxtest.Owned]{})
			if err != nil {
				t.Fatal(err)
			}
			tb := &judge{TB: t}
			linxtest.Outlasts(tb, loop, func() func() {
				src.Always(linxtest.PassBegins, c.fault)
				return src.Heal
			})
			if (tb.verdict != "") != c.fails {
				t.Errorf("verdict: %q", tb.verdict)
			}
		})
	}
}

// judge keeps a verdict to itself.
type judge struct {
	testing.TB
	verdict string
}

func (j *judge) Errorf(format string, args ...any) { j.verdict = fmt.Sprintf(format, args...) }
