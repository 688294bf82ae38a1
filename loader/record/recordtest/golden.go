package recordtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"leaklab/loader/environment"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// updateGolden names the variable that has golden files written instead of compared.
const updateGolden = "LEAKLAB_UPDATE_GOLDEN"

// CompareGolden compares the file at got with the golden one, neither of which need exist.
func CompareGolden(t *testing.T, golden, got string) {
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
	if string(want) == string(content) {
		return
	}
	before, after := strings.Split(string(want), "\n"), strings.Split(string(content), "\n")
	for n := range min(len(before), len(after)) {
		require.Equal(t, before[n], after[n], "%s:%d (set %s=1 to write it anew, if that is meant)", golden, n+1, updateGolden)
	}
	require.Len(t, after, len(before), "lines of %s (set %s=1 to write it anew, if that is meant)", golden, updateGolden)
}

// Case is a run that is the same each time.
type Case struct {
	Run        record.Run // before its first iteration
	Iterations []lab.Iteration
	Samples    []Sample
	Verdict    verdict.Verdict
	Remarks    []string
	Profiles   *record.Profiles
	Sites      *record.Sites
	Reason     error // why it ended early
	// Of a baseline, if there is one.
	Baseline        string // its command
	Others          []lab.Iteration
	BaselineSamples []Sample
	Comparison      verdict.Comparison
}

// Sample is a sample of memory.
type Sample struct {
	At        time.Time
	Iteration int // 0 between loads
	Reading   memory.Reading
}

// Ended is the run with all that was measured.
func (c *Case) Ended() record.Run {
	run := c.Run
	tolerance := run.Verdict.ToleranceBytesPerRequest
	run.Verdict, run.Remarks, run.Profiles = record.NewVerdict(c.Verdict, tolerance), c.Remarks, c.Profiles
	run.Sites = c.Sites
	for _, i := range c.Iterations {
		run.Iterations = append(run.Iterations, record.NewIteration(i))
	}
	if c.Baseline != "" {
		run.Baseline = &record.Baseline{Command: c.Baseline, Verdict: record.NewVerdict(c.Comparison.Old, tolerance), Difference: record.NewDifference(c.Comparison)}
		for _, i := range c.Others {
			run.Baseline.Iterations = append(run.Baseline.Iterations, record.NewIteration(i))
		}
	}
	run.End(c.Reason)
	return run
}

var goldenStart = time.Date(2026, 11, 23, 9, 0, 0, 125e6, time.UTC)

// goldenIterations gain the given number of bytes each, and have latencies, errors and parts that differ.
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
func goldenSamples(iterations []lab.Iteration) []Sample {
	var all []Sample
	for _, i := range iterations {
		for n := range int64(10) {
			s := Sample{
				At:      i.Load.StartedAt.Add(time.Duration(n) * 380 * time.Millisecond),
				Reading: memory.Reading{Total: i.Start.Total + n*(i.Peak-i.Start.Total)/10},
			}
			if n < 8 {
				s.Iteration = i.Number
			}
			if n%4 != 3 {
				s.Reading.Parts = &memory.Parts{Anonymous: s.Reading.Total - 5_000_000, File: 4_000_000, Shared: 1_000_000}
			}
			all = append(all, s)
		}
	}
	return all
}

// goldenRun is what is known of a run before its first iteration.
func goldenRun(tries int) record.Run {
	return record.Run{
		State:          record.Running,
		LeaklabVersion: "4d44928e0f (modified)", StartedAt: goldenStart, Origin: "launched",
		ServerCommand: "./my-server --cache 'a b'", ServerArguments: []string{"./my-server", "--cache", "a b"},
		MemorySource: "/proc", Tries: tries, SettleSeconds: 0.5,
		Settings: []record.Setting{
			{Name: "TRIES", Value: "12", Default: "10"}, {Name: "PORT", Value: "3030", Default: "3030"}, {Name: "REQUEST_PATH", Value: Hostile, Default: "/hello/warp"}, {Name: "HEADERS", Value: record.Hidden, Default: ""}, {Name: "BODY", Value: record.Hidden, Default: ""}, {Name: "URL_FILE", Value: "", Default: ""},
		},
		Reproduce: "TRIES=12 ./test-me.sh ./my-server --cache 'a b'",
		Verdict:   record.Verdict{ToleranceBytesPerRequest: 4},
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
		Kind: verdict.Leak, Pattern: verdict.PatternSteady, Unit: unit, Estimated: true,
		Growth: 33.3125, Lower: 31.25, Upper: 35.5, Confidence: 0.95, Early: 33, Late: 34, Resolution: 2.125,
		WarmUp: 2, Judged: verdict.Range{First: 3, Last: 12}, JudgedRequests: 301_003, GivenBack: 12288,
		Statistic:   "a statistic of 10 end readings",
		Sentence:    "Leak: after a warm-up of 2 iterations, resident memory grows by 33.3 bytes a request (31.3 to 35.5, 95%) & more.",
		Explanation: "After a warm-up of 2 iterations, resident memory grows by more than the tolerance (iterations 3-12).",
	}
}

func goldenUndecided(sentence string) verdict.Verdict {
	return verdict.Verdict{
		Kind: verdict.Inconclusive, Pattern: verdict.PatternNone, Statistic: "none", Sentence: sentence, Explanation: sentence, Advice: "Run at least 5 iterations in all; 12 are better.",
	}
}

func goldenProfiles() *record.Profiles {
	return &record.Profiles{
		Files: []string{"heap-warm.pb.gz", "goroutine-warm.pb.gz", "heap-end.pb.gz", "goroutine-end.pb.gz"}, Requests: 330_000,
		Sites: []record.CallSite{
			{Kind: "heap", Place: record.Place{Function: "main.keep|<b>", File: "/src/a/main.go", Line: 12}, CalledBy: &record.Place{Function: "main.handler", File: "/src/a/main.go", Line: 7}, Bytes: 9 << 20, BytesPerRequest: 28.6},
			{Kind: "goroutine", Place: record.Place{Function: "main.wait", File: "main.go", Line: 9}, Goroutines: 330, GoroutinesPerRequest: 0.001},
		},
	}
}

// Cases are a launched server that leaks, one with a baseline, a run that ended before its first iteration, one whose
// requests are not counted, and one that names what is kept.
func Cases() map[string]*Case {
	launched := &Case{
		Run: goldenRun(12), Iterations: goldenIterations(12, 1_000_000, 0), Verdict: goldenLeak(verdict.PerRequest), Profiles: goldenProfiles(),
		Remarks: []string{"Under this load the server reaches the limit of its cgroup, 2048 MiB, in 2 days.", "The requests were counted by the server: http_requests_total at METRICS_URL."},
	}

	compared := &Case{
		Run: goldenRun(12), Iterations: goldenIterations(12, 1_000_000, 0), Verdict: goldenLeak(verdict.PerRequest), Baseline: "./old-server '|'",
		Others: goldenIterations(11, 4096, 2*time.Second), Reason: errors.New("iteration 12 of 12: baseline: the server process is gone"),
	}
	compared.BaselineSamples = goldenSamples(compared.Others)
	old := verdict.Verdict{
		Kind: verdict.NoLeak, Pattern: verdict.PatternWarmUp, Estimated: true, Growth: 0.125, Lower: -0.5, Upper: 0.75, Confidence: 0.95, Resolution: 0.625,
		WarmUp: 1, Judged: verdict.Range{First: 2, Last: 11}, JudgedRequests: 300_001, Statistic: "a statistic", Sentence: "No leak: it grows by less than 0.75 bytes a request.",
	}
	compared.Comparison = verdict.Comparison{
		Old: old, New: compared.Verdict, Change: verdict.Worse, Estimated: true, Difference: 33.1875, Lower: 31, Upper: 35.25,
		Judged: verdict.Range{First: 3, Last: 11}, Sentence: "Worse: the suspect grows more, by 33.2 bytes a request (31 to 35.3, 95%).",
	}

	early := &Case{
		Run: goldenRun(10), Verdict: goldenUndecided("Inconclusive: 0 iterations; nothing can be said of fewer than 5."),
		Reason: errors.New("PORT=\"3030\": expected a server on 127.0.0.1:3030: nothing listens there\nafter 30s"),
	}
	early.Run.Origin, early.Run.ServerArguments = "attached", nil
	early.Verdict.Advice = "" // more iterations are no remedy

	uncounted := &Case{
		Run: goldenRun(4), Iterations: goldenIterations(4, 2_000_000, 0), Verdict: goldenUndecided("Inconclusive: 4 iterations; nothing can be said of fewer than 5."),
	}
	for n := range uncounted.Iterations {
		i := &uncounted.Iterations[n]
		i.Requests, i.Uncounted = 1, true
		i.Load.Totals, i.Load.Uncounted = load.NewMeter().Snapshot(), true
	}

	sited := &Case{
		Run: goldenRun(12), Iterations: LiveIterations(12), Verdict: goldenLeak(verdict.PerRequest), Sites: Sites(),
	}
	sited.Verdict.Of = verdict.Live

	cases := map[string]*Case{"launched": launched, "baseline": compared, "early": early, "uncounted": uncounted, "sites": sited}
	for _, c := range cases {
		c.Samples = goldenSamples(c.Iterations)
	}
	return cases
}
