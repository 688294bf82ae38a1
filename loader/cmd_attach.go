package main

import "github.com/spf13/cobra"

// attach measures a server that runs already, or that will within START_TIMEOUT.
func (a *app) attach(command *cobra.Command, _ []string) error {
	return a.do(command, nil, checkHere, measureCall)
}
