package foreign

import (
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

// recipe is a code block that measures a server which somebody else has written.
type recipe struct{ page, program, text string }

// recipes are those of README.md and docs/: test-me.sh with the name of an installed program, which begins with a small
// letter. COMMAND, ./server and a line without a command are not.
func recipes(t *testing.T) []recipe {
	t.Helper()
	command := regexp.MustCompile(`(?m)(?:^|[ ;&(])\./test-me\.sh ([a-z][a-z0-9]*) .`)
	var found []recipe
	seen := map[string]bool{}
	for page, blocks := range lab.CodeBlocks(t) {
		for _, block := range blocks {
			if match := command.FindStringSubmatch(block); match != nil && !seen[block] {
				seen[block] = true
				found = append(found, recipe{page, match[1], block})
			}
		}
	}
	return found
}

// needs skips the test of a recipe if it cannot be made here: the shell's builds a server from Debian's Rust crates, which
// takes long.
func (r recipe) needs(t *testing.T) {
	t.Helper()
	if strings.Contains(r.text, "cargo ") {
		lab.OnlyLong(t)
		lab.NeedCrates(t)
	}
	lab.Need(t, r.program)
}

// The recipes of README.md and docs/, as they stand there but for the port, which may be in use.
func TestRecipesOfTheReadmeFromDebian(t *testing.T) {
	lab.Quiet(t)
	var programs []string
	for _, recipe := range recipes(t) {
		programs = append(programs, recipe.program)
		t.Run(recipe.page+" "+recipe.program, func(t *testing.T) {
			recipe.needs(t)
			ports := lab.FreePorts(t, 2)
			results := filepath.Join(t.TempDir(), "results")
			script := exec.Command("sh", "-ec", strings.ReplaceAll(recipe.text, "3030", ports[0]))
			script.Dir = lab.Root
			script.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+results, "TRIES=2", "DURATION=300ms", "RELEASE=0")
			output, _ := script.CombinedOutput()
			assert.Equal(t, 125, script.ProcessState.ExitCode(), "%s\n%s", recipe.text, output)
			rows := lab.RowsIn(t, lab.Newest(t, results, 1))
			require.Len(t, rows, 2, string(output))
			for _, row := range rows {
				assert.Positive(t, lab.Number(t, row, lab.ColumnRequests))
				assert.Zero(t, lab.Number(t, row, lab.ColumnErrors), string(output))
			}
			lab.AssertPortFree(t, ports[0])
		})
	}
	assert.Subset(t, programs, []string{"python3", "node", "nginx", "sh"})
}
