package main

import (
	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// verdictCommand judges a recorded run.
func verdictCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "verdict FILE.csv",
		Short: "judge a recorded run",
		Long:  "Judges a recorded run by its iterations.csv. It needs the columns iteration, requests, rss_start_bytes and rss_end_bytes.",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.do(command.Flags(), nil, unchecked, func(c call) int { return judgeFile(c.config, args[0], c.screen.text) })
		},
	}
	addFlags(a, command, judging())
	return command
}

// judging are the settings that a verdict on recorded runs depends on.
func judging() []config.Setting {
	var chosen []config.Setting
	for _, s := range config.Settings() {
		if s.Name == "TOLERANCE" || s.Name == "TRIES" || s.Name == "MAX_TRIES" {
			chosen = append(chosen, s)
		}
	}
	return chosen
}
