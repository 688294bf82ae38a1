// Package recordtest has examples of runs for the tests of all packages that show or write them.
package recordtest

import (
	"time"

	"leaklab/loader/environment"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// Hostile is text that must nowhere become markup.
const Hostile = "a|b `c` ``` <script>alert(1)</script> \"'& @octocat\nsecond line\x1b[2J"

// Iterations gain 1000 bytes in each of 10,000 requests.
func Iterations(count int) []lab.Iteration {
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

// Run is a run of count iterations that leak, with names and values that are Hostile.
func Run(count int) record.Run {
	var evidence []verdict.Iteration
	run := record.Run{
		Format: 1, LeaklabVersion: "3f2a", StartedAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), State: record.Complete,
		ServerCommand: Hostile, MemorySource: "/proc", Tries: count, SettleSeconds: 0.5,
		Settings: []record.Setting{
			{Name: "TRIES", Value: "12", Default: "10"}, {Name: "REQUEST_PATH", Value: Hostile, Default: "/hello/warp"}, {Name: "HEADERS", Value: record.Hidden, Default: ""}, {Name: "WORKERS", Value: "100", Default: "100"}, {Name: "URL_FILE", Value: "", Default: ""},
		},
		Reproduce: "TRIES=12 ./test-me.sh '" + Hostile + "'",
		Profiles: &record.Profiles{Files: []string{"heap-warm.pb.gz"}, Requests: 110_000, Sites: []record.CallSite{
			{Kind: "heap", Place: record.Place{Function: Hostile, File: "/src/a|b.go", Line: 12}, CalledBy: &record.Place{Function: "main.handler", File: "/src/main.go", Line: 7}, Bytes: 3 << 20, BytesPerRequest: 28.6},
			{Kind: "goroutine", Place: record.Place{Function: "main.wait", File: "main.go", Line: 9}, Goroutines: 110, GoroutinesPerRequest: 0.001},
		}},
		Remarks: []string{"Under this load it reaches the limit in 2 days."}, Iterations: []record.Iteration{},
		Environment: environment.Environment{
			Kernel: "linux 6.1.0 x86_64", CPU: Hostile, CPUs: 2, MemoryBytes: 4 << 30, Limits: environment.Limits{MemoryBytes: 2 << 30, CPUs: 1.5, Processes: 99},
			Server: environment.Server{Go: &environment.GoBuild{Version: "go1.26.0", Package: Hostile}, Variables: map[string]string{"GOGC": Hostile}},
		},
	}
	for _, i := range Iterations(count) {
		run.Iterations = append(run.Iterations, record.NewIteration(i))
		evidence = append(evidence, record.NewIteration(i).Evidence())
	}
	run.Verdict = record.NewVerdict(verdict.Judge(evidence, verdict.Options{Tolerance: 4}), 4)
	return run
}

// BaselineIterations are the iterations of a baseline that stays at 20 MB, each half a second after one of Iterations.
func BaselineIterations(count int) []lab.Iteration {
	all := Iterations(count)
	for n := range all {
		all[n].Load.StartedAt = all[n].Load.StartedAt.Add(500 * time.Millisecond)
		all[n].Start.Total, all[n].End.Total, all[n].Peak = 20_000_000, 20_000_000, 20_000_000
	}
	return all
}

// Comparison is of the first count iterations of Run and of its baseline.
func Comparison(count int) verdict.Comparison {
	judged := func(iterations []lab.Iteration) verdict.Judged {
		var evidence []verdict.Iteration
		for _, i := range iterations {
			evidence = append(evidence, record.NewIteration(i).Evidence())
		}
		return verdict.Judged{Iterations: evidence, Verdict: verdict.Judge(evidence, verdict.Options{Tolerance: 4})}
	}
	return verdict.ComparePaired(judged(BaselineIterations(count)), judged(Iterations(count)), verdict.Options{Tolerance: 4})
}

// Against is Run with a baseline, which is behind by the given number of iterations.
func Against(count, behind int) record.Run {
	run := Run(count)
	c := Comparison(count)
	run.Baseline = &record.Baseline{Command: Hostile, Verdict: record.NewVerdict(c.Old, 4), Difference: record.NewDifference(c), Iterations: []record.Iteration{}}
	for _, i := range BaselineIterations(count - behind) {
		run.Baseline.Iterations = append(run.Baseline.Iterations, record.NewIteration(i))
	}
	return run
}

// Series is forty samples of memory of each iteration of a run.
func Series(run record.Run) []record.Point {
	var points []record.Point
	for n, i := range run.Iterations {
		for tenth := range 40 {
			at := run.StartedAt.Add(time.Duration(n)*4*time.Second + time.Duration(tenth)*100*time.Millisecond)
			points = append(points, record.Point{At: at, Bytes: i.RSSStartBytes + i.LeakedBytes()*int64(tenth)/40})
		}
	}
	return points
}
