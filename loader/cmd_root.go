package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// root is run if there is a COMMAND after --. Otherwise it is attach, but does not wait for a server.
func (a *app) root(command *cobra.Command, args []string) error {
	if err := loadSettings(command); err != nil {
		return err
	}
	if len(args) > 0 {
		return a.measure(args, false, nil)
	}
	return a.measure(nil, true, nil)
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
