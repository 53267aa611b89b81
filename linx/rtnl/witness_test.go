package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
)

// witness is ip(8) in a namespace: an implementation that is not ours, which shares no code with us.
type witness struct{ *testns.Net }

func newWitness(t *testing.T, n *testns.Net) witness {
	if !testns.HasIP() {
		t.Skip("ip(8) is not installed")
	}
	return witness{n}
}

// batch carries out commands. Those that begin with -6 come last.
func (w witness) batch(commands ...string) {
	if err := w.try(commands...); err != nil {
		panic(err)
	}
}

// try goes on where a command fails.
func (w witness) try(commands ...string) error {
	var any, six []string
	var errs []error
	for _, c := range commands {
		if rest, ok := strings.CutPrefix(c, "-6 "); ok {
			six = append(six, rest)
		} else {
			any = append(any, c)
		}
	}
	for len(any) > 0 {
		n := 1 + slices.IndexFunc(any, func(c string) bool { return strings.HasPrefix(c, "neigh") })
		if n == 0 { // a neighbour's failure ends a batch
			n = len(any)
		}
		_, err := w.ip(any[:n], "-force")
		errs, any = append(errs, err), any[n:]
	}
	if len(six) > 0 {
		_, err := w.ip(six, "-6", "-force")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (w witness) ip(commands []string, options ...string) (string, error) {
	cmd := exec.Command("ip", append(options, "-batch", "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	var out []byte
	var err error
	w.Do(func() { out, err = cmd.Output() })
	if said := complaints.String(); err != nil {
		if strings.Contains(said, "expected instead") || strings.Contains(said, "is wrong") {
			panic(said) // which ends a batch
		}
		err = fmt.Errorf("ip: %w\n%s", err, said)
	}
	return string(out), err
}

// thing is an object as ip(8) shows it.
type thing struct {
	kind  string
	place string // what two of a kind cannot agree in, where that is less than all
	line  string // what it is, in JSON, without who made it
	owner string // its protocol, if ip(8) shows it
}

func (t thing) String() string { return t.kind + " " + t.line + " of " + t.owner }

// sight is what to look at.
type sight struct {
	kind, command string
	place         []string // what tells places apart; nil: all
}

var sights = []sight{
	{"link", "link show", []string{"ifname"}}, // once is enough
	{"address", "addr show", []string{"dev", "local", "prefixlen", "address"}},
	{"route", "route show table all", []string{"dst", "table", "metric", "tos"}},
	{"neighbor", "neigh show nud all", []string{"dst", "dev"}},
	{"neighbor", "neigh show proxy", []string{"dst", "dev", "proxy"}},
	{"rule", "rule show", nil},
}

// look gives all there is but what the kernel makes by itself, in its order where that is not a hash's.
func (w witness) look() []thing {
	var things []thing
	for _, family := range []string{"-4", "-6"} {
		var commands []string
		for _, s := range sightsOf(family) {
			commands = append(commands, s.command)
		}
		out, err := w.ip(commands, family, "-json", "-details")
		if err != nil {
			panic(err)
		}
		dump := json.NewDecoder(strings.NewReader(out))
		for _, s := range sightsOf(family) {
			things = append(things, s.read(dump, family)...)
		}
		if _, err := dump.Token(); err != io.EOF {
			panic(fmt.Sprintf("more than was asked for, or %v", err))
		}
	}
	return things
}

// sightsOf leaves out what is no different in the other family.
func sightsOf(family string) []sight {
	if family == "-6" {
		return sights[1:]
	}
	return sights
}

// read takes the answer to the command from a dump.
func (s *sight) read(dump *json.Decoder, family string) (things []thing) {
	var objects []map[string]any
	if err := dump.Decode(&objects); err != nil {
		panic(fmt.Sprintf("%s: %v", s.command, err))
	}
	if s.kind == "address" {
		objects = addressesOf(objects)
	}
	for _, o := range objects {
		if makesItself(s.kind, o) {
			continue
		}
		t := thing{kind: s.kind, owner: fmt.Sprint(o["protocol"])}
		plain(o)
		t.place = s.kind + family
		for _, key := range s.place {
			if (key == "prefixlen" || key == "address") && o["family"] == "inet6" {
				continue
			}
			t.place += fmt.Sprintf(" %s %v", key, o[key])
		}
		line, _ := json.Marshal(o) // of what was JSON before; keys are sorted
		t.line = family + string(line)
		if s.place == nil {
			t.place = t.line
		}
		things = append(things, t)
	}
	switch s.kind {
	case "neighbor", "link": // in the order of a hash, of indices
		slices.SortFunc(things, func(a, b thing) int { return strings.Compare(a.line, b.line) })
	}
	return things
}

// addressesOf gives each interface's addresses its name.
func addressesOf(links []map[string]any) (out []map[string]any) {
	slices.SortFunc(links, func(a, b map[string]any) int { return strings.Compare(a["ifname"].(string), b["ifname"].(string)) })
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

// makesItself says that the kernel makes an object by itself. So these tests make no link-local addresses
// like the kernel's.
func makesItself(kind string, o map[string]any) bool {
	switch kind {
	case "address":
		return o["dev"] == "lo" && (o["local"] == "127.0.0.1" || o["local"] == "::1") ||
			strings.HasPrefix(fmt.Sprint(o["local"]), "fe80::") && strings.Contains(fmt.Sprint(o["local"]), "ff:fe")
	case "route", "rule":
		return o["protocol"] == "kernel"
	case "neighbor":
		dst, err := netip.ParseAddr(fmt.Sprint(o["dst"]))
		return err == nil && dst.IsMulticast()
	}
	return false
}

// plain takes away from an object who made it, and how it happens to be.
func plain(o map[string]any) {
	for _, key := range []string{"protocol", "nh_info", "tentative", "secondary", "ifindex", "operstate", "promiscuity", "allmulti"} {
		delete(o, key)
	}
	maps.DeleteFunc(o, func(key string, v any) bool { // what is always the same, and long
		switch key {
		case "preferred_life_time", "valid_life_time":
			return v == float64(forever)
		case "scope":
			return v == "global"
		case "type":
			return v == "unicast"
		}
		return strings.HasPrefix(key, "gso_") || strings.HasPrefix(key, "gro_") || strings.HasPrefix(key, "tso_")
	})
	if info, ok := o["linkinfo"].(map[string]any); ok {
		for _, data := range []string{"info_data", "info_slave_data"} {
			if data, ok := info[data].(map[string]any); ok {
				maps.DeleteFunc(data, func(key string, _ any) bool { return key == "state" || strings.HasSuffix(key, "_timer") })
			}
		}
	}
	ways, _ := o["nexthops"].([]any)
	for _, way := range append(ways, o) {
		way := way.(map[string]any)
		if flags, ok := way["flags"].([]any); ok {
			way["flags"] = slices.DeleteFunc(flags, func(f any) bool {
				return f == "linkdown" || f == "dead" || f == "LOWER_UP" || f == "NO-CARRIER"
			})
		}
	}
}

// differ shows in what two sights do: the first is what should be.
func differ(want, got []thing) string {
	var b strings.Builder
	lack := func(prefix string, list, from []thing) {
		counts := make(map[thing]int)
		for _, t := range from {
			counts[t]++
		}
		for _, t := range list {
			if counts[t]--; counts[t] < 0 {
				fmt.Fprintf(&b, "%s %v\n", prefix, t)
			}
		}
	}
	lack("missing:", want, got)
	lack("surplus:", got, want)
	return b.String()
}
