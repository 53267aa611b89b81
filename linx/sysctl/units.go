package sysctl

import (
	"math/bits"
	"strings"
)

// rounds tells whether the kernel makes got of want where it holds the key's number in a unit of its own: jiffies for some
// times of net.*, a power of two for a table's size. Whatever else becomes another number has been clamped.
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
	name := string(k[strings.LastIndexByte(string(k), '/')+1:])
	return strings.Contains(string(k), "/neigh/") || strings.HasSuffix(name, "_ms") || strings.HasSuffix(name, "ratelimit") ||
		strings.HasPrefix(name, "mldv") && strings.HasSuffix(name, "_interval")
}

// inJiffies tells whether got is want after being held in jiffies, which are 1000 a second (and round nothing), 300, 250
// or 100: as milliseconds, rounded up, or as hundredths of a second, rounded down.
func inJiffies(want, got int64) bool {
	for _, hz := range []int64{300, 250, 100} {
		jiffies := (want*hz + 999) / 1000
		if got == jiffies*1000/hz || got == (want*hz/100)*100/hz {
			return true
		}
	}
	return false
}
