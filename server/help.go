package main

import (
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"
)

// writeHelp prints the usage, the settings with their defaults, and the demonstrations.
func writeHelp(w io.Writer) error {
	fmt.Fprint(w, `server is the HTTP server under test.

Usage:
  server               serve until SIGTERM or SIGINT
  server healthcheck   exit 0 if a server with the same settings is healthy
  server leaks         print the values of LEAK as a Markdown table
  server --help        print this page

Settings, from the environment:
`)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  name\tdefault\tmeaning")
	settings := reflect.TypeFor[config]()
	for n := range settings.NumField() {
		tag := settings.Field(n).Tag
		fmt.Fprintf(table, "  %s\t%s\t%s\n", tag.Get("env"), tag.Get("envDefault"), tag.Get("help"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nDemonstrations:\n")
	return writeLeakHelp(w)
}
