// Command table runs the benchmarks of internal/bench and writes what they measured into README.md, each
// beside its budget. Run it in the directory of README.md; it takes a few minutes.
//
//	go run ./internal/bench/table
//
// Arguments are for go test, such as -benchtime 5s. With -bench.million it measures 1,000,000 routes too,
// which is printed but not in the table.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("table: ", err)
	}
}

func run(args []string) error {
	const name = "README.md"
	readme, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := splice(readme, nil); err != nil { // before minutes are spent
		return fmt.Errorf("%s: %w", name, err)
	}
	var out bytes.Buffer
	test := exec.Command("go", append([]string{"test", "./internal/bench", "-run", "^$", "-bench", ".", "-timeout", "1h"}, args...)...)
	test.Stdout, test.Stderr = io.MultiWriter(os.Stdout, &out), os.Stderr
	if err := test.Run(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	var written bytes.Buffer
	if err := parse(bufio.NewScanner(&out)).write(&written); err != nil {
		return err
	}
	readme, err = splice(readme, written.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(name, readme, 0o644)
}

// begin and end are the lines of README.md that the table is between.
const (
	begin = "<!-- go run ./internal/bench/table -->\n"
	end   = "<!-- end -->\n"
)

// splice puts table in the place of what is between the lines.
func splice(readme, table []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("no lines %q and %q to put the table between", begin, end)
	}
	return bytes.Join([][]byte{before, []byte(begin), table, []byte(end), after}, nil), nil
}
