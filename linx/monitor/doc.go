// Package monitor tells what changes in a network namespace: links, addresses, routes, rules and neighbours, as
// ip-monitor(8) does, as a suture.Service.
package monitor
