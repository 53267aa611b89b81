package rtnl

// LinkKind is the kind of an interface, in ip(8)'s words.
type LinkKind string

const KindVeth LinkKind = "veth"

func (l *Link) settingsFault() error { return nil }

func (l *Link) settings() string { return " type " + string(l.Kind) }
