package testns

import "testing"

func TestMain(m *testing.M) { Main(m) }

func TestSmoke(t *testing.T) {
	n := New(t)
	n.Veth("v0", "v1")
	links, err := n.Netlink().LinkList()
	if err != nil || len(links) != 3 {
		t.Fatal(links, err)
	}
	t.Log(n.Process().PID(), n.Path(), n.IP("-br", "link"))
}
