package rtnl

import (
	"encoding/json"
	"fmt"
)

// What a deletion by others, or of others', hits besides what it is meant for.

// hides says that t cannot be deleted with before in front of it: what t lacks the kernel does not ask for.
func hides(before, t thing) bool {
	if before.owner != t.owner || t.kind != "route" {
		return false
	}
	a, b := parse(before.line), parse(t.line)
	several := b["nexthops"] != nil
	there, asked := shownWays(a), shownWays(b)
	if len(there) > len(asked) && several {
		return false
	}
	for i := range asked[:min(len(asked), len(there))] {
		for _, key := range []string{"gateway", "dev"} {
			if asked[i][key] != nil && asked[i][key] != there[i][key] {
				return false
			}
		}
	}
	for key, v := range b {
		switch key {
		case "flags", "nexthops", "gateway", "dev":
		default:
			if fmt.Sprint(v) != fmt.Sprint(a[key]) {
				return false
			}
		}
	}
	return true
}

// deletes says that others who delete the first address delete the other: they name neither metric nor
// lifetimes.
func deletes(line, other string) bool {
	if other == "" {
		return false
	}
	a, b := parse(line), parse(other)
	for _, key := range []string{"local", "prefixlen", "address", "label"} {
		if a[key] != b[key] && (key != "address" || a["family"] == "inet") {
			return false
		}
	}
	return true
}

func parse(line string) (object map[string]any) {
	if err := json.Unmarshal([]byte(line[len("-4"):]), &object); err != nil {
		panic(err)
	}
	return object
}

// shownWays gives the ways of a route: itself, if it leads one way.
func shownWays(route map[string]any) (ways []map[string]any) {
	several, _ := route["nexthops"].([]any)
	for _, way := range several {
		ways = append(ways, way.(map[string]any))
	}
	if len(ways) == 0 {
		ways = append(ways, route)
	}
	return ways
}
