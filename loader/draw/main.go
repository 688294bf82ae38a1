// Command draw draws the pictures of a recorded run, or one of two runs. It is a program beside the loader, since fonts
// and pixels take more memory than all the rest of it. report.html needs no pictures: it draws its own charts.
package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `usage: draw FOLDER
       draw OLD NEW PICTURE.svg|PICTURE.png
       draw --help

FOLDER is that of a run; memory.svg and memory.png are drawn into it.
OLD and NEW are two runs, each a folder or its iterations.csv; they are drawn into one picture.

Example: .build/draw results/20261123T090000Z

The exit code is 0 when everything was drawn, and 2 otherwise.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code.
func run(args []string, out, errors io.Writer) int {
	var err error
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(out, usage)
	case len(args) == 1:
		err = drawRun(args[0])
	case len(args) == 3:
		err = drawComparison(args[0], args[1], args[2])
	default:
		fmt.Fprint(errors, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(errors, "draw:", err)
		return 2
	}
	return 0
}
