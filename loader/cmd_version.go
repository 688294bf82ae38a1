package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"leaklab/loader/environment"
)

// versionCommand prints the revision that the program was built from.
func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the revision that this program was built from",
		Args:  cobra.NoArgs,
		Run: func(command *cobra.Command, _ []string) {
			fmt.Fprintln(command.OutOrStdout(), "leaklab", environment.Version())
		},
	}
}
