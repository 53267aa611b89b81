package rtnl

import "golang.org/x/sys/unix"

// VRF is what is particular to KindVRF. The kernel changes nothing of it in place.
type VRF struct {
	// Table is the routing table that its ports use. It must be given.
	Table uint32 `json:"table,omitempty"`
}

func (v *VRF) settings() []setting {
	return []setting{{"table", unix.IFLA_VRF_TABLE, u32(&v.Table), fixed | must}}
}
