package sysctl

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

func TestParseConf(t *testing.T) {
	for text, want := range map[string]Settings{
		"":                                 {},
		"# a comment\n; another\n\n  \t\n": {},
		"net.ipv4.ip_forward=1":            {"net.ipv4.ip_forward": "1"},
		" net.ipv4.ip_forward = 1 \r\n":    {"net.ipv4.ip_forward": "1"},
		"net/ipv4/conf/eth0.1/rp_filter = 1\nnet.ipv4.conf.eth0/1.rp_filter = 2": {"net.ipv4.conf.eth0/1.rp_filter": "2"},
		"kernel.core_pattern = |/bin/x a=b # c":                                  {"kernel.core_pattern": "|/bin/x a=b # c"},
		"net.ipv4.ip_local_reserved_ports =":                                     {"net.ipv4.ip_local_reserved_ports": ""},
		"-net.ipv4.ip_forward = 1":                                               {"net.ipv4.ip_forward": "1"},
		"- net.ipv4.ip_forward = 1":                                              {"net.ipv4.ip_forward": "1"},
		"-net.ipv4.ip_forward":                                                   {"-net.ipv4.ip_forward": ""},
		"-net.ipv4.ip_forward\nnet/ipv4/ip_forward=1":                            {"net.ipv4.ip_forward": "1"},
		"net/ipv4/ip_forward=1\n-net.ipv4.ip_forward":                            {"-net.ipv4.ip_forward": ""},
		"net.ipv4.conf.*.rp_filter=1\nnet.ipv4.conf.e*.rp_filter=2":              {"net.ipv4.conf.*.rp_filter": "1", "net.ipv4.conf.e*.rp_filter": "2"},
		"net.ipv4.conf.*.rp_filter=1\nnet.ipv4.conf.*.rp_filter=2":               {"net.ipv4.conf.*.rp_filter": "2"},
		"net.ipv4.conf.e*.rp_filter=2\nnet.ipv6.conf.*.rp_filter=1":              {"net.ipv4.conf.e*.rp_filter": "2", "net.ipv6.conf.*.rp_filter": "1"},
	} {
		if got, err := ParseConf(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseConfRefused(t *testing.T) {
	for text, why := range map[string]string{
		"a.b=1\nnet.ipv4.ip_forward":           "line 2: ",
		"#\n\n= 1":                             "line 3: key \"\": is empty",
		"net..x = 1":                           "line 1: key \"net..x\": has an empty part",
		"../x = 1":                             "is absolute",
		"net.x = a\x00b":                       "line 1: key \"net.x\": value",
		"net.x = " + strings.Repeat("x", 5000): "at most 4095",
		"net.[ = 1":                            "is no pattern",
		"net.ipv4.conf.eth0.5.rp_filter = 1":   "line 1: key \"net.ipv4.conf.eth0.5.rp_filter\": has too many parts",
		"*.x = 1":                              "first part",
		"-net.ipv4.conf.*.x":                   "by their names",
		"net.ipv4.conf.e*.x=2\n#\nnet.ipv4.conf.*.x=1":                    "line 3: pattern \"net.ipv4.conf.*.x\" may match a key that \"net.ipv4.conf.e*.x\" of line 1 matches",
		"net.ipv4.conf.e*.x=2\nnet.ipv4.conf.*0.x=1\nnet.ipv4.ip_forward": "line 2: ",
	} {
		if got, err := ParseConf(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.60q: %v, %v; want %q", text, got, err, why)
		}
	}
}

// FuzzParseConf: whatever is read, New takes, and it reads the same when it is written again.
func FuzzParseConf(f *testing.F) {
	for _, seed := range []string{"net.ipv4.ip_forward=1\n-a.b\nc/*/d = e", "# x\n;\n", "a.b\nc", "net.[a-]*.b=1\nnet.?.b=2", "-a.b = c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := ParseConf(text)
		if err != nil {
			return
		}
		var lines strings.Builder
		for name, value := range settings {
			if strings.ContainsAny(name, "*?[\\") {
				return // in another order, patterns may be refused
			}
			lines.WriteString(name)
			if !strings.HasPrefix(name, "-") {
				lines.WriteString("=" + string(value))
			}
			lines.WriteString("\n")
		}
		again, err := ParseConf(lines.String())
		if err != nil || !reflect.DeepEqual(again, settings) {
			t.Errorf("%q gives %v, and again %v, %v", text, settings, again, err)
		}
	})
}

// procps' sysctl(8) and a source make the same of one file.
func TestParseConfAgainstProcps(t *testing.T) {
	if _, err := exec.LookPath("sysctl"); err != nil {
		t.Skip(err)
	}
	const text = `# comment
; another
net.ipv4.ip_forward = 1
net/ipv4/conf/v0.1/arp_filter=1
-net.ipv4.nonsense = 7
net.ipv4.conf.w0.arp_filter=1
  net.ipv4.ip_local_port_range =   20000   30000
net.ipv4.tcp_syncookies = 2
net.ipv4.tcp_syncookies = 0
net.ipv4.ip_local_reserved_ports = 80,8080-8080
`
	theirs, ours := testns.New(t), testns.New(t)
	file := t.TempDir() + "/conf"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testns.Net{theirs, ours} {
		n.Veth("v0.1", "w0")
	}
	theirs.Do(func() {
		if out, err := exec.Command("sysctl", "-p", file).CombinedOutput(); err != nil {
			t.Logf("%v: %s", err, out)
		}
	})
	settings, err := ParseConf(text)
	if err != nil {
		t.Fatal(err)
	}
	reconciled(t, source(t, ours.Namespace(), Options{}), settings, LastApplied{})
	names, err := List(linx.Path(theirs.Path()), "net")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		a, errA := Read(theirs.Namespace(), name)
		b, errB := Read(ours.Namespace(), name)
		if (errA == nil) != (errB == nil) || a != b && !strings.HasSuffix(name, "nf_conntrack_count") {
			t.Errorf("%s: %q, %v by sysctl(8), %q, %v by us", name, a, errA, b, errB)
		}
	}
	if got := look(t, ours, "net/ipv4/conf/v0.1/arp_filter"); got != "1" {
		t.Errorf("arp_filter is %q", got)
	}
}
