package main

import (
	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// reproduceCommand makes a recorded run again. Its flags are the settings that a record does not decide.
func reproduceCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "reproduce RUN",
		Short: "make a recorded run again, and compare the two",
		Long: "Makes a recorded run again with its settings, and compares the two. RUN is its folder or run.json. What belongs to this " +
			"machine, what may be secret, and where things are come from flags and the environment.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			err := config.LoadFlags(command.Flags())
			warnMisspelt()
			if err != nil {
				return settingsError{err}
			}
			a.code = reproduce(args[0])
			return nil
		},
	}
	var undecided []config.Setting
	for _, s := range config.Settings() {
		if s.Machine || s.Movable || s.Secret || s.Redacted {
			undecided = append(undecided, s)
		}
	}
	addFlags(a, command, undecided)
	return command
}
