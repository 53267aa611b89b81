package sysctl

import (
	"path"
	"strings"
	"testing"
)

func TestKeyForms(t *testing.T) {
	for _, c := range []struct{ name, path, dots string }{
		{"net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4.ip_forward"},
		{"net/ipv4/ip_forward", "net/ipv4/ip_forward", "net.ipv4.ip_forward"},
		{"kernel/random.boot_id", "kernel/random.boot_id", "kernel.random/boot_id"},
		{"net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"},
		{"net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"},
		{"net.ipv4.conf.eth0.100.rp_filter", "net/ipv4/conf/eth0/100/rp_filter", "net.ipv4.conf.eth0.100.rp_filter"},
	} {
		k, err := parseKey(c.name)
		if err != nil || string(k) != c.path || k.String() != c.dots {
			t.Errorf("%q: path %q, dots %q, %v; want %q, %q", c.name, k, k.String(), err, c.path, c.dots)
		}
	}
}

func TestKeyRefused(t *testing.T) {
	for name, why := range map[string]string{
		"":                                  "is empty",
		"kernel":                            "names no key",
		"/proc/sys/net/ipv4/ip_forward":     "is absolute",
		".net.ipv4.ip_forward":              "is absolute",
		"net..ip_forward":                   "an empty part",
		"net/ipv4//ip_forward":              "an empty part",
		"net.ipv4.ip_forward.":              "an empty part",
		"net/ipv4/":                         "an empty part",
		"net/../kernel/hostname":            `has the part ".."`,
		"net.//.kernel.hostname":            `has the part ".."`,
		"net/./ipv4":                        `has the part "."`,
		"../etc/passwd":                     "is absolute", // the first separator is a dot: it reads //etc/passwd
		"net/ipv4/ip_forward\n":             "newline",
		"net.ipv4.ip_forward\x00x":          "NUL",
		"net.ipv4.\x7f":                     "control",
		"net/" + strings.Repeat("a/", 2100): "has 4204 bytes",
	} {
		if k, err := parseKey(name); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.50q: %q, %v; want an error with %q", name, k, err, why)
		}
	}
}

func TestDevice(t *testing.T) {
	for name, want := range map[string][2]string{
		"net/ipv4/conf/eth0.1/rp_filter":           {"eth0.1", "net/ipv4/conf/eth0.1"},
		"net.ipv6.neigh.eth0.gc_stale_time":        {"eth0", "net/ipv6/neigh/eth0"},
		"net.mpls.conf.eth0.input":                 {"eth0", "net/mpls/conf/eth0"},
		"net.ipv4.conf.all.rp_filter":              {},
		"net.ipv4.conf.default.rp_filter":          {},
		"net.ipv4.ip_forward":                      {},
		"net.netfilter.nf_log.2":                   {},
		"kernel.conf.some.thing.that_has_no_iface": {},
	} {
		k, err := parseKey(name)
		if err != nil {
			t.Fatal(err)
		}
		if device, dir := k.device(); device != want[0] || dir != want[1] {
			t.Errorf("%s: %q, %q; want %q", name, device, dir, want)
		}
	}
}

// FuzzKey: whatever is accepted stays beneath the directory, and its dot form means the same.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/rp_filter", "a.b/c", "a/../b", "..", "a.//.b", "a\x00.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		k, err := parseKey(name)
		if err != nil {
			return
		}
		if p := string(k); path.Clean("/"+p) != "/"+p || strings.ContainsAny(p, "\x00\n") || !strings.Contains(p, "/") {
			t.Errorf("%q was accepted as %q", name, p)
		}
		for _, form := range []string{string(k), k.String()} {
			if again, err := parseKey(form); err != nil || again != k {
				t.Errorf("%q is %q, whose form %q is %q, %v", name, string(k), form, string(again), err)
			}
		}
	})
}
