package main

import (
	"io"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
	"leaklab/loader/record"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// compareCommand compares two recorded runs.
func compareCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "compare two recorded runs, folders or tables",
		Long:  "Compares two recorded runs, each the folder of a run or its iterations.csv. Exit codes: 0 not worse, 1 worse, 125 could not tell.",
		Args:  cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			return a.do(command.Flags(), nil, unchecked, func(c call) int {
				return compareRuns(c.config, args[0], args[1], c.screen.text)
			})
		},
	}
	addFlags(a, command, judging())
	return command
}

// compareRuns prints how two recorded runs differ, each a folder of a run or its iterations.csv, and returns the exit
// code: whether the new one is worse.
func compareRuns(cfg config.Config, before, after string, out io.Writer) int {
	var runs [2][]verdict.Iteration
	for n, path := range []string{before, after} {
		iterations, err := record.ReadIterations(path)
		if err != nil {
			complain("loader:", err)
			return exitSettings
		}
		runs[n] = iterations
	}
	c := verdict.Compare(runs[0], runs[1], verdict.Options{Tolerance: float64(cfg.Tolerance)})
	if err := terminal.New(out, false).Comparison(c, terminal.Side{Name: "old", Of: before}, terminal.Side{Name: "new", Of: after}); err != nil {
		complain("loader:", err)
		return exitUnknown
	}
	return codeOfChange(c.Change)
}

// codeOfChange is the exit code of a comparison: whether the new one is worse.
func codeOfChange(change verdict.Change) int {
	switch change {
	case verdict.CannotTell:
		return exitUnknown
	case verdict.Worse:
		return exitLeak
	default:
		return exitNoLeak
	}
}
