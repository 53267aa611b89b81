package sysctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxValue bounds a value: with the newline that ends it, it fits the page that the kernel reads a write into.
const maxValue = 4095

// Value is what a sysctl holds, as text: "1", "4096 131072 6291456", "cubic". Int and Ints make the commonest.
//
// Integers, alone or in lists, compare by token: "4 4 1 7" is "4\t4\t1\t7". Other text compares as it is, but for
// white space at its end. The empty value is one: it clears a text or a list, such as net.ipv4.ip_local_reserved_ports.
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

// took tells whether the kernel, when want was written to the key over before, and it now reads got, has taken want. What it
// left as it was, it ignored; a number that it made another one, it clamped; other text it may put as it likes.
func (k key) took(want, before, got Value) bool {
	return k.same(want, got) || !isInts(string(want)) && !got.is(before)
}

// same tells whether got is want, in whatever form the kernel may give it.
func (k key) same(want, got Value) bool {
	return want.is(got) || k.sameNumbers(want, got) || sameRanges(want, got) || sameWords(want, got) ||
		sameMask(want, got) || sameAddress(want, got)
}

// sameNumbers compares number by number, hexadecimal and octal too, and allows for the key's rounding.
func (k key) sameNumbers(want, got Value) bool {
	a, b := strings.Fields(string(want)), strings.Fields(string(got))
	return len(a) > 0 && slices.EqualFunc(a, b, func(want, got string) bool {
		w, errW := strconv.ParseInt(want, 0, 64)
		g, errG := strconv.ParseInt(got, 0, 64)
		return errW == nil && errG == nil && (w == g || k.rounds(w, g))
	})
}

// sameRanges compares lists such as "80,8080-8080" as the sets that they are.
func sameRanges(want, got Value) bool {
	a, okA := ranges(want)
	b, okB := ranges(got)
	return okA && okB && strings.ContainsAny(string(want), ",-") && slices.Equal(a, b)
}

// ranges gives the numbers of a list as few, ordered ranges.
func ranges(v Value) (set [][2]int, ok bool) {
	for field := range strings.FieldsFuncSeq(string(v), func(r rune) bool { return r == ',' || strings.ContainsRune(space, r) }) {
		from, to, isRange := strings.Cut(field, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last < first {
			return nil, false
		}
		set = append(set, [2]int{first, last})
	}
	slices.SortFunc(set, func(a, b [2]int) int { return a[0] - b[0] })
	merged := set[:0]
	for _, r := range set {
		if n := len(merged); n > 0 && r[0] <= merged[n-1][1]+1 {
			merged[n-1][1] = max(merged[n-1][1], r[1])
			continue
		}
		merged = append(merged, r)
	}
	return merged, true
}

// sameWords compares texts whose words the kernel gives in an order of its own.
func sameWords(want, got Value) bool {
	a, b := strings.Fields(string(want)), strings.Fields(string(got))
	if len(a) < 2 || isInts(string(want)) { // in a list of numbers, the place says what a number is
		return false
	}
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// sameMask compares bit masks, which the kernel gives in hexadecimal, with zeros and commas: "f" as "00000000,0000000f".
func sameMask(want, got Value) bool {
	plain := func(v Value) string {
		return strings.TrimLeft(strings.ReplaceAll(strings.TrimSpace(string(v)), ",", ""), "0")
	}
	isHex := func(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) }
	a, b := plain(want), plain(got)
	return strings.EqualFold(a, b) && a != "" && strings.TrimLeftFunc(a, isHex) == ""
}

// sameAddress compares IP addresses, which the kernel gives at full length.
func sameAddress(want, got Value) bool {
	a, errA := netip.ParseAddr(string(want))
	b, errB := netip.ParseAddr(strings.TrimSpace(string(got)))
	return errA == nil && errB == nil && a == b
}

// NotTakenError says that the kernel accepted a write without an error, and holds something else: it ignored the
// value, or clamped it. (errors.As finds it in the Failed of a report.)
type NotTakenError struct {
	Wanted, Got Value
}

func (e *NotTakenError) Error() string {
	return fmt.Sprintf("the kernel took the write without an error and holds another value: wanted %q, got %q", e.Wanted, e.Got)
}
