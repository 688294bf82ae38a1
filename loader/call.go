package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
	"leaklab/loader/reproduce"
	"leaklab/loader/run"
)

// app is one call of the program: what is not a setting, and its outcome.
type app struct {
	exported []string // the environment that this program was called with, which the server inherits
	json     bool     // --json
	demo     string   // --demo: the demo server, which is started without a COMMAND
	code     int      // exit code
}

// settingsError is an error of the settings, found before anything was started.
type settingsError struct{ error }

// recordError is a settingsError that is of a recorded run, and not of a setting that its text begins with.
func recordError(err error) error {
	return settingsError{fmt.Errorf("loader: %w", err)}
}

// loadSettings puts the settings of flags and of ENV_FILE into the environment, and warns of what is misspelt there.
func loadSettings(command *cobra.Command) error {
	err := config.LoadFlags(command.Flags())
	for _, warning := range config.Misspelt(os.Environ()) {
		complain("loader:", warning)
	}
	if err != nil {
		return settingsError{err}
	}
	return nil
}

// measure makes the runs that the settings ask for. arguments are the command that starts the server; nil if it runs
// already. now says that it has to listen already. again is a recorded run that is made again, or nil.
func (a *app) measure(arguments []string, now bool, again *reproduce.Run) error {
	cfg, err := config.FromEnvironment()
	if err != nil && again != nil {
		return recordError(again.Explain(err))
	}
	job, wrong := run.Prepare(cfg, arguments, a.exported, again)
	if wrong != nil && again != nil {
		return recordError(wrong)
	}
	err = errors.Join(err, wrong)
	ctx, stop := interruptible()
	defer stop()
	if err == nil && now {
		err = job.CheckServerRuns(ctx)
	}
	if err != nil {
		return settingsError{err}
	}
	outliveReaders()
	outcome, err := job.Run(ctx, newScreen(a.json, isTerminal, os.Getenv))
	if err != nil {
		return settingsError{err}
	}
	a.code = exitCode(outcome)
	return nil
}

// exitCode is the exit code of an outcome.
func exitCode(outcome run.Outcome) int {
	switch outcome {
	case run.NoLeak:
		return exitNoLeak
	case run.Leak:
		return exitLeak
	default:
		return exitUnknown
	}
}

// interruptible returns a context that ends with the first SIGINT, SIGTERM or SIGHUP; a second one ends the
// process at once.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		received := <-signals
		signal.Stop(signals)
		cancel(fmt.Errorf("interrupted (%s)", received))
	}()
	return ctx, func() { cancel(nil) }
}

// refuse prints why a command was not carried out, and returns the exit code.
func refuse(command *cobra.Command, err error) int {
	var settings settingsError
	if errors.As(err, &settings) {
		complain(config.Typed(command.Flags(), err.Error()))
		return exitSettings
	}
	complain("loader:", err)
	complain(fmt.Sprintf("usage: %s\n%s --help tells more", command.UseLine(), command.CommandPath()))
	return exitSettings
}
