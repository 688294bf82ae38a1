package report

import (
	"errors"
	"os"
	"path/filepath"
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

// updateGolden names the variable that has the golden files written instead of compared.
const updateGolden = "LEAKLAB_UPDATE_GOLDEN"

// goldenFiles are the files of a run whose bytes are held fixed.
var goldenFiles = []string{"iterations.csv", "baseline.csv", "samples.csv", "baseline-samples.csv", "run.json", "report.md", "report.html"}

// A recorded run has the same bytes in every version of leaklab, unless a change of the format is meant.
func TestFilesOfARunAreGolden(t *testing.T) {
	for name, c := range goldenCases() {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			c.write(t, folder)
			for _, file := range goldenFiles {
				compareGolden(t, filepath.Join("testdata", "golden", name, file), filepath.Join(folder, file))
			}
		})
	}
}

// compareGolden compares the file at got with the golden one, neither of which need exist.
func compareGolden(t *testing.T, golden, got string) {
	t.Helper()
	content, err := os.ReadFile(got)
	missing := errors.Is(err, os.ErrNotExist)
	if !missing {
		require.NoError(t, err)
	}
	if os.Getenv(updateGolden) != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		if missing {
			_ = os.Remove(golden)
			return
		}
		require.NoError(t, os.WriteFile(golden, content, 0o644))
		return
	}
	want, err := os.ReadFile(golden)
	if missing {
		require.ErrorIs(t, err, os.ErrNotExist, "%s was not written", got)
		return
	}
	require.NoError(t, err)
	assert.Equal(t, string(want), string(content), golden)
}

// goldenCase is a run that is the same each time.
type goldenCase struct {
	run        Run // what is known before its first iteration
	iterations []lab.Iteration
	samples    []goldenSample
	verdict    verdict.Verdict
	remarks    []string
	profiles   *Profiles
	reason     error
	// Of a baseline, if there is one.
	baseline        string // its command
	others          []lab.Iteration
	baselineSamples []goldenSample
	comparison      verdict.Comparison
}

type goldenSample struct {
	at        time.Time
	iteration int // 0 between loads
	reading   memory.Reading
}

// write writes all files of the run into folder.
func (c *goldenCase) write(t *testing.T, folder string) {
	t.Helper()
	writeGoldenTable(t, folder, "iterations.csv", c.iterations)
	course := writeGoldenSamples(t, folder, "samples.csv", c.samples)
	run := c.run
	record, err := NewRecord(folder, run, func() []Point { return course },
		func() (verdict.Verdict, []string) { return c.verdict, c.remarks }, func(string) error { return nil })
	require.NoError(t, err)
	var baseline lab.Observer
	if c.baseline != "" {
		writeGoldenTable(t, folder, "baseline.csv", c.others)
		other := writeGoldenSamples(t, folder, "baseline-samples.csv", c.baselineSamples)
		baseline = record.Compare(c.baseline, func() []Point { return other }, func() verdict.Comparison { return c.comparison })
	}
	for n, i := range c.iterations {
		require.NoError(t, record.IterationEnded(i))
		if n < len(c.others) {
			require.NoError(t, baseline.IterationEnded(c.others[n]))
		}
	}
	record.SetProfiles(c.profiles)
	require.NoError(t, record.End(c.reason))
}

func writeGoldenTable(t *testing.T, folder, name string, iterations []lab.Iteration) {
	t.Helper()
	table, err := CreateCSV(folder, name)
	require.NoError(t, err)
	for _, i := range iterations {
		require.NoError(t, table.IterationEnded(i))
	}
	require.NoError(t, table.Close())
}

func writeGoldenSamples(t *testing.T, folder, name string, all []goldenSample) []Point {
	t.Helper()
	samples, err := CreateSamples(folder, name)
	require.NoError(t, err)
	for _, s := range all {
		if s.iteration > 0 {
			samples.LoadBegins(s.iteration, s.at)
		}
		samples.Take(s.at, s.reading)
		samples.LoadEnded()
	}
	require.NoError(t, samples.Close())
	return samples.Course()
}

var goldenStart = time.Date(2026, 11, 23, 9, 0, 0, 125e6, time.UTC)

// goldenIterations gain so many bytes each, and have latencies, errors and parts that differ.
func goldenIterations(count int, gain int64, offset time.Duration) []lab.Iteration {
	var all []lab.Iteration
	for n := range count {
		totals := load.NewMeter().Snapshot()
		totals.Requests = uint64(30_000 + 17*n)
		totals.Codes[200], totals.Codes[503] = totals.Requests-uint64(n), uint64(n)
		for step := range 1000 {
			_ = totals.Latency.RecordValue(int64(step+1+10*n) * 3_000)
		}
		totals.MaxLatency = time.Duration(4_300_000 + 1000*n)
		for r, reason := range load.Reasons() {
			if n > 0 && r%3 == n%3 {
				totals.Errors[reason] = uint64(n + r)
			}
		}
		base := 20_000_000 + int64(n)*gain
		i := lab.Iteration{
			Number: n + 1, Of: count, Requests: totals.Requests,
			Load: load.Result{
				Totals: totals, StartedAt: goldenStart.Add(offset + time.Duration(n)*4*time.Second + time.Second), Elapsed: 3*time.Second + time.Duration(n)*1234567,
			},
			Start: memory.Reading{Total: base}, Peak: base + 2*gain + 4096,
			End: memory.Reading{
				Total: base + gain, Parts: &memory.Parts{Anonymous: base + gain - 5_000_000, File: 5_000_000, Shared: 0},
				Processes: 1, Threads: 9, OpenFiles: 12 + n,
			},
		}
		if n%2 == 0 {
			i.End.Cgroup, i.End.LiveHeap = &memory.Cgroup{Anonymous: base, File: 8192, Socket: 4096}, 3_000_000+int64(n)*gain/2
		}
		all = append(all, i)
	}
	return all
}

// goldenSamples are ten of each iteration, under load and between loads.
func goldenSamples(iterations []lab.Iteration) []goldenSample {
	var all []goldenSample
	for _, i := range iterations {
		for n := range int64(10) {
			s := goldenSample{
				at:      i.Load.StartedAt.Add(time.Duration(n) * 380 * time.Millisecond),
				reading: memory.Reading{Total: i.Start.Total + n*(i.Peak-i.Start.Total)/10},
			}
			if n < 8 {
				s.iteration = i.Number
			}
			if n%4 != 3 {
				s.reading.Parts = &memory.Parts{Anonymous: s.reading.Total - 5_000_000, File: 4_000_000, Shared: 1_000_000}
			}
			all = append(all, s)
		}
	}
	return all
}

// goldenRun is what is known of a run before its first iteration.
func goldenRun(tries int) Run {
	return Run{
		LeaklabVersion: "4d44928e0f (modified)", StartedAt: goldenStart, Way: "launched",
		ServerCommand: "./my-server --cache 'a b'", ServerArguments: []string{"./my-server", "--cache", "a b"},
		MemorySource: "/proc", Tries: tries, SettleSeconds: 0.5,
		Settings: []Setting{
			{"TRIES", "12", "10"}, {"PORT", "3030", "3030"}, {"REQUEST_PATH", hostile, "/hello/warp"}, {"HEADERS", Hidden, ""}, {"BODY", Hidden, ""}, {"URL_FILE", "", ""},
		},
		Reproduce: "TRIES=12 ./test-me.sh ./my-server --cache 'a b'",
		Verdict:   Verdict{ToleranceBytesPerRequest: 4},
		Environment: environment.Environment{
			Kernel: "linux 6.1.0 x86_64", CPU: "A CPU @ 2.50GHz", CPUs: 2, MemoryBytes: 4 << 30,
			Limits: environment.Limits{MemoryBytes: 2 << 30, CPUs: 1.5, Processes: 99},
			Server: environment.Server{
				Go: &environment.GoBuild{
					Version: "go1.26.0", Package: "example.org/my-server", Module: "example.org/my-server (devel)",
					Settings: map[string]string{"GOOS": "linux", "CGO_ENABLED": "0"},
				},
				Variables: map[string]string{"GOGC": "50", "MALLOC_ARENA_MAX": "2"},
			},
		},
	}
}

func goldenLeak(unit verdict.Unit) verdict.Verdict {
	return verdict.Verdict{
		Kind: verdict.Leak, Shape: verdict.ShapeSteady, Unit: unit, Estimated: true,
		Growth: 33.3125, Lower: 31.25, Upper: 35.5, Confidence: 0.95, Early: 33, Late: 34, Resolution: 2.125,
		WarmUp: 2, Judged: verdict.Range{First: 3, Last: 12}, JudgedRequests: 301_003, GivenBack: 12288,
		Statistic: "a statistic of 10 end readings",
		Sentence:  "Leak: after a warm-up of 2 iterations, resident memory grows by 33.3 bytes a request (31.3 to 35.5, 95%) & more.",
	}
}

func goldenUndecided(sentence string) verdict.Verdict {
	return verdict.Verdict{
		Kind: verdict.Inconclusive, Shape: verdict.ShapeNone, Statistic: "none", Sentence: sentence, Advice: "Run at least 5 iterations in all; 12 are better.",
	}
}

func goldenProfiles() *Profiles {
	return &Profiles{
		Files: []string{"heap-warm.pb.gz", "goroutine-warm.pb.gz", "heap-end.pb.gz", "goroutine-end.pb.gz"}, Requests: 330_000,
		Sites: []CallSite{
			{Kind: "heap", Place: Place{"main.keep|<b>", "/src/a/main.go", 12}, CalledBy: &Place{"main.handler", "/src/a/main.go", 7}, Bytes: 9 << 20, BytesPerRequest: 28.6},
			{Kind: "goroutine", Place: Place{"main.wait", "main.go", 9}, Goroutines: 330, GoroutinesPerRequest: 0.001},
		},
	}
}

// goldenCases are a launched server that leaks, one with a baseline, a run that ended before its first iteration, and
// one whose requests are not counted.
func goldenCases() map[string]*goldenCase {
	launched := &goldenCase{
		run: goldenRun(12), iterations: goldenIterations(12, 1_000_000, 0), verdict: goldenLeak(verdict.PerRequest), profiles: goldenProfiles(),
		remarks: []string{"Under this load the server reaches the limit of its cgroup, 2048 MiB, in 2 days.", "The requests were counted by the server: http_requests_total at METRICS_URL."},
	}

	compared := &goldenCase{
		run: goldenRun(12), iterations: goldenIterations(12, 1_000_000, 0), verdict: goldenLeak(verdict.PerRequest), baseline: "./old-server '|'",
		others: goldenIterations(11, 4096, 2*time.Second), reason: errors.New("iteration 12 of 12: baseline: the server process is gone"),
	}
	compared.baselineSamples = goldenSamples(compared.others)
	old := verdict.Verdict{
		Kind: verdict.NoLeak, Shape: verdict.ShapeWarmUp, Estimated: true, Growth: 0.125, Lower: -0.5, Upper: 0.75, Confidence: 0.95, Resolution: 0.625,
		WarmUp: 1, Judged: verdict.Range{First: 2, Last: 11}, JudgedRequests: 300_001, Statistic: "a statistic", Sentence: "No leak: it grows by less than 0.75 bytes a request.",
	}
	compared.comparison = verdict.Comparison{
		Old: old, New: compared.verdict, Change: verdict.Worse, Estimated: true, Difference: 33.1875, Lower: 31, Upper: 35.25,
		Judged: verdict.Range{First: 3, Last: 11}, Sentence: "Worse: the suspect grows more, by 33.2 bytes a request (31 to 35.3, 95%).",
	}

	early := &goldenCase{
		run: goldenRun(10), verdict: goldenUndecided("Inconclusive: 0 iterations; nothing can be said of fewer than 5."),
		reason: errors.New("PORT=\"3030\": expected a server on 127.0.0.1:3030: nothing listens there\nafter 30s"),
	}
	early.run.Way, early.run.ServerArguments = "attached", nil

	uncounted := &goldenCase{
		run: goldenRun(4), iterations: goldenIterations(4, 2_000_000, 0), verdict: goldenUndecided("Inconclusive: 4 iterations; nothing can be said of fewer than 5."),
	}
	for n := range uncounted.iterations {
		i := &uncounted.iterations[n]
		i.Requests, i.Uncounted = 1, true
		i.Load.Totals, i.Load.Uncounted = load.NewMeter().Snapshot(), true
	}

	cases := map[string]*goldenCase{"launched": launched, "baseline": compared, "early": early, "uncounted": uncounted}
	for _, c := range cases {
		c.samples = goldenSamples(c.iterations)
	}
	return cases
}
