// Command dashboard writes the Grafana dashboard of leaklab, grafana/dashboards/leaklab.json. Run it at the top of the
// repository:
//
//	go run ./grafana/dashboard
//
// A panel is a function in the file of its subject: verdict.go, memory.go, load.go, loader.go, runs.go. layout and
// sections, in dashboard.go, list the panels row by row: those that are open at first, and those that a click opens.
// style.go has the shared looks, query.go the shared PromQL.
// The program knows the names of metrics, but nothing of the loader's code.
//
// To add a panel, write its function, give it a cell with a new id in one of the two lists, name it in the loader's list of metrics,
// and run the program.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

//go:generate go -C ../.. run ./grafana/dashboard

// file is the dashboard, relative to the top of the repository.
const file = "grafana/dashboards/leaklab.json"

func main() {
	if err := write(file); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	content, err := generate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("%w: run this program at the top of the repository", err)
	}
	return nil
}

// generate returns the bytes of the dashboard file: indented JSON in Grafana's classic format of dashboards.
func generate() ([]byte, error) {
	built, err := build()
	if err != nil {
		return nil, err
	}
	content, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(readable(content), '\n'), nil
}

// readable undoes the escapes that encoding/json adds for HTML, so that a query reads as in Prometheus. The SDK's own
// MarshalJSON methods add them, whatever the encoder is told. No text of the dashboard has a backslash before "u00".
func readable(content []byte) []byte {
	for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		content = bytes.ReplaceAll(content, []byte(escaped), []byte(plain))
	}
	return content
}
