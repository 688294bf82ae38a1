package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leaklab/loader/config"
	"leaklab/loader/environment"
)

// newRoot returns the table of commands.
func newRoot(a *app) *cobra.Command {
	root := a.measuring(&cobra.Command{
		Use:  "loader [run] [flags] -- COMMAND ARG...",
		Args: checkRootArguments,
		RunE: a.root,
	})
	run := a.measuring(&cobra.Command{
		Use:   "run [flags] [--] COMMAND ARG...",
		Short: "start the server with COMMAND, measure it, stop it",
		RunE:  a.run,
	})
	run.Flags().StringVar(&a.demo, "demo", "", "the demo server, started if there is no COMMAND")
	run.Flags().Lookup("demo").Hidden = true // ./test-me.sh gives it
	needsDemo := a.with(config.Settings(), &cobra.Command{
		Use:    "needs-demo [ARG...]",
		Short:  "tell by exit code 0 that run with these arguments starts the demo server",
		Hidden: true,
		RunE:   a.needsDemo,
	})
	for _, command := range []*cobra.Command{run, needsDemo} {
		command.Flags().SetInterspersed(false) // the first word that is no flag begins COMMAND
	}
	root.AddCommand(run, needsDemo,
		a.measuring(&cobra.Command{
			Use:   "attach [flags]",
			Short: "measure a running server; wait for it up to START_TIMEOUT",
			Args:  cobra.NoArgs,
			RunE:  a.attach,
		}),
		a.with(only("TOLERANCE"), &cobra.Command{
			Use:   "verdict FILE.csv",
			Short: "judge a recorded run",
			Long: "Judges a recorded run by its table, which needs the columns iteration, requests, rss_start_bytes and rss_end_bytes;\n" +
				"or by samples.csv, which stands for the table beside it, or alone for iterations whose requests are unknown.",
			Args: exactly(1, "a FILE.csv"),
			RunE: a.verdict,
		}),
		a.with(only("TOLERANCE"), &cobra.Command{
			Use:   "compare OLD NEW",
			Short: "compare two recorded runs, folders or tables",
			Long:  "Compares two recorded runs, folders or tables. Exit codes: 0 the new one is not worse, 1 it is, 125 could not tell.",
			Args:  exactly(2, "an OLD and a NEW run"),
			RunE:  a.compare,
		}),
		a.with(undecided(), &cobra.Command{
			Use:   "reproduce RUN",
			Short: "make a recorded run again, and compare the two",
			Long: "Makes a recorded run again, and compares the two. RUN is its folder or run.json. Flags and the environment give what\n" +
				"a record does not decide: what belongs to this machine, what may be secret, and where things are.",
			Args: exactly(1, "a RUN"),
			RunE: a.reproduce,
		}),
		&cobra.Command{
			Use:   "version",
			Short: "print the revision that this program was built from",
			Args:  cobra.NoArgs,
			RunE:  printVersion,
		})
	root.SetHelpCommand(&cobra.Command{Use: "help [COMMAND]", Short: "print the page of a command", RunE: printHelp})
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE = func(*cobra.Command, []string) error {
			return errors.New("expected a SHELL: bash, zsh, fish or powershell")
		}
	}
	root.SetFlagErrorFunc(explainFlag)
	root.SetVersionTemplate(versionTemplate)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SuggestionsMinimumDistance = 2
	return root
}

const versionTemplate = "leaklab {{.Version}}\n"

// measuring completes a command that makes runs: with all settings as flags, --version and the page of all commands.
func (a *app) measuring(command *cobra.Command) *cobra.Command {
	command.Version = environment.Version()
	command.Flags().BoolP("help", "h", false, "print this page")
	command.Flags().BoolP("version", "v", false, "print the revision that this program was built from")
	return a.with(config.Settings(), command)
}

// with gives a command --json, and flags for settings with the values that a shell can complete.
func (a *app) with(settings []config.Setting, command *cobra.Command) *cobra.Command {
	command.Flags().BoolVar(&a.json, "json", false, "print the verdict as JSON on standard output, and everything else on standard error")
	config.AddFlags(command.Flags(), settings)
	for _, s := range settings {
		isFile := strings.HasSuffix(s.Name, "_FILE") || s.Name == "RESULTS"
		if s.Flag != "" && !isFile {
			// It fails only for a flag that does not exist, or has values already.
			_ = command.RegisterFlagCompletionFunc(s.Flag, cobra.FixedCompletions(s.Choices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	command.SetHelpFunc(a.help)
	return command
}

// only returns the settings of these names.
func only(names ...string) []config.Setting {
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !slices.Contains(names, s.Name) })
}

// undecided returns the settings that a record of a run does not decide.
func undecided() []config.Setting {
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !s.Machine && !s.Movable && !s.Secret && !s.Redacted })
}

func exactly(number int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != number {
			return fmt.Errorf("expected %s, found %d arguments", what, len(args))
		}
		return nil
	}
}

// explainFlag adds the flag that was probably meant.
func explainFlag(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if meant := config.NearestFlag(command.Flags(), unknown.GetSpecifiedName()); meant != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, meant)
		}
	}
	return err
}
