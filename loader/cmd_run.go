package main

import (
	"errors"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// run starts a server and measures it.
func (a *app) run(command *cobra.Command, args []string) error {
	if len(args) == 0 && a.demo == "" {
		return errors.New("expected a COMMAND that starts the server")
	}
	if err := loadSettings(command); err != nil {
		return err
	}
	if len(args) > 0 {
		return a.measure(args, false, nil)
	}
	if err := config.DemoDefaults(); err != nil {
		return err
	}
	return a.measure([]string{a.demo}, false, nil)
}
