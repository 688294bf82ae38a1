package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

func TestJSONIsALineARun(t *testing.T) {
	run := recordtest.Against(12, 1)
	run.Sites = recordtest.Sites()
	run.Settings = append(run.Settings, record.Setting{Name: "SHAPE", Value: "churn", Default: "keepalive"})
	var out bytes.Buffer
	require.NoError(t, WriteJSON(&out, run, "results/a<b"))
	require.NoError(t, WriteJSON(&out, record.Run{Verdict: run.Verdict}, ""))
	lines := strings.SplitAfter(out.String(), "\n")
	require.Len(t, lines, 3, "each ends with its line")

	var got struct {
		Shape, State, Results string
		Iterations            int
		Verdict               record.Verdict
		Difference            record.Difference
		Sites                 []record.CallSite
		Growing               *record.Sites `json:"growing_sites"`
	}
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &got))
	assert.Equal(t, "churn", got.Shape)
	assert.Equal(t, "complete", got.State)
	assert.Equal(t, "results/a<b", got.Results)
	assert.Equal(t, 12, got.Iterations)
	assert.Equal(t, run.Verdict, got.Verdict)
	assert.Equal(t, run.Baseline.Difference, got.Difference)
	assert.Equal(t, run.Profiles.Sites, got.Sites)
	assert.Equal(t, run.Sites, got.Growing)

	var names map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &names))
	assert.Len(t, names, 2, "a table alone: %v", names)
}

func TestJSONOfAComparison(t *testing.T) {
	c := recordtest.Comparison(12)
	var out bytes.Buffer
	d := record.NewDifference(c)
	d.Sites = []record.SiteChange{{Change: record.SiteNew, Site: recordtest.Sites().List[0], New: &record.Interval{Estimate: 104, Low: 103, High: 105}}}
	require.NoError(t, WriteComparisonJSON(&out, d, c, 4))
	var got struct {
		Difference record.Difference
		Old, New   record.Verdict
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Equal(t, d, got.Difference)
	assert.Equal(t, record.NewVerdict(c.Old, 4), got.Old)
	assert.Equal(t, record.NewVerdict(c.New, 4), got.New)
}
