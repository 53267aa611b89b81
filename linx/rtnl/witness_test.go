package rtnl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// batch has ip(8) carry out commands, all in one process. Those that begin with -6 come last.
func (k *kernel) batch(commands ...string) {
	k.t.Helper()
	var any, six []string
	for _, c := range commands {
		if rest, ok := strings.CutPrefix(c, "-6 "); ok {
			six = append(six, rest)
		} else {
			any = append(any, c)
		}
	}
	k.ipBatch(any)
	if len(six) > 0 {
		k.ipBatch(six, "-6")
	}
}

func (k *kernel) ipBatch(commands []string, options ...string) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(strings.Join(commands, "\n")+"\n"), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return k.IP(append(options, "-batch", file)...)
}

// sight is a namespace as ip(8) shows it: a witness that shares no code with us. It has a line for each
// object, by kind, without what the kernel makes by itself.
type sight map[string][]string

// sights are what to look at, by kind.
var sights = []struct{ kind, command string }{
	{"address", "addr show"},
	{"route", "route show table all"},
	{"neighbor", "neigh show nud all"},
	{"proxy", "neigh show proxy"},
	{"rule", "rule show"},
}

// look gives the sight of the namespace. mask takes away what does not matter, or all of an object.
func (k *kernel) look(mask func(kind string, object map[string]any) bool) sight {
	k.t.Helper()
	out := make(sight)
	var commands []string
	for _, s := range sights {
		commands = append(commands, s.command)
	}
	for _, family := range []string{"-4", "-6"} {
		dump := json.NewDecoder(strings.NewReader(k.ipBatch(commands, family, "-json", "-details")))
		for _, s := range sights {
			var objects []map[string]any
			if err := dump.Decode(&objects); err != nil {
				k.t.Fatalf("%s: %v", s.command, err)
			}
			if s.kind == "address" {
				objects = addressesOf(objects)
			}
			for _, o := range objects {
				if automatic(s.kind, o) || !mask(s.kind, o) {
					continue
				}
				line, _ := json.Marshal(o) // of what was JSON before; keys are sorted
				out[s.kind] = append(out[s.kind], string(line))
			}
			if s.kind == "neighbor" {
				slices.Sort(out[s.kind]) // the order of a hash
			}
		}
		if _, err := dump.Token(); err != io.EOF {
			k.t.Fatalf("more than was asked for: %v", err)
		}
	}
	return out
}

// addressesOf gives each interface's addresses its name.
func addressesOf(links []map[string]any) (out []map[string]any) {
	for _, l := range links {
		list, _ := l["addr_info"].([]any)
		for _, a := range list {
			a := a.(map[string]any)
			a["dev"] = l["ifname"]
			out = append(out, a)
		}
	}
	return out
}

// automatic says that the kernel makes an object by itself. So these tests make no link-local addresses that
// begin like the kernel's.
func automatic(kind string, o map[string]any) bool {
	switch kind {
	case "address":
		return o["dev"] == "lo" && (o["local"] == "127.0.0.1" || o["local"] == "::1") ||
			strings.HasPrefix(fmt.Sprint(o["local"]), "fe80::") && strings.Contains(fmt.Sprint(o["local"]), "ff:fe")
	case "route", "rule":
		return o["protocol"] == "kernel"
	case "neighbor":
		return strings.HasPrefix(fmt.Sprint(o["dst"]), "ff02:")
	}
	return false
}

// differs shows in what two sights do: the first is what should be.
func (s sight) differs(other sight) string {
	var b bytes.Buffer
	for _, v := range sights {
		if !slices.Equal(s[v.kind], other[v.kind]) {
			fmt.Fprintf(&b, "%ss:\n\t%s\nnot\n\t%s\n", v.kind, strings.Join(other[v.kind], "\n\t"), strings.Join(s[v.kind], "\n\t"))
		}
	}
	return b.String()
}
