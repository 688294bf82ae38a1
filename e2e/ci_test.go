package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The workflow of README.md, with a server that leaks: what GitHub would run, as it would.
func TestWorkflowOfTheReadme(t *testing.T) {
	bash := need(t, "bash")
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, workflow, found := strings.Cut(string(readme), "\n    steps:\n")
	require.True(t, found)
	workflow, _, _ = strings.Cut(workflow, "\n\n")
	script, err := filepath.Abs(testMe)
	require.NoError(t, err)

	workspace, summary := t.TempDir(), filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "go.mod"), []byte("module suspect\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "main.go"), fmt.Appendf(nil, suspect, 1, "kept = append(kept, b)"), 0o600))
	require.NoError(t, os.WriteFile(summary, []byte("# Of another step\n"), 0o600))
	ports := freePorts(t, 2)
	var codes []int
	failed := false
	for _, step := range strings.Split(workflow, "\n      - ") {
		line := regexp.MustCompile(`(?:^|\n +)run: (.*)`).FindStringSubmatch(step)
		if line == nil || failed && !strings.Contains(step, "if: always()\n") {
			continue
		}
		cmd := exec.Command(bash, "-e", "-c", strings.ReplaceAll(line[1], "leaklab/test-me.sh", script))
		cmd.Dir = workspace
		cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary, "GOFLAGS=-buildvcs=false", "PORT="+ports[0], "METRICS_PORT="+ports[1],
			"REQUESTS=10000", "MAX_TRIES=14", "WORKERS=10", "SETTLE=50ms", "RELEASE=0", "TOLERANCE=64", "REQUEST_PATH=/")
		output, _ := cmd.CombinedOutput()
		codes = append(codes, cmd.ProcessState.ExitCode())
		failed = failed || !cmd.ProcessState.Success()
		t.Logf("%s\n%s", line[1], output)
	}
	assert.Equal(t, []int{0, 1, 0}, codes, "builds; leaks; is reported all the same")
	report, err := os.ReadFile(summary)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(report), "# Of another step\n## Verdict: leak, "), string(report))
}
