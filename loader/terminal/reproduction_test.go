package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/environment"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func reproductionOf(t *testing.T, old, again record.Run) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, New(&out, true).Reproduction(old, again))
	return out.String()
}

func TestReproductionThatIsTheSame(t *testing.T) {
	old, again := recordtest.Run(12), recordtest.Run(12)
	again.StartedAt = again.StartedAt.AddDate(1, 0, 0)
	assert.Equal(t, `Reproduction: the same verdict, leak
-------------------------------
Settings and environment are the same, as far as they are known.
`, reproductionOf(t, old, again))
}

func TestReproductionThatDiffers(t *testing.T) {
	old, again := recordtest.Run(12), recordtest.Run(12)
	old.Environment.Server.Variables = map[string]string{"GOGC": "100", "MALLOC_ARENA_MAX": "2"}
	again.Environment.Server.Variables = map[string]string{"GOGC": "50\x1b[2J"}
	old.Environment.Server.Go = nil
	again.Environment.Server.Go = &environment.GoBuild{Version: "go1.27", Settings: map[string]string{"-race": "true"}}
	again.Settings = append([]record.Setting{}, again.Settings...)
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

// Whatever is read can be said to differ.
func FuzzReadAndCompareRuns(f *testing.F) {
	for _, run := range []record.Run{recordtest.Run(5), recordtest.Against(5, 1)} {
		var text bytes.Buffer
		if err := run.Write(&text); err != nil {
			f.Fatal(err)
		}
		f.Add(text.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := record.ReadRun(bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		terminal := New(&out, false)
		if err := terminal.Reproduction(run, recordtest.Run(1)); err != nil {
			t.Fatal(err)
		}
		evidence := run.Evidence()
		if err := terminal.Comparison(verdict.Compare(evidence, evidence, verdict.Options{Tolerance: 4}), Side{"old", "a"}, Side{"new", "b"}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(out.String(), 0x1b) {
			t.Fatalf("an escape sequence: %q", out.String())
		}
		if err := WriteJSON(&out, run, "results/a"); err != nil {
			t.Fatal(err)
		}
	})
}
