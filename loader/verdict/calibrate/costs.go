package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"leaklab/loader/record"
)

// warmIterations are those at the beginning of a run whose speed does not count: a JVM compiles, and connections open.
const warmIterations = 2

// costs are servers that leak, in each runtime, measured to see what naming their sites costs. Each iteration of a server has
// as many requests, some 0.5 s of load on an idle machine.
func costs() suite {
	s := runtimes()
	s.name, s.iterations = "costs", 8
	s.head = "What sites cost, %d iterations, and more for naming:"
	s.settings = []string{"TRIES=8", "SETTLE=100ms", "RELEASE=0", "LIVE=auto"}
	requests := map[string]string{"jvm-kept": "8000", "node-kept": "8000", "python-kept": "5000", "tcmalloc-kept": "8000", "go-kept": "20000"}
	s.subjects = slices.DeleteFunc(s.subjects, func(one subject) bool { return requests[one.name] == "" })
	for n := range s.subjects {
		one := &s.subjects[n]
		one.settings = append(one.settings, "REQUESTS="+requests[one.name])
	}
	return s
}

// withoutAndWith are the loader of this checkout without sites and with them.
func withoutAndWith() []contender {
	return []contender{{name: "off", settings: []string{"SITES=off"}}, {name: "auto", settings: []string{"SITES=auto"}}}
}

// cost is what a run shows of the cost of sites.
type cost struct {
	rate  float64 // requests per second, the median of the iterations after warmIterations
	pause float64 // milliseconds from the last response of a load to the start of the next, the median of the same
	more  float64 // iterations for naming
	after float64 // seconds from the last response of the last iteration to the end of the loader
}

// costOf is that of a run whose loader ended at that time.
func costOf(run record.Run, ended time.Time) cost {
	var rates, pauses []float64
	for n, i := range run.Iterations[warmIterations:] {
		before := run.Iterations[warmIterations+n-1]
		rates, pauses = append(rates, i.RequestsPerSecond), append(pauses, 1000*i.StartedAt.Sub(lastResponse(before)).Seconds())
	}
	last := run.Iterations[len(run.Iterations)-1]
	c := cost{rate: middle(rates), pause: middle(pauses), after: ended.Sub(lastResponse(last)).Seconds()}
	if run.Sites != nil {
		c.more = float64(run.Sites.NamingRequests) / float64(last.Requests)
	}
	return c
}

// lastResponse is when the load of an iteration ended.
func lastResponse(i record.Iteration) time.Time {
	return i.StartedAt.Add(time.Duration(i.DurationSeconds * float64(time.Second)))
}

// writeCosts prints what sites cost each server as a Markdown table: medians of runs, and the ratio of the runs of a round.
func writeCosts(out io.Writer, s suite, without, with contender, folder string) error {
	fmt.Fprintf(out, s.head+"\n\n", s.iterations)
	fmt.Fprintln(out, "| server | rounds | requests/s: off | auto | ratio: median (smallest to largest) | ms between two loads: off | auto "+
		"| iterations for naming: most | s after the last iteration: off | auto |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, one := range s.subjects {
		off, err := readCosts(filepath.Join(folder, s.name, without.name, one.name), s.iterations)
		if err != nil {
			return err
		}
		auto, err := readCosts(filepath.Join(folder, s.name, with.name, one.name), s.iterations)
		if err != nil {
			return err
		}
		if rounds := min(len(off), len(auto)); rounds > 0 {
			fmt.Fprintln(out, rowOfCosts(one.title, off[:rounds], auto[:rounds]))
		}
	}
	return nil
}

// readCosts are those of the recorded runs in folder, in the order of their rounds.
func readCosts(folder string, iterations int) ([]cost, error) {
	var all []cost
	err := eachRun(folder, iterations, func(run record.Run, ended time.Time) { all = append(all, costOf(run, ended)) })
	return all, err
}

func rowOfCosts(title string, off, auto []cost) string {
	var ratios []float64
	for round := range off {
		ratios = append(ratios, auto[round].rate/off[round].rate)
	}
	of := func(all []cost, figure func(cost) float64) []float64 {
		var figures []float64
		for _, one := range all {
			figures = append(figures, figure(one))
		}
		return figures
	}
	rate, pause, after := func(c cost) float64 { return c.rate }, func(c cost) float64 { return c.pause }, func(c cost) float64 { return c.after }
	cells := []string{
		title, fmt.Sprint(len(off)), fmt.Sprintf("%.0f", middle(of(off, rate))), fmt.Sprintf("%.0f", middle(of(auto, rate))),
		fmt.Sprintf("%.2f (%.2f to %.2f)", middle(ratios), slices.Min(ratios), slices.Max(ratios)),
		fmt.Sprintf("%.0f", middle(of(off, pause))), fmt.Sprintf("%.0f", middle(of(auto, pause))),
		fmt.Sprintf("%.0f", slices.Max(of(auto, func(c cost) float64 { return c.more }))),
		fmt.Sprintf("%.1f", middle(of(off, after))), fmt.Sprintf("%.1f", middle(of(auto, after))),
	}
	return "| " + strings.Join(cells, " | ") + " |"
}
