package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// An image is built without git, but knows the revision as long as git's own small files are there.
func TestRevisionOfAnImage(t *testing.T) {
	git := lab.Need(t, "git")
	script, err := filepath.Abs(lab.Checkout(t) + "/loader/revision.sh")
	require.NoError(t, err)
	folder := t.TempDir()
	in := func(folder, program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %q:\n%s", program, args, output)
		return strings.TrimSpace(string(output))
	}
	revision := func(folder string) string { return in(folder, "sh", script) }

	assert.Empty(t, revision(folder), "no git")
	in(folder, git, "init", "--quiet", "--initial-branch=a/branch")
	assert.Empty(t, revision(folder), "no commit")
	in(folder, git, "commit", "--quiet", "--allow-empty", "-m", "first")
	first := in(folder, git, "rev-parse", "HEAD")
	assert.Len(t, first, 40)
	assert.Equal(t, first, revision(folder), "a branch")
	in(folder, git, "branch", "branch")
	in(folder, git, "commit", "--quiet", "--allow-empty", "-m", "second")
	in(folder, git, "pack-refs", "--all")
	require.NoFileExists(t, filepath.Join(folder, ".git/refs/heads/a/branch"))
	second := in(folder, git, "rev-parse", "HEAD")
	assert.Equal(t, second, revision(folder), "packed")
	in(folder, git, "checkout", "--quiet", first)
	assert.Equal(t, first, revision(folder), "detached")
	worktree := filepath.Join(t.TempDir(), "worktree")
	in(folder, git, "worktree", "add", "--quiet", worktree, "branch")
	assert.Empty(t, revision(worktree), "a worktree has its files elsewhere")
}
