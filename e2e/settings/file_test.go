package settings

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestSettingsFileIsReadButDoesNotOverride(t *testing.T) {
	t.Parallel()
	// A copy of the script with an .env of its own: the loader says what it has been given.
	folder := t.TempDir()
	script, err := os.ReadFile(lab.Script)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "test-me.sh"), script, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bin", "go"), []byte("#!/bin/sh\n"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(folder, ".build"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".build", "loader"), []byte("#!/bin/sh\nenv\necho \"arguments: $*\"\n"), 0o700))
	write := func(content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, ".env"), []byte(content), 0o600))
	}
	output := func(environment ...string) (string, error) {
		cmd := exec.Command(filepath.Join(folder, "test-me.sh"), "my server", "--flag")
		cmd.Env = append([]string{"PATH=" + filepath.Join(folder, "bin") + ":" + os.Getenv("PATH")}, environment...)
		out, err := cmd.CombinedOutput()
		return "\n" + string(out), err
	}

	write("# comment\n\nTRIES=10\nREQUEST_PATH=/a?b=c d\nLEAK=heap")
	out, err := output("TRIES=3", "LEAK=")
	require.NoError(t, err, out)
	assert.Contains(t, out, "\nTRIES=3\n", "what is exported wins")
	assert.Contains(t, out, "\nLEAK=\n", "also when it is empty")
	assert.Contains(t, out, "\nREQUEST_PATH=/a?b=c d\n")
	assert.Contains(t, out, "arguments: -- my server --flag\n")

	write("TRIES=5\r\n\r\nLEAK=heap\r\n")
	out, err = output()
	require.NoError(t, err, out)
	assert.Contains(t, out, "\nTRIES=5\n", "line ends of Windows")

	write(`TRIES=10
rm -rf x
TRIES
=3
export LEAK=heap
1A=2
A-B=c
 LEAK=heap
LEAK =heap
TRIES=11
DURATION="3s"
HEADERS='A: b'
WORKERS=10 # connections
`)
	out, err = output()
	assert.Error(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Equal(t, `
test-me.sh: .env:2: expected NAME=VALUE, found: rm -rf x
test-me.sh: .env:3: expected NAME=VALUE, found: TRIES
test-me.sh: .env:4: expected NAME=VALUE, found: 
test-me.sh: .env:5: expected NAME=VALUE, found: export LEAK
test-me.sh: .env:6: expected NAME=VALUE, found: 1A
test-me.sh: .env:7: expected NAME=VALUE, found: A-B
test-me.sh: .env:8: expected NAME=VALUE, found:  LEAK
test-me.sh: .env:9: expected NAME=VALUE, found: LEAK 
test-me.sh: .env:10: expected each NAME once, found: TRIES
test-me.sh: .env:11: expected no quotes around a VALUE, and no comment after it, found: DURATION
test-me.sh: .env:12: expected no quotes around a VALUE, and no comment after it, found: HEADERS
test-me.sh: .env:13: expected no quotes around a VALUE, and no comment after it, found: WORKERS
`, out, "all at once, and nothing is started")
}
