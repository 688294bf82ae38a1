package main

import "github.com/spf13/cobra"

// needsDemo exits with 0 if run would start the demo server with args, so that ./test-me.sh builds it only then.
func (a *app) needsDemo(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		a.code = exitLeak
	}
	return nil
}
