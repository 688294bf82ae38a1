package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"strings"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// trial is a recorded run of a subject, judged twice.
type trial struct {
	live     verdict.Verdict // on all that was read
	resident verdict.Verdict // on the same readings of resident memory alone
	known    bool            // live memory was read in every iteration
	stopped  []float64       // seconds that the server stood still for it, an iteration
}

// writeSuite judges the runs in folder, and prints the results as a Markdown table.
func writeSuite(out io.Writer, s suite, folder string, tolerance float64) error {
	fmt.Fprintf(out, s.head+"\n\n", s.iterations, tolerance)
	fmt.Fprintln(out, "| server | truly kept | runs | with live memory | leak | no leak | inconclusive | growth, bytes/request: median (10% to 90%) | error: median (largest) "+
		"| stood still, ms/iteration: median (largest) | resident memory alone: leak, no leak, inconclusive | growth |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---|---|---|---|---|")
	for _, one := range s.subjects {
		trials, err := judgeTrials(filepath.Join(folder, s.name, one.name), s.iterations, tolerance)
		if err != nil {
			return err
		}
		if len(trials) > 0 {
			fmt.Fprintln(out, rowOfTrials(one, trials))
		}
	}
	return nil
}

// judgeTrials judges the recorded runs in folder.
func judgeTrials(folder string, iterations int, tolerance float64) ([]trial, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*", runFile))
	if err != nil {
		return nil, err
	}
	var all []trial
	for _, path := range paths {
		run, err := readRun(path, iterations)
		if err != nil {
			return nil, err
		}
		all = append(all, judgeTrial(run, tolerance))
	}
	return all, nil
}

// judgeTrial judges a run with its live memory and without. The rest after the last iteration is judged too, if the run
// had one.
func judgeTrial(run record.Run, tolerance float64) trial {
	evidence := run.Evidence()
	options := verdict.Options{Tolerance: tolerance}
	if back := run.Verdict.GivenBackBytes; back != 0 {
		options.Rest = &verdict.Rest{Bytes: uint64(float64(evidence[len(evidence)-1].EndBytes) - back)}
	}
	t := trial{live: verdict.Judge(evidence, options), known: true}
	for n, i := range evidence {
		if _, known := i.Parts[verdict.Live]; !known {
			t.known = false
		}
		if stopped := run.Iterations[n].StoppedSeconds; stopped != nil {
			t.stopped = append(t.stopped, *stopped)
		}
		parts := maps.Clone(i.Parts)
		for _, part := range []verdict.Part{verdict.Live, verdict.Committed, verdict.Outside, verdict.LiveIdle} {
			delete(parts, part)
		}
		evidence[n].Parts = parts
	}
	t.resident = verdict.Judge(evidence, options)
	return t
}

// rowOfTrials is the row of a subject, which has at least one.
func rowOfTrials(one subject, trials []trial) string {
	var live, resident []verdict.Verdict
	var wrong, stopped []float64
	known := 0
	for _, t := range trials {
		live, resident = append(live, t.live), append(resident, t.resident)
		wrong = append(wrong, math.Abs(t.live.Growth-one.truth)/one.truth)
		stopped = append(stopped, t.stopped...)
		if t.known {
			known++
		}
	}
	cells := []string{one.title, fmt.Sprintf("%g", one.truth), fmt.Sprint(len(trials)), fmt.Sprint(known)}
	counts, growth := summaryOf(live)
	cells = append(cells, counts[0], counts[1], counts[2], growth)
	deviation, still := "", ""
	if one.truth > 0 {
		deviation = fmt.Sprintf("%.1f%% (%.1f%%)", 100*quantile(wrong, 0.5), 100*quantile(wrong, 1))
	}
	if len(stopped) > 0 {
		still = fmt.Sprintf("%.0f (%.0f)", 1000*quantile(stopped, 0.5), 1000*quantile(stopped, 1))
	}
	cells = append(cells, deviation, still)
	counts, growth = summaryOf(resident)
	cells = append(cells, strings.Join(counts[:], ", "), growth)
	return "| " + strings.Join(cells, " | ") + " |"
}

// summaryOf are how often a leak was found, none, and neither, and the growth.
func summaryOf(verdicts []verdict.Verdict) (counts [3]string, growth string) {
	times := make(map[verdict.Kind]int)
	var growths []float64
	for _, v := range verdicts {
		times[v.Kind]++
		growths = append(growths, v.Growth)
	}
	for n, kind := range []verdict.Kind{verdict.Leak, verdict.NoLeak, verdict.Inconclusive} {
		counts[n] = fmt.Sprint(times[kind])
	}
	return counts, fmt.Sprintf("%.1f (%.1f to %.1f)", quantile(growths, 0.5), quantile(growths, 0.1), quantile(growths, 0.9))
}
