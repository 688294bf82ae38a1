package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// tests are the names of all tests of the checkout.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	names := make(map[string]bool)
	for _, module := range []string{"loader", "server", "grafana", "e2e"} {
		err := filepath.WalkDir(filepath.Join(lab.Checkout(t), module), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range declaration.FindAllStringSubmatch(string(text), -1) {
				names[found[1]] = true
			}
			return err
		})
		require.NoError(t, err)
	}
	return names
}

// Each line of docs/faults.md is a test, and each fault has one line.
func TestEachFaultHasATest(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(lab.Checkout(t), "docs", "faults.md"))
	require.NoError(t, err)
	known, name := tests(t), regexp.MustCompile("`(Test\\w+)[^`]*`")
	rows, seen := 0, make(map[string]bool)
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| fault |") {
			continue
		}
		rows++
		cells := strings.Split(strings.TrimSpace(strings.ReplaceAll(line, `\|`, "")), " | ")
		require.Len(t, cells, 3, line)
		assert.False(t, seen[cells[0]], "two lines of one fault: %s", line)
		seen[cells[0]] = true
		found := name.FindAllStringSubmatch(cells[2], -1)
		assert.True(t, len(found) > 0 || strings.Contains(cells[2], "`.ci/"), "no test: %s", line)
		for _, test := range found {
			assert.True(t, known[test[1]], "%s is not there: %s", test[1], line)
		}
	}
	assert.Greater(t, rows, 50)
}
