package main

import (
	"errors"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// runCommand starts a server and measures it. The first word that is no flag begins the server's command.
func runCommand(a *app) *cobra.Command {
	var demo string
	command := measuring(a, &cobra.Command{
		Use:   "run [flags] [--] COMMAND ARG...",
		Short: "start the server with COMMAND, measure it, stop it",
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.do(command.Flags(), args, checkHere, measureCall)
			}
			if demo == "" {
				return errors.New("expected a COMMAND that starts the server")
			}
			return a.do(command.Flags(), []string{demo}, checkHere, measureCall)
		},
	})
	command.Flags().SetInterspersed(false)
	command.Flags().StringVar(&demo, "demo", "", "the demo server, started if there is no COMMAND")
	_ = command.Flags().MarkHidden("demo") // it exists
	return command
}

// needsDemoCommand tells ./test-me.sh by its exit code, 0, that arguments of run make it start the demo server.
func needsDemoCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:    "needs-demo",
		Hidden: true,
		Run: func(_ *cobra.Command, args []string) {
			if len(args) > 0 {
				a.code = 1
			}
		},
	}
	addFlags(a, command, config.Settings())
	command.Flags().SetInterspersed(false)
	command.SetHelpFunc(func(*cobra.Command, []string) { a.code = 1 })
	return command
}

// measureCall makes the runs of a call.
func measureCall(c call) int { return measureServer(c.config, c.command, nil) }
