package rtnl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/linx-go/linx-go/linx"
)

// Veth is what is particular to KindVeth: the other end of the pair. It comes and goes with this one. Of the
// other end nothing else is said here: in this namespace a second Link with its name and without a Kind
// does, in another a Source of that.
type Veth struct {
	// Peer is the other end's name.
	Peer string `json:"peer"`
	// PeerNamespace is where the other end is made. Zero: with this one. (For the namespace of this process,
	// say linx.PID(os.Getpid()).) One that is not there is waited for; nothing tells when it comes, so the timer
	// does. A PID is settled once, when it is first needed. The other end's name there is not looked at later.
	PeerNamespace linx.Namespace `json:"peerNamespace,omitzero"`
}

// words gives " peer name p0 netns /run/netns/blue".
func (v *Veth) words() string {
	s := " peer name " + v.Peer
	if v.PeerNamespace != (linx.Namespace{}) {
		s += " netns " + v.PeerNamespace.String()
	}
	return s
}

func (l *Link) vethFault() error {
	v := &l.Veth
	switch {
	case l.Kind != KindVeth && *v != Veth{}:
		return fmt.Errorf("Veth is set, which is for Kind %q", KindVeth)
	case l.Kind != KindVeth:
		return nil
	case v.Peer == "":
		return errors.New("no Veth.Peer; give the other end's name")
	case v.PeerNamespace == linx.Namespace{} && v.Peer == l.Name:
		return errors.New("it is its own Veth.Peer; the other end needs another name")
	}
	if err := interfaceFault(v.Peer); err != nil {
		return err
	}
	if strings.Contains(v.Peer, "%") {
		return fmt.Errorf("Veth.Peer %q: the kernel would put a number in place of the %%", v.Peer)
	}
	return v.PeerNamespace.Validate()
}
