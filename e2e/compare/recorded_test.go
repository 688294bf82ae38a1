package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// table is a recorded run of 12 iterations with 100,000 requests each that keep the given bytes a request.
func table(t *testing.T, bytesPerRequest int) string {
	t.Helper()
	text := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	for n := range 12 {
		text += fmt.Sprintf("%d,100000,%d,%d\n", n+1, 20_000_000+n*100_000*bytesPerRequest, 20_000_000+(n+1)*100_000*bytesPerRequest)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(text), 0o600))
	return folder
}

func TestRecordedRunsAreCompared(t *testing.T) {
	t.Parallel()
	leaking, more, clean := table(t, 100), table(t, 200), table(t, 0)
	for _, test := range []struct {
		before, after string
		code          int
		out           string
	}{
		{leaking, clean, 0, "fixed"},
		{clean, leaking, 1, "worse"},
		{leaking, more, 1, "worse"},
		{more, leaking, 0, "better"},
		{clean, filepath.Join(clean, "iterations.csv"), 0, "same"},
		{clean, "/does/not/exist", 2, "/does/not/exist"},
	} {
		loader := exec.Command(lab.Loader, "compare", test.before, test.after)
		output, _ := loader.CombinedOutput()
		assert.Equal(t, test.code, loader.ProcessState.ExitCode(), string(output))
		if test.code == 2 {
			assert.Contains(t, string(output), test.out)
			continue
		}
		lab.AssertComparison(t, test.out, string(output))
	}
}

// sited is the folder of a table with a run.json whose sites are functions that grow by so many bytes a request.
func sited(t *testing.T, growth map[string]float64) string {
	t.Helper()
	type interval struct {
		Estimate float64 `json:"estimate"`
		Low      float64 `json:"low"`
		High     float64 `json:"high"`
	}
	type site struct {
		Function string   `json:"function"`
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Growth   interval `json:"bytes_per_request"`
	}
	var sites []site
	total := 0.0
	for _, function := range slices.Sorted(maps.Keys(growth)) {
		bytes := growth[function]
		sites, total = append(sites, site{function, "/src/main.go", 7, interval{bytes, bytes - 1, bytes + 1}}), total+bytes
	}
	folder := table(t, int(total))
	content, err := json.Marshal(map[string]any{
		"format": 1, "state": "complete", "verdict": map[string]any{"kind": "leak", "of": "live memory"}, "sites": map[string]any{"looked_at": 50, "list": sites},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "run.json"), content, 0o600))
	return folder
}

// Sites that are new or grew are named, by the run.json of both. Names are the server's, and steer nothing.
func TestSitesOfRecordedRunsAreCompared(t *testing.T) {
	t.Parallel()
	loader := func(arguments ...string) string {
		output, _ := exec.Command(lab.Loader, arguments...).Output()
		return string(output)
	}
	old := sited(t, map[string]float64{"main.keep": 100})
	now := sited(t, map[string]float64{"main.keep": 150, "main.cache\x1b[2J\nVerdict": 200})
	output := strings.Join(strings.Fields(loader("compare", old, now)), " ")
	assert.Contains(t, output, "new: main.cache\\x1b[2J Verdict (main.go:7): 200.0 (199.0 to 201.0) bytes/request "+
		"more: main.keep (main.go:7): 50.0 (48.6 to 51.4) bytes/request more, 150.0 instead of 100.0")
	assert.NotContains(t, output, "\x1b")
	output = strings.Join(strings.Fields(loader("compare", now, old)), " ")
	assert.Contains(t, output, "less: main.keep (main.go:7): 50.0 (48.6 to 51.4) bytes/request less, 100.0 instead of 150.0 gone: main.cache")
	assert.NotContains(t, loader("compare", old, old), "main.keep", "nothing differs")
	assert.Contains(t, loader("compare", old, table(t, 100)), "\nSites are not compared: those of the new run are not known.\n")
	assert.NotContains(t, loader("compare", table(t, 100), table(t, 100)), "Sites are")

	var printed struct {
		Difference struct {
			Sites []struct {
				Change string
				Growth struct{ Estimate, Low, High float64 } `json:"bytes_per_request"`
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(loader("compare", "--json", old, now)), &printed))
	require.Len(t, printed.Difference.Sites, 2)
	assert.Equal(t, "more", printed.Difference.Sites[1].Change)
	assert.InDelta(t, 48.6, printed.Difference.Sites[1].Growth.Low, 0.1)

	assert.Contains(t, loader("verdict", old), "\nmain.keep (main.go:7): 100.0 (99.0 to 101.0) bytes/request\n", "a table is judged again with its sites")
	assert.NotContains(t, loader("verdict", "--tolerance", "500", old), "main.keep", "what is no leak has none")
	require.NoError(t, os.WriteFile(filepath.Join(old, "run.json"), []byte(`{"format": 1, "sites": {"list": [`), 0o600))
	output = loader("compare", old, now)
	lab.AssertComparison(t, "worse", output)
	assert.Contains(t, output, "\nSites are not compared: those of the old run are not known.\n", "a run.json that is cut takes nothing away")
}

func TestRecordedRunsAreDrawnTogether(t *testing.T) {
	t.Parallel()
	picture := filepath.Join(t.TempDir(), "compare.svg")
	output, err := exec.Command(lab.Draw, table(t, 0), table(t, 100), picture).CombinedOutput()
	require.NoError(t, err, string(output))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(content), "new - old = 100.0 bytes/request")
	drawing := exec.Command(lab.Draw, "a", "b")
	output, _ = drawing.CombinedOutput()
	assert.Equal(t, 2, drawing.ProcessState.ExitCode())
	assert.Contains(t, string(output), "usage: draw FOLDER\n")
}
