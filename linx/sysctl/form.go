package sysctl

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// took tells whether the kernel, when want was written to the key over before, and it now reads got, has
// taken want. What it left as it was, it ignored; a number that it made another one, it clamped; other text
// it may put as it likes.
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
	separates := func(r rune) bool { return r == ',' || strings.ContainsRune(space, r) }
	for field := range strings.FieldsFuncSeq(string(v), separates) {
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

// sameMask compares bit masks, which the kernel gives in hexadecimal, with zeros and commas: "f" as
// "00000000,0000000f".
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

// NotTakenError says that the kernel accepted a write without an error, and holds something else: it
// ignored the value, or clamped it. (errors.As finds it in the Failed of a report.)
type NotTakenError struct {
	Wanted, Got Value
}

func (e *NotTakenError) Error() string {
	return fmt.Sprintf("the kernel took the write without an error and holds another value: wanted %q, got %q",
		e.Wanted, e.Got)
}

// rounds tells whether the kernel makes got of want where it holds the key's number in a unit of its own:
// jiffies for some times of net.*, a power of two for a table's size. Whatever else becomes another number
// has been clamped.
func (k key) rounds(want, got int64) bool {
	switch {
	case k.domain() == network && k.isTime():
		return inJiffies(want, got)
	case k == "net/core/rps_sock_flow_entries":
		return want > 0 && got > want && got/2 < want && bits.OnesCount64(uint64(got)) == 1
	default:
		return false
	}
}

// isTime tells whether the kernel holds the key in jiffies, and takes it in a finer unit.
func (k key) isTime() bool {
	name := k.name()
	return strings.Contains(string(k), "/neigh/") || strings.HasSuffix(name, "_ms") || strings.HasSuffix(name, "ratelimit") ||
		strings.HasPrefix(name, "mldv") && strings.HasSuffix(name, "_interval")
}

// inJiffies tells whether got is want after being held in jiffies, which are 1000 a second (and round
// nothing), 300, 250 or 100: as milliseconds, rounded up, or as hundredths of a second, rounded down.
func inJiffies(want, got int64) bool {
	for _, hz := range []int64{300, 250, 100} {
		jiffies := (want*hz + 999) / 1000
		if got == jiffies*1000/hz || got == (want*hz/100)*100/hz {
			return true
		}
	}
	return false
}
