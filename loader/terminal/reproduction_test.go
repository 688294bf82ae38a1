package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/environment"
	"leaklab/loader/verdict"
)

func reproductionOf(t *testing.T, old, again Run) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, WriteReproduction(&out, old, again))
	return out.String()
}

func TestReproductionThatIsTheSame(t *testing.T) {
	old, again := exampleRun(12), exampleRun(12)
	again.StartedAt = again.StartedAt.AddDate(1, 0, 0)
	assert.Equal(t, `Reproduction: the same verdict, leak
-------------------------------
Settings and environment are the same, as far as they are known.
`, reproductionOf(t, old, again))
}

func TestReproductionThatDiffers(t *testing.T) {
	old, again := exampleRun(12), exampleRun(12)
	old.Environment.Server.Variables = map[string]string{"GOGC": "100", "MALLOC_ARENA_MAX": "2"}
	again.Environment.Server.Variables = map[string]string{"GOGC": "50\x1b[2J"}
	old.Environment.Server.Go = nil
	again.Environment.Server.Go = &environment.GoBuild{Version: "go1.27", Settings: map[string]string{"-race": "true"}}
	again.Settings = append([]Setting{}, again.Settings...)
	again.Settings[0].Value = "9"
	again.Environment.CPU = strings.Repeat("x", 100)
	again.Environment.CPUs = 3
	again.Verdict.Kind = verdict.NoLeak
	out := reproductionOf(t, old, again)
	assert.Contains(t, out, "Reproduction: another verdict, no leak instead of leak\n")
	for _, row := range []string{`TRIES +12 +9`, `CPU +2 × a\|b .* +3 × x{56}…`, `Built with +- +go1\.27`, `Built with -race +- +true`, `Server's GOGC +100 +50 \[2J`, `Server's MALLOC_ARENA_MAX +2 +-`} {
		assert.Regexp(t, "(?m)^"+row+"$", out)
	}
	assert.Equal(t, 2+6+1, strings.Count(out, "\n"), "nothing else differs:\n%s", out)
}

func TestEvidenceOfARecordedRun(t *testing.T) {
	i := measured(t)
	run := Run{Iterations: []Iteration{newIteration(i)}}
	assert.Equal(t, []verdict.Iteration{Evidence(i)}, run.Evidence())
}
