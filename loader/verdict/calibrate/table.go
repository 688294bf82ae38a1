package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// judged is a recorded run with its verdict.
type judged struct {
	verdict.Verdict
	kept float64 // ground truth, in bytes per request
}

// writeTables judges the runs in folder and prints the results as Markdown tables.
func writeTables(out io.Writer, folder string, tolerance float64) error {
	fmt.Fprintf(out, "Runs of 12 iterations of 1 s, tolerance %g bytes/request:\n\n", tolerance)
	if err := writeTable(out, folder, slices.Concat(cleanModes(), leakyModes()), tolerance); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nRuns of 10 iterations of 3 s, to find the smallest leak that is found in 9 of 10:\n\n")
	return writeTable(out, folder, searches(), tolerance)
}

func writeTable(out io.Writer, folder string, modes []mode, tolerance float64) error {
	fmt.Fprintln(out, "| LEAK, LEAK_BYTES | runs | leak | no leak | inconclusive | growth, bytes/request: median (10% to 90%) | intervals that hold the median | truly kept |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	for _, m := range modes {
		if err := writeRow(out, folder, m, tolerance); err != nil {
			return err
		}
	}
	return nil
}

func writeRow(out io.Writer, folder string, m mode, tolerance float64) error {
	runs, err := judgeRuns(filepath.Join(folder, m.name()), tolerance)
	if err != nil || len(runs) == 0 {
		return err
	}
	counts := make(map[verdict.Kind]int)
	var growths, kept []float64
	for _, run := range runs {
		counts[run.Kind]++
		growths = append(growths, run.Growth)
		kept = append(kept, run.kept)
	}
	fmt.Fprintf(out, "| %s, %d | %d |", m.leak, m.bytes, len(runs))
	for _, kind := range []verdict.Kind{verdict.Leak, verdict.NoLeak, verdict.Inconclusive} {
		low, high := binomialInterval(counts[kind], len(runs))
		fmt.Fprintf(out, " %d (%.0f-%.0f%%) |", counts[kind], 100*low, 100*high)
	}
	median := quantile(growths, 0.5)
	held := 0
	for _, run := range runs {
		if run.Lower <= median && median <= run.Upper {
			held++
		}
	}
	fmt.Fprintf(out, " %.1f (%.1f to %.1f) | %d | %.1f |\n", median, quantile(growths, 0.1), quantile(growths, 0.9), held, quantile(kept, 0.5))
	return nil
}

func judgeRuns(folder string, tolerance float64) ([]judged, error) {
	tables, err := filepath.Glob(filepath.Join(folder, "*", "iterations.csv"))
	if err != nil {
		return nil, err
	}
	slices.Sort(tables)
	var runs []judged
	for _, table := range tables {
		iterations, err := record.ReadIterations(table)
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(table), truthFile))
		if err != nil {
			return nil, err
		}
		var t truth
		if err := json.Unmarshal(content, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Dir(table), err)
		}
		requests := 0.0
		for _, i := range iterations {
			requests += float64(i.Requests)
		}
		runs = append(runs, judged{
			Verdict: verdict.Judge(iterations, verdict.Options{Tolerance: tolerance}),
			kept:    t.KeptBytes / max(1, requests),
		})
	}
	return runs, nil
}

// binomialInterval is the 95% interval of a proportion, given count successes in n (Clopper and Pearson 1934).
func binomialInterval(count, n int) (low, high float64) {
	k, all := float64(count), float64(n)
	high = 1
	if count > 0 {
		low = distuv.Beta{Alpha: k, Beta: all - k + 1}.Quantile(0.025)
	}
	if count < n {
		high = distuv.Beta{Alpha: k + 1, Beta: all - k}.Quantile(0.975)
	}
	return low, high
}

// quantile is the q quantile of values, which it sorts.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(math.Round(q*float64(len(values)-1)))]
}
