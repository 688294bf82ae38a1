package main

import "github.com/spf13/cobra"

// compare compares two recorded runs.
func (a *app) compare(command *cobra.Command, args []string) error {
	return a.do(command, nil, nil, func(c call) int { return compareRuns(c.config, args[0], args[1], c.screen.Out) })
}
