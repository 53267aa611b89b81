// Package bench measures linx-go against the kernel's own floor: what a minimal program, which packs netlink
// messages and does nothing else, takes for the same work in the same run. Absolute times say more about a
// machine than about a library; the ratio, x-floor, does not.
//
//	go test ./internal/bench -run '^$' -bench .
//	go run ./internal/bench/table # the same, and writes the README's tables
//
// Everything happens in throwaway namespaces.
package bench
