package rtnetlink

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorOf(t *testing.T) {
	code := func(n int32) []byte { return native.AppendUint32(nil, uint32(n)) }
	request := make([]byte, unix.SizeofNlMsghdr)
	text := []byte{9, 0, unix.NLMSGERR_ATTR_MSG, 0, 'o', 'h', ' ', 'n', 0, 0, 0, 0}
	offset := []byte{8, 0, unix.NLMSGERR_ATTR_OFFS, 0, 1, 2, 3, 4}
	cat := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	const failed, done, tlvs = unix.NLMSG_ERROR, unix.NLMSG_DONE, unix.NLM_F_ACK_TLVS
	for _, test := range []struct {
		name       string
		typ, flags uint16
		body       []byte
		want       string
	}{
		{"ack", failed, 0, cat(code(0), request), ""},
		{"ack with a text", failed, tlvs, cat(code(0), request, text), ""},
		{"bare errno", failed, 0, cat(code(-17), request), "file exists"},
		{"errno and text", failed, tlvs, cat(code(-22), request, offset, text), "invalid argument: oh n"},
		{"what is no text without the flag", failed, 0, cat(code(-22), request, text), "invalid argument"},
		{"cut off behind the errno", failed, tlvs, code(-22), "invalid argument"},
		{"text cut off", failed, tlvs, cat(code(-22), request, text[:7]), "invalid argument"},
		{"nothing", failed, 0, nil, errMalformed.Error()},
		{"done", done, 0, code(0), ""},
		{"done, with nothing", done, 0, nil, ""},
		{"done, with a number that is no errno", done, 0, code(7), ""},
		{"done, with an errno", done, tlvs, cat(code(-2), text), "no such file or directory: oh n"},
	} {
		err := errorOf(Header{Type: test.typ, Flags: test.flags}, test.body)
		if got := errors.Join(err); got == nil && test.want != "" || got != nil && got.Error() != test.want {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestErrorUnwraps(t *testing.T) {
	var err error = &Error{Errno: unix.EEXIST, Text: "there is one"}
	if !errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOENT) {
		t.Error("errors.Is does not find the errno")
	}
}
