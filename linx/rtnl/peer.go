package rtnl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
)

// peers are the namespaces that veths have their other ends in, found once: a pid that the kernel hands out
// again does not come to mean another process. They are not kept open, which would keep them alive.
type peers map[linx.Namespace]*linx.Handle

// keep forgets those that a state has no use for.
func (p peers) keep(x *index) {
	for ns := range p {
		if !x.farPeers[ns] {
			delete(p, ns)
		}
	}
}

// open opens the network namespace, to be named in a request. own is the ID of the one that is asked.
func (p peers) open(ns linx.Namespace, own linx.ID) (f *os.File, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the other end's namespace: %w", err)
		}
	}()
	h := p[ns]
	if h == nil {
		if h, err = ns.Find(); err != nil {
			return nil, err
		}
		p[ns] = h
	}
	if err := h.Refresh(); err != nil {
		return nil, err
	}
	defer h.Close()
	if h.ID() == own {
		return nil, errors.New("it is this one: leave out PeerNamespace")
	}
	err = h.Do(func() (err error) {
		f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return f, err
}

// checkPeer notes whether a veth's other end is in the namespace where it is desired. One that cannot be
// looked at, such as one that is gone, is taken for it.
func (p *pass) checkPeer(ctx context.Context, l *seenLink) error {
	i, desired := p.want.link[l.Name]
	if !desired || !l.apart {
		return nil
	}
	ns := p.want.state.Links[i].Veth.PeerNamespace
	if ns == (linx.Namespace{}) {
		return nil
	}
	file := ns.String()
	if pid, ok := strings.CutPrefix(file, "pid "); ok {
		file = "/proc/" + pid + "/ns/net"
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	askNamespace(&p.batch, f)
	err = p.conn.Get(ctx, &p.batch, func(_ uint16, body []byte) error {
		l.elsewhere = decodeNamespace(body) != l.nsid
		return nil
	})
	var refused *rtnetlink.Error
	if errors.As(err, &refused) {
		return nil // it is no namespace
	}
	return err
}

// askNamespace makes b the request for the number that the kernel knows another namespace by, in this one.
func askNamespace(b *rtnetlink.Batch, f *os.File) {
	b.Reset()
	b.Begin(unix.RTM_GETNSID, 0)
	b.Raw([]byte{unix.AF_UNSPEC}) // struct rtgenmsg
	b.Uint32(unix.NETNSA_FD, uint32(f.Fd()))
}

// decodeNamespace gives that number; -1: it has none yet.
func decodeNamespace(body []byte) int32 {
	const sizeofRtGenmsg = 4 // with its padding
	if len(body) < sizeofRtGenmsg {
		return -1
	}
	for typ, v := range rtnetlink.Attributes(body[sizeofRtGenmsg:]) {
		if typ == unix.NETNSA_NSID {
			return int32(uint32At(v))
		}
	}
	return -1
}
