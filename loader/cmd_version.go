package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"leaklab/loader/environment"
)

func printVersion(command *cobra.Command, _ []string) error {
	_, err := fmt.Fprintln(command.OutOrStdout(), "leaklab", environment.Version())
	return err
}
