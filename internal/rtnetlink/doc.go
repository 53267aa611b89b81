// Package rtnetlink speaks NETLINK_ROUTE: one request socket per Conn, on Go's netpoller, with streaming
// dumps and batched requests. It knows messages and attributes, but no object: what a route is, is
// its users' business.
package rtnetlink
