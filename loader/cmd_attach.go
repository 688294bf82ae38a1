package main

import "github.com/spf13/cobra"

// attach measures a server that runs already, or that will within START_TIMEOUT.
func (a *app) attach(command *cobra.Command, _ []string) error {
	if err := loadSettings(command); err != nil {
		return err
	}
	return a.measure(nil, false, nil)
}
