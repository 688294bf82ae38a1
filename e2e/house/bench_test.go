package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// On a machine without wrk the script installs the package. Here the programs that build and install are stand-ins.
func TestTheBenchmarkInstallsWhatItNeeds(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"bash", "dirname", "mktemp", "mkdir", "rm", "cat", "pgrep", "shuf", "git"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip("without ", name)
		}
		require.NoError(t, os.Symlink(path, filepath.Join(bin, name)))
	}
	for name, script := range map[string]string{
		"go":      "exit 0",
		"apt-get": `[ "$1" = update ] || { echo "asked for: $*"; exit 1; }`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/usr/bin/env bash\n"+script+"\n"), 0o755))
	}
	bench := exec.CommandContext(t.Context(), filepath.Join(bin, "bash"), filepath.Join(lab.Checkout(t), ".ci", "bench"))
	bench.Env = []string{"PATH=" + bin, "TMPDIR=" + t.TempDir()}
	said, err := bench.CombinedOutput()
	assert.Error(t, err)
	assert.Equal(t, "asked for: install -y -qq --no-install-recommends wrk\n", string(said))
}
