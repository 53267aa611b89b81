package main

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const printed = `goos: linux
cpu: Some Processor @ 2.00GHz
BenchmarkConverge/ipv4/1000-2         	     156	  15620238 ns/op	      1945 floor-ns/object	         1.234 x-floor
BenchmarkConverge/ipv4/100000-2       	       2	1612023738 ns/op	         1.055 x-floor	         12.6 x-floor-ip-batch
BenchmarkTenAmongForeign/table/1000 	       2	1612023738 ns/op	     38194 ns/object
BenchmarkIdle/1000-16         	       1	 -0.002 wakeups/s/loop
PASS
ok  	github.com/linx-go/linx-go/internal/bench	19.959s
`

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := parse(bufio.NewScanner(strings.NewReader(printed))).write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"on Some Processor @ 2.00GHz:\n",
		"| first convergence of IPv4 routes, verified | 1.3 | 1.23 | - | 1.05 |\n",
		"| - by `ip -batch`, not verified | | - | - | 13 |\n",
		"| the same, in a table of its own | 1 ms | 0.04 |\n",
		"| wakeups of an idle loop, one of 1,000, a second | 0 | 0.00 |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in:\n%s", want, &out)
		}
	}
}

func TestSplice(t *testing.T) {
	readme := "before\n" + begin + "old\n" + end + "after\n"
	got, err := splice([]byte(readme), []byte("new\n"))
	if want := strings.Replace(readme, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, readme := range []string{"", begin, end, end + begin} {
		if _, err := splice([]byte(readme), nil); err == nil {
			t.Errorf("%q: no error", readme)
		}
	}
}

// README.md has the place for the table, and every benchmark that the table shows exists.
func TestPlaceAndBenchmarks(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := splice(readme, nil); err != nil {
		t.Error(err)
	}
	var source strings.Builder
	files, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), "_test.go") {
			text, err := os.ReadFile("../" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	for _, name := range regexp.MustCompile(`\{\{\w+ "(\w+)`).FindAllStringSubmatch(layout, -1) {
		if !strings.Contains(source.String(), "\nfunc Benchmark"+name[1]+"(") {
			t.Errorf("there is no Benchmark%s", name[1])
		}
	}
}
