package linx_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx"
)

func TestNamespace(t *testing.T) {
	var zero linx.Namespace
	if zero != linx.Self() {
		t.Error("the zero value is not Self")
	}
	names := map[linx.Namespace]bool{linx.Self(): true, linx.PID(4711): true, linx.Path("/a"): true}
	if !names[linx.PID(4711)] || !names[linx.Path("/a")] || names[linx.PID(4712)] || names[linx.Path("/b")] {
		t.Error("namespaces do not compare by name")
	}
	for ns, want := range map[linx.Namespace]string{
		linx.Self():                  "self",
		linx.PID(4711):               "pid 4711",
		linx.Path("/run/netns/blue"): "/run/netns/blue",
	} {
		if got := ns.String(); got != want {
			t.Errorf("String: %q, want %q", got, want)
		}
		if err := ns.Validate(); err != nil {
			t.Errorf("%s: %v", ns, err)
		}
	}
}

// TestNamespaceText: as JSON and back, and nothing else is taken.
func TestNamespaceText(t *testing.T) {
	type named struct {
		NS linx.Namespace `json:"ns,omitzero"`
	}
	for ns, want := range map[linx.Namespace]string{
		linx.Self():                  `{}`,
		linx.PID(4711):               `{"ns":"pid 4711"}`,
		linx.Path("/run/netns/blue"): `{"ns":"/run/netns/blue"}`,
	} {
		data, err := json.Marshal(named{ns})
		if err != nil || string(data) != want {
			t.Errorf("%v: %s, %v; want %s", ns, data, err, want)
		}
		back := named{linx.PID(1)}
		if ns == linx.Self() {
			data = []byte(`{"ns":"self"}`)
		}
		if err := json.Unmarshal(data, &back); err != nil || back.NS != ns {
			t.Errorf("%s: %v, %v", data, back.NS, err)
		}
	}
	if data, err := json.Marshal(named{linx.PID(-1)}); err == nil {
		t.Errorf("no pid, and yet %s", data)
	}
	for _, text := range []string{"", "blue", "run/netns/blue", "pid", "pid x", "pid 0", "pid:7"} {
		ns := linx.PID(1)
		if err := ns.UnmarshalText([]byte(text)); err == nil || ns != linx.PID(1) {
			t.Errorf("%q: %v, %v", text, ns, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		ns   linx.Namespace
		want string
	}{
		{linx.PID(0), "PID(0): a pid is between 1 and 4194304"},
		{linx.PID(-1), "PID(-1): a pid is between 1"},
		{linx.PID(1<<22 + 1), "a pid is between 1"},
		{linx.PID(math.MaxInt64), "a pid is between 1"},
		{linx.PID(1<<32 + 1), "a pid is between 1"}, // not pid 1, though the kernel would take it for that
		{linx.Path(""), "want the path of a network namespace"},
		{linx.Path("blue"), "want an absolute path, as /run/netns/blue"},
		{linx.Path("./blue"), "want an absolute path"},
		{linx.Path("/run/\x00"), "cannot hold a NUL"},
	} {
		_, findErr := c.ns.Find()
		_, openErr := c.ns.Open()
		for _, err := range []error{c.ns.Validate(), findErr, openErr} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: got %v, want %q", c.ns, err, c.want)
			}
		}
	}
}
