package main

import "github.com/spf13/cobra"

// attachCommand measures a server that runs already, and waits for one that will.
func attachCommand(a *app) *cobra.Command {
	return measuring(a, &cobra.Command{
		Use:   "attach [flags]",
		Short: "measure a running server; wait for it up to START_TIMEOUT",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return a.do(command.Flags(), nil, checkHere, measureCall)
		},
	})
}
