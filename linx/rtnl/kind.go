package rtnl

import (
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// LinkKind is the kind of an interface, in ip(8)'s words.
type LinkKind string

const (
	KindVeth LinkKind = "veth"
	KindBond LinkKind = "bond"
)

func (l *Link) settingsFault() error { return nil }

func (l *Link) settings() string { return " type " + string(l.Kind) }

func (l *Link) needs() []string { return nil }

func putKind(b *rtnetlink.Batch, l *Link, index func(name string) int32) {
	end := b.Nest(unix.IFLA_LINKINFO | unix.NLA_F_NESTED)
	b.String(unix.IFLA_INFO_KIND, string(l.Kind))
	end()
}

func putKindChange(b *rtnetlink.Batch, want, seen, last *Link, index func(name string) int32) {}

func decodeKind(l *Link, kind string, data []byte, over int32, name namer) { l.Kind = LinkKind(kind) }

func (want *Link) kindDiff(seen, last *Link) (changeable, fixed []string) { return nil, nil }
