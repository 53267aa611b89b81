// Package rtnetlink speaks NETLINK_ROUTE: a Socket is one netlink socket in one namespace, on Go's
// netpoller; a Conn makes requests on one, with streaming dumps and batched changes. The package knows
// messages and attributes, but no object: what a route is, is its users' business.
//
// What the kernel promises and this relies on (net/netlink/af_netlink.c): a request is carried out, and its
// answer queued, before sendmsg returns; in one sendmsg of many requests, each that fails is answered with
// its own sequence number, and the rest is carried out all the same. So one ack, of the last request, tells
// that all are done.
package rtnetlink
