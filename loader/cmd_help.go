package main

import "github.com/spf13/cobra"

// printHelp prints the page of the command that args name.
func printHelp(command *cobra.Command, args []string) error {
	about, rest, err := command.Root().Find(args)
	if err == nil && len(rest) > 0 {
		err = unknownCommand(command.Root(), rest[0])
	}
	if err != nil {
		return err
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}
