package main

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
	"leaklab/loader/judge"
	"leaklab/loader/record"
	"leaklab/loader/run"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// compare prints how two recorded runs differ, each the folder of a run or its iterations.csv.
func (a *app) compare(command *cobra.Command, args []string) error {
	options, err := judging(command)
	if err != nil {
		return err
	}
	var runs [2][]verdict.Iteration
	for n, path := range args {
		if runs[n], err = record.ReadIterations(path); err != nil {
			return settingsError{err}
		}
	}
	options.Unit = unitOf(slices.Concat(runs[0], runs[1]))
	c := verdict.Compare(runs[0], runs[1], options)
	difference := record.NewDifference(c)
	old, _ := record.RunOf(args[0])
	now, _ := record.RunOf(args[1])
	judge.CompareSites(&difference, old, now, "the old run", "the new run")
	screen := newScreen(a.json, isTerminal, os.Getenv)
	err = terminal.New(screen.Out, screen.Colour).Comparison(c, terminal.Side{Name: "old", Of: args[0]}, terminal.Side{Name: "new", Of: args[1]}, difference.SiteLines()...)
	if err == nil && screen.JSON != nil {
		err = terminal.WriteComparisonJSON(screen.JSON, difference, c, options.Tolerance)
	}
	a.printed(err, run.OutcomeOfChange(c.Change))
	return nil
}

// judging are the settings that a verdict on recorded runs depends on.
func judging(command *cobra.Command) (verdict.Options, error) {
	err := loadSettings(command)
	if err != nil {
		return verdict.Options{}, err
	}
	cfg, err := config.FromEnvironment()
	if err != nil {
		return verdict.Options{}, settingsError{err}
	}
	return verdict.Options{Tolerance: float64(cfg.Tolerance)}, nil
}

// printed sets the exit code to that of an outcome, which is unknown to whoever could not read it.
func (a *app) printed(err error, outcome run.Outcome) {
	a.code = exitCode(outcome)
	if err != nil {
		complain("loader:", err)
		a.code = exitUnknown
	}
}
