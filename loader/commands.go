package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leaklab/loader/config"
	"leaklab/loader/environment"
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

// app is one call of the program.
type app struct {
	code int  // exit code
	json bool // --json
}

// call is what a command gets: its settings, all of them right, and where it prints.
type call struct {
	config  config.Config
	command []string // that starts the server; nil if it runs already
	screen  screen
}

// newRoot returns the table of commands.
func newRoot(a *app) *cobra.Command {
	root := rootCommand(a)
	root.AddCommand(runCommand(a), attachCommand(a), verdictCommand(a), compareCommand(a), reproduceCommand(a),
		versionCommand(), needsDemoCommand(a))
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			if meant := config.NearestFlag(command.Flags(), unknown.GetSpecifiedName()); meant != "" {
				return fmt.Errorf("%w; did you mean --%s?", err, meant)
			}
		}
		return err
	})
	return root
}

// measuring completes a command that makes runs: with all settings as flags, --json, and the page of --help.
func measuring(a *app, command *cobra.Command) *cobra.Command {
	command.Version = environment.Version()
	command.SetVersionTemplate("leaklab {{.Version}}\n")
	addFlags(a, command, config.Settings())
	command.SetHelpFunc(func(command *cobra.Command, _ []string) {
		fmt.Fprint(command.OutOrStdout(), synopsis, config.Usage(config.Settings(), helpWidth), "Output:\n", outputUsage(command))
	})
	return command
}

// outputUsage returns the flags that are no settings.
func outputUsage(command *cobra.Command) string {
	others := pflag.NewFlagSet("", pflag.ContinueOnError)
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return s.Flag == f.Name }) {
			others.AddFlag(f)
		}
	})
	return others.FlagUsagesWrapped(helpWidth)
}

// addFlags gives a command flags for settings, with the values that a shell can complete, and --json.
func addFlags(a *app, command *cobra.Command, settings []config.Setting) {
	command.Flags().BoolVar(&a.json, "json", false, "print the verdict as JSON on standard output, and everything else on standard error")
	config.AddFlags(command.Flags(), settings)
	for _, s := range settings {
		isFile := strings.HasSuffix(s.Name, "_FILE") || s.Name == "RESULTS"
		if s.Flag == "" || isFile {
			continue
		}
		// It fails only for a flag that does not exist, or has one already.
		_ = command.RegisterFlagCompletionFunc(s.Flag, cobra.FixedCompletions(s.Choices, cobra.ShellCompDirectiveNoFileComp))
	}
}

// settingsError is an error of the settings, found before anything was started.
type settingsError struct{ error }

// do reads the settings and calls work with them; its exit code is that of the program. command starts the server.
func (a *app) do(flags *pflag.FlagSet, command []string, check func(config.Config, []string) error, work func(call) int) error {
	err := config.LoadFlags(flags)
	warnMisspelt()
	if err != nil {
		return settingsError{err}
	}
	cfg, err := config.FromEnvironment()
	if err = errors.Join(err, check(cfg, command)); err != nil {
		return settingsError{err}
	}
	a.code = work(call{cfg, command, newScreen(a.json, os.Stdout, os.Stderr, os.Getenv)})
	return nil
}

// warnMisspelt names the variables of the environment that are probably meant for settings.
func warnMisspelt() {
	meant := config.Misspelt(os.Environ())
	names := make([]string, 0, len(meant))
	for name := range meant {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		complain(fmt.Sprintf("loader: %s is set in the environment, but is no setting; did you mean %s?", name, meant[name]))
	}
}

// refuse prints why a command was not carried out, and returns the exit code.
func (a *app) refuse(command *cobra.Command, err error) int {
	var settings settingsError
	if errors.As(err, &settings) {
		complain(config.Typed(command.Flags(), err.Error()))
		return exitSettings
	}
	complain("loader:", err)
	complain(fmt.Sprintf("usage: %s\n%s --help tells more", command.UseLine(), command.CommandPath()))
	return exitSettings
}

// unchecked is the check of a command that starts nothing.
func unchecked(config.Config, []string) error { return nil }
