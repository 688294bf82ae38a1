package compare

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

	"leaklab/e2e/internal/lab"
)

// The workflow of README.md or docs/, with a server that leaks: what GitHub would run, as it would.
func TestWorkflowOfTheReadme(t *testing.T) {
	lab.Quiet(t)
	bash := lab.Need(t, "bash")
	var workflows []string
	for _, blocks := range lab.CodeBlocks(t) {
		for _, block := range blocks {
			if parts := regexp.MustCompile(`(?m)^ *steps:\n`).Split(block, 2); len(parts) == 2 && strings.Contains(block, "test-me.sh") {
				workflows = append(workflows, parts[1])
			}
		}
	}
	require.Len(t, workflows, 1)
	script, err := filepath.Abs(lab.Script)
	require.NoError(t, err)

	workspace, summary := t.TempDir(), filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "go.mod"), []byte("module suspect\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "main.go"), fmt.Appendf(nil, suspect, 1, "kept = append(kept, b)"), 0o600))
	require.NoError(t, os.WriteFile(summary, []byte("# Of another step\n"), 0o600))
	ports := lab.FreePorts(t, 2)
	var codes []int
	failed := false
	for _, step := range regexp.MustCompile(`(?m)^ *- `).Split(workflows[0], -1) {
		line := regexp.MustCompile(`(?m)^ *run: (.*)`).FindStringSubmatch(step)
		if line == nil || failed && !strings.Contains(step, "if: always()\n") {
			continue
		}
		cmd := exec.Command(bash, "-e", "-c", strings.ReplaceAll(line[1], "leaklab/test-me.sh", script))
		cmd.Dir = workspace
		cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary, "GOFLAGS=-buildvcs=false", "PORT="+ports[0], "METRICS_PORT="+ports[1],
			"GOGC=10", "REQUESTS=3000", "MAX_TRIES=20", "WORKERS=10", "SETTLE=50ms", "RELEASE=0", "TOLERANCE=512", "REQUEST_PATH=/")
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
