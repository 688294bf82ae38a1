package main

import "github.com/spf13/cobra"

// reproduce makes a recorded run again. The record decides most settings, so that reproduce reads them itself.
func (a *app) reproduce(command *cobra.Command, args []string) error {
	if err := loadSettings(command); err != nil {
		return err
	}
	a.code = reproduce(args[0])
	return nil
}
