package rtnl

import (
	"strconv"
	"strings"
	"unicode"
)

// linkAttribute is a setting that interfaces of all kinds have, and that can be changed in place. Its values
// are text, so that they can be compared, kept and printed alike: "" is nothing, or zero.
type linkAttribute struct {
	name  string // ip(8)'s word, where it has a value
	value func(*Link) string
}

// linkAttributes are in the order in which they are changed: a bond takes only ports that are down.
var linkAttributes = [...]linkAttribute{
	{"mtu", func(l *Link) string { return number(l.MTU) }},
	{"address", func(l *Link) string {
		if l.Address == (MAC{}) {
			return ""
		}
		return l.Address.String()
	}},
	{"txqueuelen", func(l *Link) string { return number(l.TxQueueLen) }},
	{"group", func(l *Link) string { return number(l.Group) }},
	{"alias", func(l *Link) string { return l.Alias }},
	{"master", func(l *Link) string { return l.Master }},
	{"state", func(l *Link) string { return l.Admin.String() }},
}

// attributeNamed gives one of linkAttributes.
func attributeNamed(name string) *linkAttribute {
	for i := range linkAttributes {
		if linkAttributes[i].name == name {
			return &linkAttributes[i]
		}
	}
	return nil
}

// words gives " mtu 1400", as ip(8) wants it.
func (a *linkAttribute) words(value string) string {
	switch {
	case a.name == "state":
		return " " + value
	case a.name == "master" && value == NoMaster:
		return " nomaster"
	case a.name == "alias":
		return " alias " + quoted(value)
	}
	return " " + a.name + " " + value
}

// quoted makes one word of s for a shell.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:/@", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// number gives "" for 0.
func number(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}
