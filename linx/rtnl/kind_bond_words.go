package rtnl

// BondMode is how a bond spreads packets over its ports.
type BondMode string

const (
	BondRoundRobin   BondMode = "balance-rr"    // one after the other
	BondActiveBackup BondMode = "active-backup" // one, until it fails
	BondXOR          BondMode = "balance-xor"   // by a hash
	BondBroadcast    BondMode = "broadcast"     // each packet by all
	Bond8023AD       BondMode = "802.3ad"       // by a hash, as agreed by LACP
	BondTLB          BondMode = "balance-tlb"   // by load, when sending
	BondALB          BondMode = "balance-alb"   // by load, both ways
)

var bondModes = []word{{"balance-rr", 0}, {"active-backup", 1}, {"balance-xor", 2}, {"broadcast", 3},
	{"802.3ad", 4}, {"balance-tlb", 5}, {"balance-alb", 6}}

// BondARPValidate is which ports' ARP answers a bond looks at. Ports that are filtered count nothing else as
// a sign of life.
type BondARPValidate string

const (
	BondValidateNone         BondARPValidate = "none"
	BondValidateActive       BondARPValidate = "active"
	BondValidateBackup       BondARPValidate = "backup"
	BondValidateAll          BondARPValidate = "all"
	BondValidateFilter       BondARPValidate = "filter"
	BondValidateFilterActive BondARPValidate = "filter_active"
	BondValidateFilterBackup BondARPValidate = "filter_backup"
)

var bondARPValidate = []word{{"none", 0}, {"active", 1}, {"backup", 2}, {"all", 3},
	{"filter", 4}, {"filter_active", 5}, {"filter_backup", 6}}

// BondReselect is when the primary port is used again that had failed.
type BondReselect string

const (
	BondReselectAlways  BondReselect = "always"  // once it works
	BondReselectBetter  BondReselect = "better"  // if it is faster than the one in use
	BondReselectFailure BondReselect = "failure" // if the one in use fails
)

var bondReselects = []word{{"always", 0}, {"better", 1}, {"failure", 2}}

// BondFailOverMAC is which link-layer address a bond has in mode active-backup.
type BondFailOverMAC string

const (
	BondFailOverNone   BondFailOverMAC = "none"   // its own, which all ports have too
	BondFailOverActive BondFailOverMAC = "active" // that of the port in use
	BondFailOverFollow BondFailOverMAC = "follow" // its own, which only the port in use has
)

var bondFailOverMACs = []word{{"none", 0}, {"active", 1}, {"follow", 2}}

// BondHashPolicy is what of a packet chooses the port. By encap, it is the inner headers of tunnels.
type BondHashPolicy string

const (
	BondHashLayer2  BondHashPolicy = "layer2"      // link-layer addresses
	BondHashLayer34 BondHashPolicy = "layer3+4"    // IP addresses and ports
	BondHashLayer23 BondHashPolicy = "layer2+3"    // link-layer and IP addresses
	BondHashEncap23 BondHashPolicy = "encap2+3"    // link-layer and IP addresses
	BondHashEncap34 BondHashPolicy = "encap3+4"    // IP addresses and ports
	BondHashVLAN    BondHashPolicy = "vlan+srcmac" // VLAN and source address
)

var bondHashPolicies = []word{{"layer2", 0}, {"layer3+4", 1}, {"layer2+3", 2}, {"encap2+3", 3}, {"encap3+4", 4}, {"vlan+srcmac", 5}}

// BondLACPRate is how often a bond asks for LACP packets.
type BondLACPRate string

const (
	BondLACPSlow BondLACPRate = "slow" // each 30 s
	BondLACPFast BondLACPRate = "fast" // each second
)

var bondLACPRates = []word{{"slow", 0}, {"fast", 1}}

// BondADSelect is which aggregate of ports a bond uses.
type BondADSelect string

const (
	BondADStable    BondADSelect = "stable"    // the one with most bandwidth, until it fails
	BondADBandwidth BondADSelect = "bandwidth" // the one with most bandwidth
	BondADCount     BondADSelect = "count"     // the one with most ports
)

var bondADSelects = []word{{"stable", 0}, {"bandwidth", 1}, {"count", 2}}
