package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFirstBadCommit(t *testing.T) {
	seen := map[int]bool{}
	for round := range 1000 {
		commit := firstBad(round)
		assert.Equal(t, commit, firstBad(round))
		seen[commit] = true
	}
	assert.Len(t, seen, bisectCommits-1)
	assert.False(t, seen[1], "the first commit is good")
	assert.True(t, seen[bisectCommits])
	assert.False(t, seen[bisectCommits+1])
}

// The server leaks from the first bad commit on, and each commit differs from the one before.
func TestHistory(t *testing.T) {
	repository := t.TempDir()
	var commits []string
	git := func(args ...string) (string, error) {
		if args[0] == "commit" {
			source, err := os.ReadFile(filepath.Join(repository, "main.go"))
			require.NoError(t, err)
			commits = append(commits, string(source))
		}
		return "", nil
	}
	require.NoError(t, makeHistory(repository, 5, git))
	require.Len(t, commits, bisectCommits)
	for n, source := range commits {
		assert.Equal(t, n+1 >= 5, strings.Contains(source, `keep     = "1" == "1"`), n+1)
		assert.Equal(t, n+1 < 5, strings.Contains(source, `keep     = "" == "1"`), n+1)
		assert.NotContains(t, commits[:n], source)
	}
	assert.FileExists(t, filepath.Join(repository, "go.mod"))

	broken := func(args ...string) (string, error) { return "no room", os.ErrPermission }
	assert.ErrorContains(t, makeHistory(repository, 5, broken), "git init: permission denied\nno room")
}

func TestFoundCommit(t *testing.T) {
	assert.Equal(t, 7, foundIn("...\n0123456789abcdef0123456789abcdef01234567 is the first bad commit\n"+
		"commit 0123456789abcdef0123456789abcdef01234567\nAuthor: leaklab\n\n    commit 7\n\n main.go | 2 +-\nbisect found first bad commit"))
	assert.Zero(t, foundIn("There are only 'skip'ped commits left to test.\nThe first bad commit could be any of:\n"))
}

func TestBisectionTable(t *testing.T) {
	folder := t.TempDir()
	for at, text := range map[string]string{
		"before/1": `{"FirstBad":7,"Found":7,"Runs":4,"Seconds":200}`, "before/2": `{"FirstBad":3,"Found":3,"Runs":3,"Seconds":180}`,
		"now/1": `{"FirstBad":7,"Found":7,"Runs":4,"Seconds":50}`, "now/2": `{"FirstBad":3,"Found":0,"Runs":5,"Seconds":64}`,
	} {
		at := filepath.Join(folder, "bisect", at)
		require.NoError(t, os.MkdirAll(at, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(at, bisectFile), []byte(text), 0o600))
	}
	all := []contender{{name: "before"}, {name: "now"}}
	var out bytes.Buffer
	require.NoError(t, writeBisections(&out, all, folder))
	assert.Contains(t, out.String(), "\n| before | 2 | 2 | 3.5 | 190 |  |\n| now | 2 | 1 | 4.5 | 57 | 0.30 |\n")

	require.NoError(t, recordBisections(t.Context(), all, folder, 2), "all are recorded")
	assert.ErrorContains(t, recordBisections(t.Context(), all, folder, 3), "cannot build the lab")

	broken := filepath.Join(folder, "bisect", "now", fmt.Sprint(2), bisectFile)
	require.NoError(t, os.WriteFile(broken, []byte("x"), 0o600))
	assert.ErrorContains(t, writeBisections(&out, all, folder), broken)
}
