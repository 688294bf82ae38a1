package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/environment"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// hostile is text that must nowhere become markup.
const hostile = "a|b `c` ``` <script>alert(1)</script> \"'& @octocat\nsecond line\x1b[2J"

// exampleIterations gain 1000 bytes in each of 10,000 requests.
func exampleIterations(count int) []lab.Iteration {
	var all []lab.Iteration
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for n := range count {
		totals := load.NewMeter().Snapshot()
		totals.Requests = 10_000
		all = append(all, lab.Iteration{
			Requests: 10_000,
			Number:   n + 1, Of: count, Load: load.Result{Totals: totals, StartedAt: start.Add(time.Duration(n)*4*time.Second + time.Second), Elapsed: 3 * time.Second},
			Start: memory.Reading{Total: int64(n+1) * 10_000_000}, End: memory.Reading{Total: int64(n+2) * 10_000_000}, Peak: int64(n+2) * 10_000_000,
		})
	}
	return all
}

// exampleRun is a run of so many iterations that leak, with names and values that are hostile.
func exampleRun(count int) Run {
	var evidence []verdict.Iteration
	run := Run{
		Format: runFormat, LeaklabVersion: "3f2a", StartedAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), State: Complete,
		ServerCommand: hostile, MemorySource: "/proc", Tries: count, SettleSeconds: 0.5,
		Settings: []Setting{
			{"TRIES", "12", "10"}, {"REQUEST_PATH", hostile, "/hello/warp"}, {"HEADERS", Hidden, ""}, {"WORKERS", "100", "100"}, {"URL_FILE", "", ""},
		},
		Reproduce: "TRIES=12 ./test-me.sh '" + hostile + "'",
		Profiles: &Profiles{Files: []string{"heap-warm.pb.gz"}, Requests: 110_000, Sites: []CallSite{
			{Kind: "heap", Place: Place{hostile, "/src/a|b.go", 12}, CalledBy: &Place{"main.handler", "/src/main.go", 7}, Bytes: 3 << 20, BytesPerRequest: 28.6},
			{Kind: "goroutine", Place: Place{"main.wait", "main.go", 9}, Goroutines: 110, GoroutinesPerRequest: 0.001},
		}},
		Remarks: []string{"Under this load it reaches the limit in 2 days."}, Iterations: []Iteration{},
		Environment: environment.Environment{
			Kernel: "linux 6.1.0 x86_64", CPU: hostile, CPUs: 2, MemoryBytes: 4 << 30, Limits: environment.Limits{MemoryBytes: 2 << 30, CPUs: 1.5, Processes: 99},
			Server: environment.Server{Go: &environment.GoBuild{Version: "go1.26.0", Package: hostile}, Variables: map[string]string{"GOGC": hostile}},
		},
	}
	for _, i := range exampleIterations(count) {
		run.Iterations = append(run.Iterations, newIteration(i))
		evidence = append(evidence, Evidence(i))
	}
	run.Verdict = newVerdict(verdict.Judge(evidence, verdict.Options{Tolerance: 4}), 4)
	return run
}

func TestRunIsReadAsItWasWritten(t *testing.T) {
	for _, count := range []int{0, 1, 12} {
		want := exampleRun(count)
		var text bytes.Buffer
		require.NoError(t, writeRun(&text, want))
		got, err := ReadRun(&text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	leak := exampleRun(12)
	assert.Equal(t, verdict.Leak, leak.Verdict.Kind)
	assert.InDelta(t, 1000, leak.Verdict.GrowthBytesPerRequest, 1)
}

func TestIterationsHaveTheNamesOfTheTable(t *testing.T) {
	folder := t.TempDir()
	table, err := CreateCSV(folder, "iterations.csv")
	require.NoError(t, err)
	require.NoError(t, table.Close())
	content, err := os.ReadFile(filepath.Join(folder, "iterations.csv"))
	require.NoError(t, err)

	one := uint64(1)
	text, err := json.Marshal(Iteration{
		AnonymousEndBytes: &one, FileEndBytes: &one, SharedEndBytes: &one, LiveHeapEndBytes: &one,
		CgroupFileEndBytes: &one, CgroupSocketEndBytes: &one, OpenFiles: &one, Threads: &one, Processes: 1,
	})
	require.NoError(t, err)
	var names []string
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, err = decoder.Token()
	require.NoError(t, err)
	for decoder.More() {
		name, err := decoder.Token()
		require.NoError(t, err)
		names = append(names, name.(string))
		_, err = decoder.Token()
		require.NoError(t, err)
	}
	assert.Equal(t, strings.TrimSpace(string(content)), strings.Join(names, ","))

	known, err := json.Marshal(newIteration(measured(t)))
	require.NoError(t, err)
	assert.Contains(t, string(known), `"started_at":"2026-11-23T08:00:01.25Z"`)
	assert.Contains(t, string(known), `"cgroup_socket_end_bytes":4096`)
	assert.NotContains(t, string(known), "live_heap", "what is not known is left out")
}

func TestReadRunErrors(t *testing.T) {
	const good = `{"format":1,"state":"complete","verdict":{"kind":"leak"}`
	for text, want := range map[string]string{
		"":               "the file is empty",
		`{"format":1`:    "the file ends in the middle",
		`{"format":one}`: "byte 11: invalid character 'o' looking for beginning of value",
		`{"format":"1"}`: "format is a string; expected a int",
		`{"format":2}`:   "format is 2; expected 1",
		`{}`:             "format is 0; expected 1",
		`{"format":1}`:   `state is ""; expected "running", "complete" or "ended early"`,
		good + `} {}`:    "something follows its end, at byte 59",
		`{"format":1,"state":"complete","verdict":{"kind":"maybe"}}`:                                                        `verdict.kind is "maybe"; expected "leak", "no leak" or "inconclusive"`,
		`{"format":1,"state":"complete","verdict":{"kind":"leak","lower_bytes_per_request":2,"upper_bytes_per_request":1}}`: "verdict.lower_bytes_per_request is 2, above upper_bytes_per_request, 1",
		good + `,"iterations":[{"iteration":2},{"iteration":2}]}`:                                                           "iterations[1].iteration is 2 after 2; expected a higher number",
		good + `,"iterations":[{"iteration":1,"rss_end_bytes":-1}]}`:                                                        "iterations[0]: resident memory of 0, -1 and 0 bytes; expected 0 to 9007199254740992",
		good + `,"iterations":[{"iteration":1,"duration_seconds":-1}]}`:                                                     "iterations[0].duration_seconds is -1; expected 0 or more",
		good + `,"iterations":[{"iteration":1,"requests":9007199254740993}]}`:                                               "iterations[0].requests is 9007199254740993; expected at most 9007199254740992",
		good + `,"iterations":[{"iteration":"1"}]}`:                                                                         "iterations.iteration is a string; expected a int",
	} {
		_, err := ReadRun(strings.NewReader(text))
		assert.EqualError(t, err, "not a run.json: "+want, "%s", text)
	}
	run, err := ReadRun(strings.NewReader(good + `,"a_later_name":1}`))
	require.NoError(t, err)
	assert.Equal(t, verdict.Leak, run.Verdict.Kind)
}

// Whatever is read can be reported, compared and said to differ.
func FuzzReadRun(f *testing.F) {
	for _, count := range []int{0, 5} {
		var text bytes.Buffer
		if err := writeRun(&text, exampleRun(count)); err != nil {
			f.Fatal(err)
		}
		f.Add(text.Bytes())
	}
	var text bytes.Buffer
	if err := writeRun(&text, exampleAgainst(5, 1)); err != nil {
		f.Fatal(err)
	}
	f.Add(text.Bytes())
	f.Add([]byte(`{"format":1,"state":"running","verdict":{"kind":"leak","estimated":true,"judged_first":-5,"judged_last":9},"iterations":[{"iteration":1},{"iteration":9}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := ReadRun(bytes.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "not a run.json: ") {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		if err := writeMarkdown(&out, run); err != nil {
			t.Fatal(err)
		}
		if err := WriteReproduction(&out, run, exampleRun(1)); err != nil {
			t.Fatal(err)
		}
		evidence := run.Evidence()
		if err := WriteComparison(&out, verdict.Compare(evidence, evidence, verdict.Options{Tolerance: 4}), Side{"old", "a"}, Side{"new", "b"}); err != nil {
			t.Fatal(err)
		}
		if err := writeHTML(&out, run, newFigure(run, nil, nil)); err != nil {
			t.Fatal(err)
		}
	})
}
