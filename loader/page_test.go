package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageOf is what a command line prints that asks for help.
func pageOf(t *testing.T, args ...string) string {
	t.Helper()
	root := newRoot(&app{})
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	require.NoError(t, root.Execute())
	return out.String()
}

func TestPageOfHelpIsTheSameEverywhere(t *testing.T) {
	kept, err := os.ReadFile("../docs/help.txt")
	require.NoError(t, err)
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"run", "--help"}, {"attach", "--help"}, {"help", "run"}, {"--tries", "5", "run", "-h"}} {
		assert.Equal(t, string(kept), pageOf(t, args...), "%q; go generate work brings docs/help.txt up to date", args)
	}
	for _, flag := range []string{"--help", "-h"} {
		script := exec.Command("../test-me.sh", flag)
		script.Env = []string{"PATH=/bin:/usr/bin", "GOCACHE=/dev/null"} // nothing can be built
		output, err := script.Output()
		require.NoError(t, err)
		assert.Equal(t, string(kept), string(output))
	}
}
