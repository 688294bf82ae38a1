package main

import (
	"os"

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
	err = terminal.New(screen.Out, screen.Colour).Verdict(terminal.End{Verdict: v, Tolerance: options.Tolerance})
	if err == nil && screen.JSON != nil {
		err = terminal.WriteJSON(screen.JSON, record.Run{Verdict: record.NewVerdict(v, options.Tolerance), Iterations: make([]record.Iteration, len(iterations))}, "")
	}
	a.printed(err, run.OutcomeOf(v.Kind))
	return nil
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
