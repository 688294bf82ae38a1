package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
	"leaklab/loader/subject"
)

// rootCommand is the program without the name of a command: run if there is a server's command, otherwise attach, but
// without waiting for a server.
func rootCommand(a *app) *cobra.Command {
	return measuring(a, &cobra.Command{
		Use:           "loader [run] [flags] -- COMMAND ARG...",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(command *cobra.Command, args []string) error {
			switch dash := command.ArgsLenAtDash(); {
			case dash == 0 && len(args) == 0:
				return errors.New("expected a COMMAND after --")
			case dash != 0 && len(args) > 0:
				return unknownCommand(command, args[0])
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.do(command.Flags(), args, checkHere, measureCall)
			}
			return a.do(command.Flags(), nil, checkSomethingRuns, measureCall)
		},
	})
}

// checkSomethingRuns is checkHere, and fails also if there is no server to measure now.
func checkSomethingRuns(cfg config.Config, command []string) error {
	if err := checkHere(cfg, command); err != nil {
		return err
	}
	unseen := cfg.ServerPID == 0 && cfg.MetricsURL == "" && subject.IsLocal(context.Background(), string(cfg.Host))
	if !unseen || subject.Listening(cfg.Address()) {
		return nil
	}
	return fmt.Errorf("PORT=\"%d\": expected a server on %s, but nothing listens there; start one, name its process in SERVER_PID, "+
		"let the loader start it (loader -- COMMAND ARG...), or wait for it (loader attach)", cfg.Port, cfg.Address())
}

func unknownCommand(command *cobra.Command, name string) error {
	err := fmt.Errorf("%q is no command of the loader; a COMMAND that starts a server comes after --", name)
	if meant := command.SuggestionsFor(name); len(meant) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, meant[0])
	}
	return err
}
