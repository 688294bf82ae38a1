package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
	"leaklab/loader/subject"
)

// root is run if there is a COMMAND after --. Otherwise it is attach, but does not wait for a server.
func (a *app) root(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return a.do(command, args, checkHere, measureCall)
	}
	return a.do(command, nil, checkSomethingRuns, measureCall)
}

func checkRootArguments(command *cobra.Command, args []string) error {
	switch dash := command.ArgsLenAtDash(); {
	case dash == 0 && len(args) == 0:
		return errors.New("expected a COMMAND after --")
	case dash != 0 && len(args) > 0:
		return unknownCommand(command, args[0])
	}
	return nil
}

func unknownCommand(command *cobra.Command, name string) error {
	if meant := command.SuggestionsFor(name); len(meant) > 0 {
		return fmt.Errorf("%q is no command; did you mean %s?", name, meant[0])
	}
	return fmt.Errorf("%q is no command; what starts a server comes after --", name)
}

// checkSomethingRuns is checkHere, and fails also if there is no server to measure now.
func checkSomethingRuns(cfg config.Config, command []string) error {
	if err := checkHere(cfg, command); err != nil {
		return err
	}
	byListener := cfg.ServerPID == 0 && cfg.MetricsURL == "" && subject.IsLocal(context.Background(), string(cfg.Host))
	if !byListener || subject.Listening(cfg.Address()) {
		return nil
	}
	return fmt.Errorf("PORT=\"%d\": expected a server on %s, but nothing listens there; start one, name its process in SERVER_PID, "+
		"let the loader start it (loader -- COMMAND ARG...), or wait for it (loader attach)", cfg.Port, cfg.Address())
}
