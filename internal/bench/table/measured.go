package main

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

// measured is what go test -bench printed.
type measured struct {
	machine string
	values  map[string]float64 // by benchmark and unit: "Converge/ipv4/1000 x-floor"
}

var processors = regexp.MustCompile(`-\d+$`)

func parse(lines *bufio.Scanner) measured {
	m := measured{values: map[string]float64{}}
	for lines.Scan() {
		line := lines.Text()
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			m.machine = cpu
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		// A name, a number of iterations, and pairs of value and unit.
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				m.values[name+" "+fields[i+1]] = v
			}
		}
	}
	return m
}

// write prints the table. What was not measured is "-".
func (m measured) write(w io.Writer) error {
	t := template.New("table").Funcs(template.FuncMap{
		"machine": func() string { return m.machine },
		"value":   func(name, unit string) string { return m.print(name, unit, 1) },
		"ms":      func(name, unit string) string { return m.print(name, unit, 1e6) },
		"curve": func(name, unit string) string {
			var cells []string
			for _, n := range []string{"1000", "10000", "100000"} {
				cells = append(cells, m.print(name+"/"+n, unit, 1))
			}
			return strings.Join(cells, " | ")
		},
	})
	return template.Must(t.Parse(layout)).Execute(w, nil)
}

// print gives two digits behind the point of what is below ten, and three digits at least of all else.
func (m measured) print(name, unit string, divisor float64) string {
	v, ok := m.values[name+" "+unit]
	if !ok {
		return "-"
	}
	v /= divisor
	digits := 0
	if v > -10 && v < 10 {
		digits = 2
	}
	if v > -0.005 && v < 0 {
		v = 0 // a difference of two measurements, and no sign
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

const layout = `
Multiples of the floor, medians, on {{machine}}:

| work | at most | 1,000 | 10,000 | 100,000 |
|---|--:|--:|--:|--:|
| first convergence of IPv4 routes, verified | 1.3 | {{curve "Converge/ipv4" "x-floor"}} |
| - by ` + "`ip -batch`" + `, not verified | | {{curve "Converge/ipv4" "x-floor-ip-batch"}} |
| - by vishvananda/netlink one by one, not verified | | {{curve "Converge/ipv4" "x-floor-vishvananda"}} |
| first convergence of IPv6 routes, verified | 1.5 | {{curve "Converge/ipv6" "x-floor"}} |
| a pass that finds all IPv4 routes in place | 1.5 | {{curve "InPlace/ipv4" "x-floor"}} |
| a pass that finds all IPv6 routes in place | 1.5 | {{curve "InPlace/ipv6" "x-floor"}} |
| 1 % of IPv4 routes put back | | {{curve "DriftOfOnePercent/ipv4" "x-floor"}} |
| 1 % of IPv6 routes put back | | {{curve "DriftOfOnePercent/ipv6" "x-floor"}} |
| all IPv4 routes removed | | {{curve "RemoveAll/ipv4" "x-floor"}} |
| all IPv6 routes removed | | {{curve "RemoveAll/ipv6" "x-floor"}} |
| all IPv4 gateways changed | | {{curve "ChangeGateways/ipv4" "x-floor"}} |
| - with ` + "`Options.NexthopObjects`" + `, a multiple of the same | | {{curve "ChangeGatewaysOfObject" "x-floor"}} |
| all IPv6 gateways changed | | {{curve "ChangeGateways/ipv6" "x-floor"}} |

| work | at most | measured |
|---|--:|--:|
| a pass over 10 routes among 100,000 foreign ones | 1.2 x floor | {{value "TenAmongForeign/table/254" "x-floor"}} |
| the same, in a table of its own | 1 ms | {{ms "TenAmongForeign/table/1000" "ns/object"}} |
| a pass that finds 3,000 addresses in place | | {{value "AddressesInPlace" "x-floor"}} x floor |
| a pass that finds 1,000 rules in place | | {{value "RulesInPlace" "x-floor"}} x floor |
| 1,000 rules made, verified | | {{value "RulesConverge" "x-floor"}} x floor |
| a pass that finds 1,000 neighbours in place | | {{value "NeighborsInPlace" "x-floor"}} x floor |
| a pass that finds 500 sysctls in place | 1.5 x floor | {{value "SysctlsInPlace" "x-floor"}} |
| memory kept for each of 100,000 routes | 100 B | {{value "Memory" "B/route"}} |
| an address deleted, until the kernel says that it is back | 3 x floor | {{value "DriftToRepair" "x-floor"}} |
| ` + "`Supervisor.Add`" + ` until converged, median | | {{value "AddToConverged" "add-median-ms"}} ms |
| wakeups of an idle loop, one of 1,000, a second | 0 | {{value "Idle/1000" "wakeups/s/loop"}} |
| memory of one | 40,960 B | {{value "Idle/1000" "B/loop"}} |
| threads of one | 0 | {{value "Idle/1000" "threads/loop"}} |
| passes for 100,000 foreign IPv4 route changes | 0 | {{value "ForeignStorm/ipv4" "passes"}} |
| passes for 100,000 foreign IPv6 route changes | 0 | {{value "ForeignStorm/ipv6" "passes"}} |

`
