package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"leaklab/loader/record"
)

// The files of a recorded run. The first is written last.
const (
	runFile    = "run.json"
	outputFile = "output.txt" // of the loader
	endFile    = "end.txt"    // when the loader ended, in UTC
)

// recordSuite records the runs that are missing of the subjects whose names match only. Subjects take turns, so that all
// see the same conditions of the machine. A subject that needs what is not installed is named and left out.
func recordSuite(ctx context.Context, s suite, folder string, runs int, only *regexp.Regexp) error {
	return recordContest(ctx, s, []contender{{}}, folder, runs, only)
}

// buildAll builds the lab and the suite into a folder, which the caller has to remove.
func buildAll(ctx context.Context, s suite) (string, error) {
	programs, err := buildPrograms(ctx)
	if err != nil {
		return "", err
	}
	if err := buildSuite(ctx, s, programs); err != nil {
		return "", errors.Join(err, os.RemoveAll(programs))
	}
	return programs, nil
}

// buildSuite writes the sources into the folder programs, and builds them there with the compilers that are installed.
func buildSuite(ctx context.Context, s suite, programs string) error {
	if err := os.CopyFS(programs, sources); err != nil {
		return err
	}
	for _, words := range s.build {
		if _, err := exec.LookPath(words[0]); err != nil {
			continue // recordSuite leaves out what needs it
		}
		compiler := exec.CommandContext(ctx, words[0], words[1:]...)
		compiler.Dir = programs
		if output, err := compiler.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, output)
		}
	}
	return nil
}

// recordSubject makes one run with the loader of that path. It keeps its run.json, what the loader printed, and when it
// ended in the folder at.
func recordSubject(ctx context.Context, s suite, one subject, programs, path, at string) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "leaklab-subject")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	results, work := filepath.Join(scratch, "results"), filepath.Join(scratch, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	replacer := strings.NewReplacer("{programs}", programs, "{port}", ports[0], "{admin}", ports[2])
	args := []string{"--"}
	for _, word := range one.command {
		args = append(args, replacer.Replace(word))
	}
	var output bytes.Buffer
	loader := exec.CommandContext(ctx, path, args...)
	loader.Dir = work
	loader.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+results)
	for _, setting := range slices.Concat(s.settings, one.settings) {
		loader.Env = append(loader.Env, replacer.Replace(setting))
	}
	loader.Stdout, loader.Stderr = &output, &output
	loader.Cancel = func() error { return loader.Process.Signal(os.Interrupt) } // it stops the server
	loader.WaitDelay = 30 * time.Second
	_ = loader.Run() // its exit code is the verdict, which is in run.json
	end := time.Now().UTC().AppendFormat(nil, time.RFC3339Nano)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(filepath.Join(at, outputFile), output.Bytes(), 0o644), os.WriteFile(filepath.Join(at, endFile), end, 0o644))
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(results, "*", runFile))
	if err != nil || len(found) != 1 || ctx.Err() != nil {
		return fmt.Errorf("%s: the run failed: %w\n%s", at, errors.Join(err, ctx.Err()), &output)
	}
	if _, err := readRun(found[0], s.iterations); err != nil {
		return fmt.Errorf("%s: %w\n%s", at, err, &output)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(at, runFile), content, 0o644)
}

// readRun reads a run that is complete, with the given iterations; 0 is any number.
func readRun(path string, iterations int) (record.Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return record.Run{}, err
	}
	defer file.Close()
	run, err := record.ReadRun(file)
	switch {
	case err != nil:
		return run, fmt.Errorf("%s: %w", path, err)
	case run.State != record.Complete || len(run.Iterations) == 0 || iterations > 0 && len(run.Iterations) != iterations:
		return run, fmt.Errorf("%s: the run is %s, with %d iterations; expected %s, with %d", path, run.State, len(run.Iterations), record.Complete, iterations)
	}
	requests, failed := uint64(0), uint64(0)
	for _, i := range run.Iterations {
		requests, failed = requests+i.Requests, failed+i.Errors
	}
	if failed*100 > requests {
		return run, fmt.Errorf("%s: %d of %d requests failed; expected less than 1%%", path, failed, requests)
	}
	return run, nil
}
