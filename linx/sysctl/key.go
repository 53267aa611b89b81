package sysctl

import (
	"errors"
	"fmt"
	"strings"
)

// maxKey bounds the length of a key: the kernel's PATH_MAX, less what stands before it.
const maxKey = 4096 - len(root) - 2

// key is the name of a sysctl in the one form in which the package compares them: its path beneath /proc/sys,
// "net/ipv4/conf/eth0.100/rp_filter".
type key string

// swap turns dots into slashes and slashes into dots: from one form of a key to the other.
var swap = strings.NewReplacer(".", "/", "/", ".")

// parseKey reads a key in either form, as sysctl(8) does: the first separator decides. After a dot, dots
// separate and slashes stand for dots; after a slash, slashes separate and dots are dots.
func parseKey(name string) (key, error) {
	path := name
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '.' {
		path = swap.Replace(name)
	}
	if err := checkPath(path); err != nil {
		return "", err
	}
	if !strings.Contains(path, "/") {
		return "", errors.New("names no key: give the whole name, such as net.ipv4.ip_forward")
	}
	return key(path), nil
}

// checkPath refuses what is no path of plain names beneath a directory.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("is empty: give a name, such as net.ipv4.ip_forward")
	case len(path) > maxKey:
		return fmt.Errorf("has %d bytes: a key has at most %d", len(path), maxKey)
	case path[0] == '/':
		return errors.New("is absolute: give the name beneath /proc/sys, such as net/ipv4/ip_forward")
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
			return errors.New("has an empty part: give names with one separator between them")
		case segment == ".", segment == "..":
			return fmt.Errorf("has the part %q: give the name beneath /proc/sys, without going up or around", segment)
		case strings.ContainsFunc(segment, isControl):
			return errors.New("has a newline, a NUL or another control character: give a plain name")
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// String gives the dot form, "net.ipv4.conf.eth0/100.rp_filter", which is how sysctl(8) prints keys.
func (k key) String() string { return swap.Replace(string(k)) }

// parts gives the path's segments.
func (k key) parts() []string { return strings.Split(string(k), "/") }

// name gives the last part.
func (k key) name() string { return string(k[strings.LastIndexByte(string(k), '/')+1:]) }

// directory gives all but the last part.
func (k key) directory() string { return parent(string(k)) }

func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// checkDevice refuses names that take an interface's dot for a separator.
func (k key) checkDevice() error {
	name, dir := k.device()
	if rest := string(k[len(dir):]); name != "" && strings.Count(rest, "/") > 1 {
		return fmt.Errorf("has too many parts after the interface %s: write a dot in an interface's name as a slash, "+
			"net.ipv4.conf.eth0/100.rp_filter, or the whole name with slashes", name)
	}
	return nil
}

// device gives the interface that the key is about, with the directory that the kernel makes for it:
// "eth0" and "net/ipv4/conf/eth0". Empty: it is about none. The trees of all and default are always there.
func (k key) device() (name, dir string) {
	parts := k.parts()
	if len(parts) < 5 || parts[0] != "net" || parts[2] != "conf" && parts[2] != "neigh" {
		return "", ""
	}
	if name = parts[3]; name == "all" || name == "default" {
		return "", ""
	}
	return name, strings.Join(parts[:4], "/")
}
