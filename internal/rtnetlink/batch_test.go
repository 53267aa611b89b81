package rtnetlink

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// attr is an attribute as a test gives it to a Batch, and gets it back.
type attr struct {
	typ uint16
	v   []byte
}

func u32(v uint32) []byte { return native.AppendUint32(nil, v) }

func collect(b []byte) (attrs []attr) {
	for typ, v := range Attributes(b) {
		attrs = append(attrs, attr{typ, v})
	}
	return attrs
}

func equal(a, b attr) bool { return a.typ == b.typ && bytes.Equal(a.v, b.v) }

// What is built is read back as it was.
func TestBatchRoundTrip(t *testing.T) {
	attrs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) attr {
		return attr{
			typ: rapid.Uint16Range(0, unix.NLA_F_NET_BYTEORDER-1).Draw(t, "type"),
			v:   rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "payload"),
		}
	}))
	var b Batch
	rapid.Check(t, func(t *rapid.T) {
		b.Reset() // its memory holds other requests
		requests := rapid.SliceOf(attrs).Draw(t, "requests")
		fixed := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "fixed")
		for i, attrs := range requests {
			b.Begin(uint16(100+i), unix.NLM_F_DUMP|unix.NLM_F_ACK) // the ack is not the caller's to ask for
			b.Raw(fixed)
			end := b.Nest(7 | unix.NLA_F_NESTED)
			for _, a := range attrs {
				b.Bytes(a.typ, a.v)
			}
			end()
			b.Uint32(8, uint32(i))
		}
		if b.Len() != len(requests) {
			t.Fatalf("Len is %d, want %d", b.Len(), len(requests))
		}
		for i := range requests {
			b.seal(i, uint32(1000+i), i%2 == 0)
		}
		got := 0
		for h, body := range Messages(b.buf) {
			want := Header{Type: uint16(100 + got), Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP, Seq: uint32(1000 + got)}
			if got%2 == 0 {
				want.Flags |= unix.NLM_F_ACK
			}
			if h != want {
				t.Fatalf("header %+v, want %+v", h, want)
			}
			outer := collect(body[align(len(fixed)):])
			if !bytes.Equal(body[:len(fixed)], fixed) || len(outer) != 2 || outer[0].typ != 7 ||
				!equal(outer[1], attr{8, u32(uint32(got))}) {
				t.Fatalf("request %d: %v", got, body)
			}
			if inner := collect(outer[0].v); !slices.EqualFunc(inner, requests[got], equal) {
				t.Fatalf("request %d: attributes %v, want %v", got, inner, requests[got])
			}
			got++
		}
		if got != len(requests) {
			t.Fatalf("%d messages, want %d", got, len(requests))
		}
	})
}

func TestBatchAttributes(t *testing.T) {
	var b Batch
	b.Begin(1, 0)
	b.Uint8(1, 0xfe)
	b.Uint16(2, 0xfedc)
	b.Uint32(3, 0xfedcba98)
	b.String(4, "eth0")
	b.Bytes(5, nil)
	want := []attr{
		{1, []byte{0xfe}}, {2, native.AppendUint16(nil, 0xfedc)}, {3, u32(0xfedcba98)},
		{4, []byte("eth0\x00")}, {5, nil},
	}
	if got := collect(b.buf[unix.SizeofNlMsghdr:]); !slices.EqualFunc(got, want, equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBatchNestsInNests(t *testing.T) {
	var b Batch
	b.Begin(1, 0)
	outer := b.Nest(1)
	inner := b.Nest(2)
	b.Uint32(3, 4)
	inner()
	b.Uint32(5, 6)
	outer()
	top := collect(b.buf[unix.SizeofNlMsghdr:])
	if len(top) != 1 || top[0].typ != 1 {
		t.Fatalf("got %v", top)
	}
	middle := collect(top[0].v)
	if len(middle) != 2 || middle[0].typ != 2 || !equal(middle[1], attr{5, u32(6)}) {
		t.Fatalf("got %v", middle)
	}
	if got := collect(middle[0].v); len(got) != 1 || !equal(got[0], attr{3, u32(4)}) {
		t.Errorf("got %v", got)
	}
}

// A length that does not fit into its 16 bits would turn the payload into attributes.
func TestBatchRefusesWhatDoesNotFit(t *testing.T) {
	c, _ := dial(t)
	for name, build := range map[string]func(*Batch){
		"payload": func(b *Batch) { b.String(unix.IFLA_IFALIAS, strings.Repeat("x", 1<<16-5)) },
		"nested": func(b *Batch) {
			defer b.Nest(unix.NLA_F_NESTED | unix.IFLA_IFALIAS)()
			for range 2 {
				b.Bytes(1, make([]byte, 1<<15))
			}
		},
	} {
		var b Batch
		addRoute(&b, 0)
		b.Begin(unix.RTM_NEWLINK, 0)
		build(&b)
		done, err := c.Do(t.Context(), &b, func(int, error) { t.Error("asked the kernel") })
		if done != 0 || err == nil || !strings.Contains(err.Error(), "requests[1]: attribute 20 ") {
			t.Errorf("%s: %d done, %v", name, done, err)
		}
		b.Reset()
		addRoute(&b, 0)
		mustDo(t, c, &b) // it was not carried out before
		b.Reset()
		delRoute(&b, 0)
		mustDo(t, c, &b)
	}
}

// What fits just so is sent.
func TestBatchLongestAttribute(t *testing.T) {
	var b Batch
	b.Begin(unix.RTM_NEWLINK, 0)
	b.Bytes(1, make([]byte, 1<<16-1-unix.SizeofNlAttr))
	if b.bad != nil {
		t.Error(b.bad)
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	var b Batch
	payload := make([]byte, 16)
	build := func() {
		b.Reset()
		for range 100 {
			b.Begin(1, 0)
			b.Raw(payload)
			end := b.Nest(1)
			b.Bytes(2, payload)
			b.String(3, "eth0")
			b.Uint16(4, 5)
			end()
		}
	}
	build()
	if n := testing.AllocsPerRun(100, build); n != 0 {
		t.Errorf("%v allocations per 100 requests", n)
	}
}
