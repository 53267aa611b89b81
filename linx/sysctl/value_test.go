package sysctl

import (
	"strings"
	"testing"
)

func TestInts(t *testing.T) {
	for got, want := range map[Value]Value{Int(-1): "-1", Ints(): "", Ints(4, 4, 1, 7): "4 4 1 7"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSameValue(t *testing.T) {
	for _, c := range []struct {
		a, b Value
		want bool
	}{
		{"1", "1", true},
		{"1", "1 ", true},
		{"1", " 1", true},
		{"4\t4\t1\t7", "4 4 1 7", true},
		{"4 4 1", "4 4 1 7", false},
		{"-1", "-1\n", true},
		{"-1", "- 1", false},
		{"1-1", "1 -1", false},
		{"", "0", false},
		{"", " ", true},
		{"cubic", "cubic\n", true},
		{"cubic", " cubic", false},
		{"reno  cubic", "reno cubic", false},
		{"1", "01", false},
		{"8080-8080", "8080", false},
	} {
		if c.a.is(c.b) != c.want || c.b.is(c.a) != c.want {
			t.Errorf("%q is %q: want %v", c.a, c.b, c.want)
		}
	}
}

func TestTook(t *testing.T) {
	const anyKey, neighbour, table = key("net/ipv4/any"), key("net/ipv4/neigh/eth0/locktime"), key("net/core/rps_sock_flow_entries")
	for _, c := range []struct {
		key               key
		want, before, got Value
		taken             bool
	}{
		{anyKey, "1", "0", "1", true},
		{anyKey, "1", "0", "0", false}, // ignored
		{anyKey, "2", "0", "1", false}, // clamped
		{anyKey, "0", "1", "1", false},
		{anyKey, "7", "7", "7", true},
		{anyKey, "1005", "1000", "1008", false},
		{"net/ipv6/route/gc_min_interval_ms", "1005", "1000", "1008", true}, // as jiffies, at 250 Hz
		{neighbour, "1005", "1000", "1008", true},
		{neighbour, "1005", "1008", "1008", true},
		{neighbour, "1005", "1000", "1010", true}, // at 100 Hz
		{neighbour, "1005", "1000", "1004", true}, // hundredths of a second
		{neighbour, "1005", "1000", "1000", false},
		{neighbour, "0", "4", "4", false},
		{table, "1000", "0", "1024", true},
		{table, "1000", "0", "2048", false},
		{anyKey, "1000", "0", "1024", false},
		{anyKey, "100000", "0", "65535", false},
		{anyKey, "0x10", "0", "16", true},
		{anyKey, "010", "0", "8", true},
		{anyKey, "1 2", "1", "1", false},
		{anyKey, "4096", "1 2 3", "4096 2 3", false}, // the others were not asked for
		{anyKey, "8080-8080", "", "8080", true},
		{anyKey, "8080-8080,80", "80,8080", "80,8080", true},
		{anyKey, "1,2,3,5", "", "1-3,5", true},
		{anyKey, "1,2", "", "1", true}, // text that moved: the kernel's own business
		{anyKey, "1,2", "1", "1", false},
		{anyKey, "reno cubic", "cubic reno", "cubic reno", true},
		{anyKey, "ff", "0000,000000ff", "0000,000000ff", true},
		{anyKey, "fe", "0000,000000ff", "0000,000000ff", false},
		{anyKey, "2001:db8::1", "x", "2001:0db8:0000:0000:0000:0000:0000:0001", true},
		{anyKey, "a b", "a", "a", false},
		{anyKey, "2 1", "1 2", "1 2", false}, // numbers have their places
	} {
		if got := c.key.took(c.want, c.before, c.got); got != c.taken {
			t.Errorf("%s: %q written over %q, read back as %q: taken %v, want %v", c.key, c.want, c.before, c.got, got, c.taken)
		}
	}
}

func TestValueRefused(t *testing.T) {
	for value, why := range map[Value]string{
		"1\n":         "has a newline",
		"1\n2":        "has a newline",
		"1\r":         "has a newline",
		"a\x00b":      "has a NUL",
		longest + "x": "has 4096 bytes",
	} {
		if err := value.check(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.20q: %v; want an error with %q", value, err, why)
		}
	}
	for _, value := range []Value{"", "1", "a b", longest} {
		if err := value.check(); err != nil {
			t.Errorf("%.20q: %v", value, err)
		}
	}
}

var longest = Value(strings.Repeat("x", maxValue))

// FuzzValue: comparing is reflexive and symmetric, and what is the same has been taken, whatever was there
// before.
func FuzzValue(f *testing.F) {
	for _, seed := range [][2]string{{"1", "1"}, {"4 4", "4\t4"}, {"8080-8080,1", "1,8080"}, {"-", "--"}, {"0x", "0"}, {"1-", "9-1"}, {"", " "}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		const k = key("net/ipv4/neigh/eth0/locktime")
		v, w := Value(a), Value(b)
		if !v.is(v) || !k.same(v, v) || !k.took(v, w, v) {
			t.Errorf("%q is not itself", a)
		}
		if v.is(w) != w.is(v) {
			t.Errorf("%q and %q: the order makes a difference", a, b)
		}
		if v.is(w) && !k.took(v, "", w) {
			t.Errorf("%q is %q, and was not taken", a, b)
		}
		if k.took(v, w, w) && !k.same(v, w) {
			t.Errorf("%q: %q stayed, and it counts as taken", a, b)
		}
	})
}
