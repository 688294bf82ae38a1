package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leaklab/loader/config"
)

// helpWidth is how wide the lines of --help are, in columns.
const helpWidth = 100

// synopsis opens the page of --help.
const synopsis = `leaklab measures whether an HTTP server leaks memory, how much per request, and where.

Usage:
  loader [run] [flags] -- COMMAND ARG...   start the server with COMMAND, measure it, stop it
  loader attach [flags]                    measure a running server; wait for it up to START_TIMEOUT
  loader [flags]                           the same, but fail at once if there is nothing to measure
  loader verdict FILE.csv                  judge a recorded run
  loader compare OLD NEW                   compare two recorded runs, folders or tables
  loader reproduce RUN                     make a recorded run again; RUN is its folder or run.json
  loader version | completion SHELL | help [COMMAND]
  ./test-me.sh [flags] [COMMAND ARG...]    build the loader and measure COMMAND, or else the demo server

Examples:
  ./test-me.sh --leak none --tries 5
  loader --port 8000 --request-path / -- python3 -m http.server 8000
  loader attach --server-pid 4711 --rate 5000 --json

Exit codes: 0 no leak, 1 leak, 125 could not tell, 2 wrong settings or usage.

Each setting is a flag, or a variable of the environment: --max-tries 50 or MAX_TRIES=50. The flag wins.

`

// writePage writes the page of the commands that make runs: one page for all. go generate keeps it in docs/help.txt, from
// where ./test-me.sh --help prints it before anything is built.
func writePage(out io.Writer, command *cobra.Command) {
	others := pflag.NewFlagSet("", pflag.ContinueOnError)
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return s.Flag == f.Name }) {
			others.AddFlag(f)
		}
	})
	fmt.Fprint(out, synopsis, config.Usage(config.Settings(), helpWidth), "Output:\n", others.FlagUsagesWrapped(helpWidth))
}

// help prints the page of a command: one page for all that make runs.
func (a *app) help(command *cobra.Command, _ []string) {
	out := command.OutOrStdout()
	switch {
	case command.Name() == "needs-demo": // nothing is started
		a.code = exitLeak
	case command.Version != "":
		writePage(out, command)
	default:
		about := command.Long
		if about == "" {
			about = command.Short
		}
		fmt.Fprintf(out, "%s\n\nUsage:\n  %s\n\nFlags:\n%s", about, command.UseLine(), command.Flags().FlagUsagesWrapped(helpWidth))
	}
}
