package run

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/live"
	"leaklab/loader/memory"
	"leaklab/loader/record"
)

// keepingSource is a source whose readings come from profiles.
type keepingSource struct {
	failing
	err error
}

func (k keepingSource) Keep(save live.Save) ([]live.ProfileFile, error) {
	err := save("server.prof", func(out io.Writer) error {
		_, err := io.WriteString(out, "a profile")
		return err
	})
	return []live.ProfileFile{{Name: "server.prof", Open: "go tool pprof server server.prof"}}, errors.Join(err, k.err)
}

func TestProfilesOfReadingsAreKept(t *testing.T) {
	s, notes := growing(t, 100, &namingSource{nameless: true}, answers(1))
	s.live.source = keepingSource{err: errors.New("process 7 is gone")}
	s.name(t.Context(), false, nil)
	require.NotNil(t, s.record.Sites)
	assert.Equal(t, []record.ProfileFile{{Name: "server.prof", Open: "go tool pprof server server.prof"}}, s.record.Sites.Files)
	content, err := os.ReadFile(filepath.Join(s.folder, "server.prof"))
	require.NoError(t, err)
	assert.Equal(t, "a profile", string(content))
	assert.Contains(t, notes.String(), "process 7 is gone")
}

func TestNoProfileIsKeptWithoutALeak(t *testing.T) {
	for name, test := range map[string]struct {
		kept int64
		off  bool
	}{"no leak": {}, "SITES=off": {kept: 100, off: true}} {
		t.Run(name, func(t *testing.T) {
			s, _ := growing(t, test.kept, &namingSource{nameless: true, sites: []memory.Site{}}, answers(1))
			s.live.source, s.plan.sites.off = keepingSource{}, test.off
			s.name(t.Context(), false, nil)
			assert.NoFileExists(t, filepath.Join(s.folder, "server.prof"))
		})
	}
}
