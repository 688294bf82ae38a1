package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// contender is a loader that takes part in a comparison.
type contender struct {
	name string // of the folder of its runs, and in tables; empty for one alone
	path string // of the program; empty for the loader of this checkout, which is built
	// settings are those that it has beside those of the suite and of the subject, as NAME=VALUE.
	settings []string
}

// contenders are the loader of this checkout, and before it another one with the path against, unless that is empty.
func contenders(against string) ([]contender, error) {
	now := contender{name: "now"}
	if against == "" {
		return []contender{now}, nil
	}
	path, err := filepath.Abs(against)
	if err == nil {
		_, err = os.Stat(path)
	}
	return []contender{{name: "before", path: path}, now}, err
}

// in is the path of the contender's program, if that of this checkout is built into the folder programs.
func (c contender) in(programs string) string {
	return cmp.Or(c.path, filepath.Join(programs, "loader"))
}

// turn are the contenders in the order of a round, counted from 0: each is first as often as the others.
func turn(all []contender, round int) []contender {
	first := round % len(all)
	return slices.Concat(all[first:], all[:first])
}

// recordContest records the runs that are missing of the subjects whose names match only, by each contender in turns.
func recordContest(ctx context.Context, s suite, all []contender, folder string, rounds int, only *regexp.Regexp) error {
	type run struct {
		subject
		contender
	}
	var wanted []string
	runs := make(map[string]run)
	measured := s.measured(only)
	for n := range rounds {
		for _, one := range measured {
			for _, loader := range turn(all, n) {
				at := filepath.Join(folder, s.name, loader.name, one.name, strconv.Itoa(n+1))
				if _, err := os.Stat(filepath.Join(at, runFile)); err != nil {
					wanted, runs[at] = append(wanted, at), run{one, loader}
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	programs, err := buildAll(ctx, s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	return inParallel(ctx, 1, wanted, func(n int, at string) error {
		fmt.Fprintf(os.Stderr, "run %d of %d: %s\n", n+1, len(wanted), at)
		one, loader := runs[at].subject, runs[at].contender
		one.settings = slices.Concat(one.settings, loader.settings)
		return recordSubject(ctx, s, one, programs, loader.in(programs), at)
	})
}

// outcome is a recorded run as its loader has judged it.
type outcome struct {
	kind    verdict.Kind
	seconds float64 // from the first request of the first iteration to the end of the loader
	load    float64 // seconds of load, all iterations together
}

// readOutcomes reads the recorded runs in folder.
func readOutcomes(folder string, iterations int) ([]outcome, error) {
	var all []outcome
	err := eachRun(folder, iterations, func(run record.Run, ended time.Time) { all = append(all, newOutcome(run, ended)) })
	return all, err
}

// eachRun calls do for each recorded run in folder, and when its loader ended, in the order of their rounds.
func eachRun(folder string, iterations int, do func(run record.Run, ended time.Time)) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*", runFile))
	if err != nil {
		return err
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // 2 before 10
	for _, path := range paths {
		run, err := readRun(path, iterations)
		if err != nil {
			return err
		}
		end := filepath.Join(filepath.Dir(path), endFile)
		text, err := os.ReadFile(end)
		if err != nil {
			return err
		}
		ended, err := time.Parse(time.RFC3339Nano, string(text))
		if err == nil && !ended.After(run.Iterations[0].StartedAt) {
			err = errors.New("the loader ended before the first request")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", end, err)
		}
		do(run, ended)
	}
	return nil
}

// newOutcome is the outcome of a run whose loader ended at that time.
func newOutcome(run record.Run, ended time.Time) outcome {
	o := outcome{kind: run.Verdict.Kind, seconds: ended.Sub(run.Iterations[0].StartedAt).Seconds()}
	for _, i := range run.Iterations {
		o.load += i.DurationSeconds
	}
	return o
}

// writeContest prints what each contender said of each subject, and how long that took, as a Markdown table.
func writeContest(out io.Writer, s suite, all []contender, folder string) error {
	fmt.Fprintf(out, "%s\n\n", s.head)
	fmt.Fprintln(out, "| server | truly kept | loader | runs | leak | no leak | inconclusive | wrong | "+
		"seconds to the verdict: median (largest) | ratio | seconds of load |")
	fmt.Fprintln(out, "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, one := range s.subjects {
		before := 0.0 // median of the seconds
		for _, loader := range all {
			outcomes, err := readOutcomes(filepath.Join(folder, s.name, loader.name, one.name), s.iterations)
			if err != nil {
				return err
			}
			if len(outcomes) > 0 {
				before = writeOutcomes(out, one, loader, outcomes, before)
			}
		}
	}
	return nil
}

// writeOutcomes prints the row of a contender, with the ratio to the median of the one before unless that is 0. It
// returns its own.
func writeOutcomes(out io.Writer, one subject, loader contender, outcomes []outcome, before float64) (median float64) {
	counts := make(map[verdict.Kind]int)
	var seconds, load []float64
	for _, o := range outcomes {
		counts[o.kind]++
		seconds, load = append(seconds, o.seconds), append(load, o.load)
	}
	wrong := counts[verdict.Leak]
	if one.truth > 0 {
		wrong = counts[verdict.NoLeak]
	}
	low, high := binomialInterval(wrong, len(outcomes))
	median = middle(seconds)
	ratio := ""
	if before > 0 {
		ratio = fmt.Sprintf("%.2f", median/before)
	}
	fmt.Fprintf(out, "| %s | %g | %s | %d | %d | %d | %d | %d (%.0f-%.0f%%) | %.1f (%.1f) | %s | %.1f |\n", one.title, one.truth, loader.name,
		len(outcomes), counts[verdict.Leak], counts[verdict.NoLeak], counts[verdict.Inconclusive], wrong, 100*low, 100*high,
		median, slices.Max(seconds), ratio, middle(load))
	return median
}

// middle is the median of values, which it sorts; between the two in the middle of an even number.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
