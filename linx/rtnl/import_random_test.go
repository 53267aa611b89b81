package rtnl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
)

// TestObserveRandom: whatever ip(8) has configured, of which no two things hide each other, is observed and,
// put into an empty namespace, gives the same dump.
func TestObserveRandom(t *testing.T) {
	wishes := pool()
	learn(newWitness(t, testns.New(t)), wishes)
	fewChecks(t, 6)
	configuration := rapid.SliceOfNDistinct(rapid.SampledFrom(wishes), 0, 40, (*wish).identity)
	rapid.Check(t, func(t *rapid.T) {
		from, to := newWorld(t), emptyWorld(t)
		defer from.close()
		defer to.close()
		var commands []string
		for _, wish := range configuration.Draw(t, "configuration") {
			if wish.kind == "link" {
				commands = slices.Insert(commands, 0, wish.command("add"))
			} else {
				commands = append(commands, wish.command("add"))
			}
		}
		t.Logf("ip %s", strings.Join(commands, "\nip "))
		_ = from.try(commands...) // what is on an interface that is not there fails

		state, unsaid, err := from.src.Observe(t.Context())
		if err != nil || len(unsaid) > 0 {
			t.Fatal(unsaid, err)
		}
		data, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &to.state); err != nil {
			t.Fatal(err)
		}
		if report := to.pass(); !report.Converged {
			t.Fatalf("not converged: %s", show(report))
		}
		was, is := unown(from.look()), unown(to.look())
		if diff := differ(was, is); diff != "" {
			t.Fatalf("it became\n%s", diff)
		}
	})
}

// emptyWorld is a namespace with nothing in it but lo.
func emptyWorld(t *rapid.T) *world {
	n, err := testns.Open()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{witness: witness{n}, t: t}
	w.sysctl("ipv6/conf/default/accept_dad", "0")
	w.src = New(n.Namespace(), Options{})
	return w
}
