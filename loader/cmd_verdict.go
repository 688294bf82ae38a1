package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"leaklab/loader/record"
	"leaklab/loader/run"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// verdict judges a recorded run.
func (a *app) verdict(command *cobra.Command, args []string) error {
	options, err := judging(command)
	if err != nil {
		return err
	}
	iterations, err := record.ReadIterations(args[0])
	if err != nil {
		return settingsError{err}
	}
	options.Unit = unitOf(iterations)
	v := verdict.Judge(iterations, options)
	screen := newScreen(a.json, isTerminal, os.Getenv)
	recorded, _ := record.RunOf(args[0])
	if v.Kind == verdict.NoLeak { // as with another TOLERANCE than that of the run
		recorded.Sites = nil
	}
	end := terminal.End{Verdict: v, Tolerance: options.Tolerance, Growing: recorded.Sites, Remarks: aboutTable(args[0], options.Unit)}
	err = terminal.New(screen.Out, screen.Colour).Verdict(end)
	if err == nil && screen.JSON != nil {
		err = terminal.WriteJSON(screen.JSON, record.Run{
			Verdict: record.NewVerdict(v, options.Tolerance), Sites: end.Growing, Remarks: end.Remarks, Iterations: make([]record.Iteration, len(iterations)),
		}, "")
	}
	a.printed(err, run.OutcomeOf(v.Kind))
	return nil
}

// aboutTable says which table was judged in place of the samples that path names, and that the requests are unknown.
func aboutTable(path string, unit verdict.Unit) []string {
	var remarks []string
	if table := record.TableOf(path); filepath.Ext(path) == ".csv" && table != path {
		remarks = append(remarks, fmt.Sprintf("%s holds no requests: %s beside it was judged.", filepath.Base(path), filepath.Base(table)))
	}
	if unit == verdict.PerIteration {
		remarks = append(remarks, "The number of requests is unknown. The growth, and TOLERANCE, are in bytes per iteration.")
	}
	return remarks
}

// unitOf is the iteration if each has one request, as in a run whose number of requests was unknown. If there really was
// one in each, both are the same.
func unitOf(iterations []verdict.Iteration) verdict.Unit {
	for _, i := range iterations {
		if i.Requests != 1 {
			return verdict.PerRequest
		}
	}
	return verdict.PerIteration
}
