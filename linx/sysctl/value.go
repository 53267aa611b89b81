package sysctl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxValue bounds a value: with the newline that ends it, it fits the page that the kernel reads a write
// into.
const maxValue = 4095

// Value is what a sysctl holds, as text: "1", "4096 131072 6291456", "cubic". Int and Ints make the
// commonest.
//
// Integers, alone or in lists, compare by token: "4 4 1 7" is "4\t4\t1\t7". Other text compares as it is,
// but for white space at its end. The empty value is one: it clears a text or a list, such as
// net.ipv4.ip_local_reserved_ports.
type Value string

// Int gives n in decimal.
func Int(n int) Value { return Value(strconv.Itoa(n)) }

// Ints gives the numbers in decimal, with a space between.
func Ints(numbers ...int) Value {
	var b []byte
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return Value(b)
}

// check refuses what cannot be written in one piece, or would not be what was written.
func (v Value) check() error {
	switch {
	case len(v) > maxValue:
		return fmt.Errorf("has %d bytes: the kernel takes at most %d", len(v), maxValue)
	case strings.ContainsRune(string(v), 0):
		return fmt.Errorf("%q has a NUL, where the kernel would end it: give text without", v)
	case strings.ContainsAny(string(v), "\n\r"):
		return fmt.Errorf("%q has a newline, where the kernel would end it: give one line, without its end", v)
	}
	return nil
}

// is tells whether two texts are the same value.
func (v Value) is(other Value) bool {
	if v == other {
		return true
	}
	a, b := strings.TrimRight(string(v), space), strings.TrimRight(string(other), space)
	if a == b {
		return true
	}
	if len(a) == 0 || len(b) == 0 || !isInts(a) || !isInts(b) {
		return false
	}
	return slices.Equal(strings.Fields(a), strings.Fields(b))
}

const space = " \t\n\v\f\r"

// isInts tells whether s holds decimal integers and white space alone.
func isInts(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', strings.IndexByte(space, c) >= 0:
		case c == '-' && i+1 < len(s) && '0' <= s[i+1] && s[i+1] <= '9' && (i == 0 || strings.IndexByte(space, s[i-1]) >= 0):
		default:
			return false
		}
	}
	return true
}
