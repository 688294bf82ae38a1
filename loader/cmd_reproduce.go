package main

import (
	"github.com/spf13/cobra"

	"leaklab/loader/reproduce"
)

// reproduce makes a recorded run again. Its settings win over those of the environment, but for those that belong to
// where it is made again.
func (a *app) reproduce(command *cobra.Command, args []string) error {
	if err := loadSettings(command); err != nil {
		return err
	}
	again, err := reproduce.Open(args[0])
	if err == nil {
		err = again.Restore()
	}
	if err != nil {
		return recordError(err)
	}
	return a.measure(nil, false, again)
}
