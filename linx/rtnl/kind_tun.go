package rtnl

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Tun is what is particular to KindTun: an interface whose other end is a program that opens /dev/net/tun. It
// is made by opening that too, so that Source needs it, and may it; and kept by TUNSETPERSIST until it is
// deleted. It cannot be pasted behind "ip link add": that has no tun, which "ip tuntap add" makes. Nothing of
// it can be changed.
type Tun struct {
	// Mode is what it carries. It must be given.
	Mode TunMode `json:"mode,omitempty"`
	// User and Group are the ids of who may use it besides those with CAP_NET_ADMIN. 0: nobody; negative: 0,
	// root.
	User  int32 `json:"user,omitempty"`
	Group int32 `json:"group,omitempty"`
	// PacketInfo puts a struct tun_pi before each packet.
	PacketInfo bool `json:"pi,omitempty"`
	// VNetHeader puts a struct virtio_net_hdr before each packet.
	VNetHeader bool `json:"vnet_hdr,omitempty"`
	// MultiQueue lets it be opened several times, for a queue each.
	MultiQueue bool `json:"multi_queue,omitempty"`
}

// TunMode is what a tun carries.
type TunMode string

const (
	TunIP       TunMode = "tun" // IP packets
	TunEthernet TunMode = "tap" // Ethernet frames
)

var tunModes = []word{{"", 0}, {"tun", unix.IFF_TUN}, {"tap", unix.IFF_TAP}}

func (t *Tun) settings() []setting {
	return []setting{
		{"mode", unix.IFLA_TUN_TYPE, oneOf(&t.Mode, tunModes), fixed | must},
		{"user", unix.IFLA_TUN_OWNER, u32(&t.User).or(math.MaxUint32), fixed},
		{"group", unix.IFLA_TUN_GROUP, u32(&t.Group).or(math.MaxUint32), fixed},
		{"pi", unix.IFLA_TUN_PI, yes(&t.PacketInfo), fixed},
		{"vnet_hdr", unix.IFLA_TUN_VNET_HDR, yes(&t.VNetHeader), fixed},
		{"multi_queue", unix.IFLA_TUN_MULTI_QUEUE, yes(&t.MultiQueue), fixed},
	}
}

// create makes a tun with that name and index, on a thread inside the namespace. What is there already is
// EBUSY.
func (t *Tun) create(name string, index int32) (err error) {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	request.SetUint16(t.flags())
	fd := int(f.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETIFINDEX, int(index)); err != nil {
		return fmt.Errorf("TUNSETIFINDEX: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	for _, set := range []struct {
		name    string
		request uint
		asked   int32
	}{{"TUNSETOWNER", unix.TUNSETOWNER, t.User}, {"TUNSETGROUP", unix.TUNSETGROUP, t.Group}, {"TUNSETPERSIST", unix.TUNSETPERSIST, 1}} {
		if set.asked == 0 {
			continue
		}
		if err := unix.IoctlSetInt(fd, set.request, int(max(set.asked, 0))); err != nil {
			return fmt.Errorf("%s: %w", set.name, err)
		}
	}
	return nil
}

func (t *Tun) flags() uint16 {
	flags := uint16(unix.IFF_TUN | unix.IFF_TUN_EXCL)
	if t.Mode == TunEthernet {
		flags = unix.IFF_TAP | unix.IFF_TUN_EXCL
	}
	if !t.PacketInfo {
		flags |= unix.IFF_NO_PI
	}
	if t.VNetHeader {
		flags |= unix.IFF_VNET_HDR
	}
	if t.MultiQueue {
		flags |= unix.IFF_MULTI_QUEUE
	}
	return flags
}
