package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// The rounds of the comparison: the demo server without a leak against itself, so that the true difference is 0.
const (
	roundIterations = 10
	roundDuration   = "1s"
)

// recordRounds records the rounds that are missing. Each has two runs one after the other, and one in turns with a
// baseline, which takes as long as both.
func recordRounds(ctx context.Context, folder string, rounds int) error {
	programs, err := buildPrograms(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	for n := range rounds {
		round := filepath.Join(folder, "baseline", strconv.Itoa(n+1))
		if _, err := os.Stat(filepath.Join(round, "done")); err == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", n+1, rounds)
		if err := recordRound(ctx, programs, round); err != nil {
			return err
		}
	}
	return nil
}

func recordRound(ctx context.Context, programs, round string) error {
	if err := os.RemoveAll(round); err != nil { // the rest of an interrupted attempt
		return err
	}
	server := filepath.Join(programs, "server")
	for _, run := range []struct{ name, baseline string }{{"old", ""}, {"new", ""}, {"turns", server}} {
		results := filepath.Join(round, run.name)
		if err := os.MkdirAll(results, 0o755); err != nil {
			return err
		}
		ports, err := freePorts(3)
		if err != nil {
			return err
		}
		var output bytes.Buffer
		loader := exec.CommandContext(ctx, filepath.Join(programs, "loader"), "--", "env", "METRICS_PORT=0", server)
		loader.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[1], "BASELINE="+run.baseline, "BASELINE_PORT="+ports[2],
			"RESULTS="+results, "TRIES="+strconv.Itoa(roundIterations), "DURATION="+roundDuration, "SETTLE=100ms", "RELEASE=0", "LEAK=none")
		loader.Stdout, loader.Stderr = &output, &output
		err = loader.Run()
		var exit *exec.ExitError
		if ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
			return errors.Join(err, ctx.Err())
		}
		if _, err := tableOf(round, run.name, "iterations.csv"); err != nil {
			return fmt.Errorf("%w\n%s", err, &output)
		}
	}
	return os.WriteFile(filepath.Join(round, "done"), nil, 0o644)
}

// tableOf reads a table of a run in a complete round.
func tableOf(round, run, name string) ([]verdict.Iteration, error) {
	found, err := filepath.Glob(filepath.Join(round, run, "*", name))
	if err != nil || len(found) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%s: %d runs with %s; expected 1", filepath.Join(round, run), len(found), name))
	}
	iterations, err := record.ReadIterations(found[0])
	if err == nil && len(iterations) != roundIterations {
		err = fmt.Errorf("%s: %d iterations; expected %d", found[0], len(iterations), roundIterations)
	}
	return iterations, err
}

// writeRounds prints the results of each method of comparison as a Markdown table.
func writeRounds(out io.Writer, folder string, tolerance float64) error {
	done, err := filepath.Glob(filepath.Join(folder, "baseline", "*", "done"))
	if err != nil {
		return err
	}
	options := verdict.Options{Tolerance: tolerance}
	judged := func(iterations []verdict.Iteration) verdict.Judged {
		return verdict.Judged{Iterations: iterations, Verdict: verdict.Judge(iterations, options)}
	}
	methods := []string{"two runs, one after the other", "in turns, but compared like two runs", "in turns, by the differences of pairs"}
	results := make([][]verdict.Comparison, len(methods))
	for _, path := range done {
		round := filepath.Dir(path)
		var tables [4][]verdict.Iteration
		for n, of := range [][2]string{{"old", "iterations.csv"}, {"new", "iterations.csv"}, {"turns", "baseline.csv"}, {"turns", "iterations.csv"}} {
			if tables[n], err = tableOf(round, of[0], of[1]); err != nil {
				return err
			}
		}
		for n, c := range []verdict.Comparison{
			verdict.Compare(tables[0], tables[1], options),
			verdict.Compare(tables[2], tables[3], options),
			verdict.ComparePaired(judged(tables[2]), judged(tables[3]), options),
		} {
			results[n] = append(results[n], c)
		}
	}
	fmt.Fprintf(out, "LEAK=none against itself, %d iterations of %s of each, tolerance %g bytes/request:\n\n", roundIterations, roundDuration, tolerance)
	fmt.Fprintln(out, "| | rounds | same | cannot tell | other | ± bytes/request: median (10% to 90%) | intervals that hold 0 |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for n, method := range methods {
		if len(results[n]) > 0 {
			fmt.Fprintln(out, rowOf(method, results[n]))
		}
	}
	return nil
}

// rowOf is the row of one method of comparison.
func rowOf(method string, all []verdict.Comparison) string {
	counts := make(map[verdict.Change]int)
	var widths []float64
	held := 0
	for _, c := range all {
		counts[c.Change]++
		widths = append(widths, (c.Upper-c.Lower)/2)
		if c.Lower <= 0 && 0 <= c.Upper {
			held++
		}
	}
	same, open := counts[verdict.Same], counts[verdict.CannotTell]
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %.2f (%.2f to %.2f) | %d |", method, len(all), same, open, len(all)-same-open,
		quantile(widths, 0.5), quantile(widths, 0.1), quantile(widths, 0.9), held)
}
