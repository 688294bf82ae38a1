// Command loader measures whether an HTTP server leaks memory: it drives the server through iterations
// of load and reads its resident memory before and after each.
//
//	loader [run] [flags] -- COMMAND ARG...   starts the server with COMMAND, measures it, and stops it
//	loader attach [flags]                    measures a server that runs already, and waits for it
//	loader [flags]                           the same, but fails at once if there is nothing to measure
//	loader verdict FILE.csv                  judges a recorded run
//	loader compare OLD NEW                   compares two recorded runs
//	loader reproduce RUN                     makes a recorded run again, and compares the two
//
// Settings come from flags, from the environment, and from ENV_FILE, in this order; config.Config lists them.
package main

//go:generate go run ./docs
//go:generate sh -c "go run . --help >../docs/help.txt"

import (
	"fmt"
	"os"
	"runtime/debug"

	"leaklab/loader/text"
)

// Exit codes, made for CI and git bisect run.
const (
	exitNoLeak   = 0
	exitLeak     = 1
	exitSettings = 2
	exitUnknown  = 125
)

// smallHeap is the GOGC of a loader that is not told another. Its own memory is what it measures the server beside, and the
// load itself allocates little.
const smallHeap = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(smallHeap)
	}
	os.Exit(execute(os.Args[1:]))
}

// execute returns the exit code of the command that args name.
func execute(args []string) int {
	a := &app{exported: os.Environ()}
	root := newRoot(a)
	root.SetArgs(args)
	command, err := root.ExecuteC()
	if err != nil {
		return refuse(command, err)
	}
	return a.code
}

// complain prints its arguments as a line on the standard error, whatever a server has put into them.
func complain(words ...any) {
	fmt.Fprint(os.Stderr, text.Printable(fmt.Sprintln(words...)))
}
