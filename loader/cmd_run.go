package main

import (
	"errors"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// run starts a server and measures it.
func (a *app) run(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return a.do(command, args, checkHere, measureCall)
	}
	if a.demo == "" {
		return errors.New("expected a COMMAND that starts the server")
	}
	if err := loadSettings(command); err != nil {
		return err
	}
	if err := config.DemoDefaults(); err != nil {
		return err
	}
	return a.do(command, []string{a.demo}, checkHere, measureCall)
}

// measureCall makes the runs of a call.
func measureCall(c call) int { return measureServer(c.config, c.command, nil) }
