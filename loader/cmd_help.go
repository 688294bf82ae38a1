package main

import "github.com/spf13/cobra"

// helpCommand prints the page of a command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "print the page of a command",
		RunE: func(command *cobra.Command, args []string) error {
			root := command.Root()
			about, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = unknownCommand(root, rest[0])
			}
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
