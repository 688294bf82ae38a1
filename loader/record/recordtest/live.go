package recordtest

import (
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// LiveIterations are iterations of a server that keeps 150 bytes a request, whose slack goes up and down.
func LiveIterations(count int) []lab.Iteration {
	all := Iterations(count)
	held := int64(52_000_000)
	for n := range all {
		i := &all[n]
		live := 4_000_000 + int64(n+1)*1_500_000
		slack := 6_000_000 + int64(n*n*7%11)*900_000
		i.Start.Total = held
		held = live + slack + 41_000_000
		i.End.Total, i.Peak = held, held+3_000_000
		i.Live = &lab.Live{
			Live: memory.Live{
				Bytes: live, Heap: live + slack/2, Committed: live + slack, Outside: 41_000_000 + int64(n%3)*8192,
				Stopped: time.Duration(30+n) * time.Millisecond, Forced: "HeapProfiler.collectGarbage", Processes: 1,
			},
			Idle: -1,
		}
	}
	if count > 0 {
		all[0].Live.Idle = 56
	}
	return all
}

// LiveRun is Run with LiveIterations, and a verdict that rests on live memory if they are at least 5.
func LiveRun(count int) record.Run {
	run := Run(count)
	run.Iterations = []record.Iteration{}
	for _, i := range LiveIterations(count) {
		run.Iterations = append(run.Iterations, record.NewIteration(i))
	}
	if count >= 5 {
		judged := verdict.Range{First: 3, Last: count}
		run.Verdict = record.NewVerdict(verdict.Verdict{
			Kind: verdict.Leak, Pattern: verdict.PatternSteady, Of: verdict.Live, Estimated: true,
			Growth: 150, Lower: 148.5, Upper: 151.5, Confidence: 0.95, Resolution: 1.5, WarmUp: 2, Judged: judged, JudgedRequests: uint64(count-2) * 10_000,
			Growths: []verdict.PartGrowth{
				{Part: verdict.Live, Growth: 150, Lower: 148.5, Upper: 151.5, Judged: judged},
				{Part: verdict.Slack, Growth: 12, Lower: -140, Upper: 160, Judged: judged},
				{Part: verdict.Outside, Growth: 0.0625, Lower: -2.5, Upper: 2.5, Judged: judged},
				{Part: verdict.Held, Growth: 162, Lower: 20, Upper: 300, Judged: judged},
			},
			Statistic: "a statistic", Sentence: "Leak: live memory grows by 150 bytes a request (148.5 to 151.5, 95%).",
		}, 4)
	}
	change := -0.12
	run.Live = &record.Live{
		Setting: "auto", Runtimes: []string{"node"}, Forced: "HeapProfiler.collectGarbage", StoppedSeconds: 0.041, RateChange: &change,
		Said: []string{"environment: NODE_OPTIONS=--inspect=127.0.0.1:0", "opened the inspector of process 4711 on 127.0.0.1:41234 " + Hostile},
	}
	return run
}
