package rtnl

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// learn gets to know all wishes, those that need an interface last.
func learn(w witness, wishes []*wish) {
	furnish(w)
	links := slices.IndexFunc(wishes, func(w *wish) bool { return !strings.HasPrefix(w.words, "link ") })
	know(w, wishes[:links])
	w.batch(wishes[0].command("add"))
	know(w, wishes[links:])
}

// know has ip(8) make each wish alone, to see how it shows that.
func know(w witness, wishes []*wish) {
	base := w.look()
	for family, six := range map[string]bool{"-4": false, "-6": true} {
		var commands []string
		for _, wish := range wishes {
			if wish.v6 == six {
				commands = append(commands, strings.TrimPrefix(wish.command("add"), "-6 "))
				for _, s := range sightsOf(family) {
					commands = append(commands, s.command)
				}
				commands = append(commands, strings.TrimPrefix(wish.command("del"), "-6 "))
			}
		}
		out, err := w.ip(commands, family, "-json", "-details")
		if err != nil {
			panic(err)
		}
		dump := json.NewDecoder(strings.NewReader(out))
		for _, wish := range wishes {
			if wish.v6 != six {
				continue
			}
			var things []thing
			for _, s := range sightsOf(family) {
				things = append(things, s.read(dump, family)...)
			}
			things = slices.DeleteFunc(things, func(t thing) bool { return slices.Contains(base, t) })
			if len(things) != 1 {
				panic(fmt.Sprintf("%s makes %v", wish.words, things))
			}
			wish.thing = things[0]
		}
	}
}

// furnish makes what is there all the time.
func furnish(w witness) {
	w.Veth("v0", "v1")
	w.sysctl("ipv6/conf/v0/accept_dad", "0")
	w.sysctl("ipv6/conf/v1/accept_dad", "0")
	w.batch("link set v1 txqueuelen 1000") // the kernel's default, unlike Veth's
	w.batch(anchors...)
}

func (w witness) sysctl(key, value string) {
	w.Do(func() {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0o644); err != nil {
			panic(err)
		}
	})
}
