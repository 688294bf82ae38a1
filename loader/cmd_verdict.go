package main

import "github.com/spf13/cobra"

// verdict judges a recorded run.
func (a *app) verdict(command *cobra.Command, args []string) error {
	return a.do(command, nil, nil, func(c call) int { return judgeFile(c.config, args[0], c.screen.Out) })
}
