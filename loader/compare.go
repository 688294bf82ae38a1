package main

import (
	"io"

	"leaklab/loader/config"
	"leaklab/loader/report"
	"leaklab/loader/verdict"
)

// compareRuns prints how two recorded runs differ, each a folder of a run or its iterations.csv, and returns the exit
// code: whether the new one is worse.
func compareRuns(cfg config.Config, before, after string, out io.Writer) int {
	var runs [2][]verdict.Iteration
	for n, path := range []string{before, after} {
		iterations, err := report.ReadIterations(path)
		if err != nil {
			complain("loader:", err)
			return exitSettings
		}
		runs[n] = iterations
	}
	c := verdict.Compare(runs[0], runs[1], verdict.Options{Tolerance: float64(cfg.Tolerance)})
	if err := report.WriteComparison(out, c, report.Side{Name: "old", Of: before}, report.Side{Name: "new", Of: after}); err != nil {
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
