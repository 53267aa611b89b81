package rtnl

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// FuzzDecodeKind: whatever a kernel shows of a link's kind, nothing is read beyond it, it can be printed, and
// what is without fault says the same when it is asked for.
func FuzzDecodeKind(f *testing.F) {
	for _, g := range kindGolden {
		f.Add(request(func(b *rtnetlink.Batch) { putKind(b, &g.link, v0Is3) })[unix.SizeofNlMsghdr:])
	}
	f.Add([]byte("\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // a port of cost 7
		"\x1c\x00\x12\x80\x0b\x00\x04\x00bridge\x00\x00\x0c\x00\x05\x80\x08\x00\x03\x00\x07\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < unix.SizeofIfInfomsg {
			return
		}
		seen := decodeLinkFully(body, is3v0)
		_, _ = seen.String(), seen.Port.words()
		fault := seen.settingsFault()
		if seen.Kind.of() == nil {
			return
		}
		again := decodeLinkFully(request(func(b *rtnetlink.Batch) { putKind(b, &seen.Link, v0Is3) })[unix.SizeofNlMsghdr:], is3v0)
		if changeable, fixed := seen.kindDiff(&again.Link, nil); fault == nil && len(changeable)+len(fixed) > 0 {
			t.Errorf("%s became %s: %q %q", seen.settings(), again.settings(), changeable, fixed)
		}
	})
}
