package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	bisectCommits = 12
	bisectFile    = "bisect.json"
	// bisectSource is the server in the repository, and bisectKeeps what decides in it if it leaks.
	bisectSource = "kept/go/main.go"
	bisectKeeps  = `os.Getenv("KEEP")`
)

// bisection is a recorded git bisect.
type bisection struct {
	FirstBad int     // commit, counted from 1, from which on the server leaks
	Found    int     // commit that git found; 0 if it found none
	Runs     int     // of the loader
	Seconds  float64 // from the start of git bisect run to its end, builds of the server included
}

// firstBad is the commit with which the leak begins, at random. The first commit never leaks, and the last one does.
func firstBad(round int) int {
	return 2 + rand.New(rand.NewPCG(1, uint64(round))).IntN(bisectCommits-1)
}

// recordBisections records the rounds that are missing, in which each contender bisects a new repository.
func recordBisections(ctx context.Context, all []contender, folder string, each int) error {
	var wanted []string
	loaders, rounds := make(map[string]contender), make(map[string]int)
	for n := range each {
		for _, loader := range turn(all, n) {
			at := filepath.Join(folder, "bisect", loader.name, strconv.Itoa(n+1))
			if _, err := os.Stat(filepath.Join(at, bisectFile)); err != nil {
				wanted, loaders[at], rounds[at] = append(wanted, at), loader, n
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	programs, err := buildPrograms(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	return inParallel(ctx, 1, wanted, func(n int, at string) error {
		fmt.Fprintf(os.Stderr, "bisection %d of %d: %s\n", n+1, len(wanted), at)
		return recordBisection(ctx, loaders[at].in(programs), firstBad(rounds[at]), at)
	})
}

// recordBisection bisects a new repository with the loader of that path, and keeps the result in the folder at.
func recordBisection(ctx context.Context, loader string, firstBad int, at string) error {
	scratch, err := os.MkdirTemp("", "leaklab-bisect")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	repository, results := filepath.Join(scratch, "repository"), filepath.Join(scratch, "results")
	if err := os.Mkdir(repository, 0o755); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	git := func(args ...string) (string, error) {
		command := exec.CommandContext(ctx, "git", args...)
		command.Dir = repository
		command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=leaklab", "GIT_AUTHOR_EMAIL=leaklab@localhost",
			"GIT_COMMITTER_NAME=leaklab", "GIT_COMMITTER_EMAIL=leaklab@localhost", "GOWORK=off", "GOFLAGS=-buildvcs=false",
			"HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+results,
			"PPROF_URL=http://127.0.0.1:"+ports[0]+"/debug/pprof/")
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) } // the loader too: it stops the server
		command.WaitDelay = 30 * time.Second
		output, err := command.CombinedOutput()
		return string(output), err
	}
	if err := makeHistory(repository, firstBad, git); err != nil {
		return err
	}
	if output, err := git("bisect", "start", "HEAD", fmt.Sprintf("HEAD~%d", bisectCommits-1)); err != nil {
		return fmt.Errorf("git bisect start: %w\n%s", err, output)
	}
	start := time.Now()
	output, _ := git("bisect", "run", "sh", "-c", "go build -o suspect . || exit 125; "+loader+" -- ./suspect") // it fails if it finds none
	b := bisection{FirstBad: firstBad, Found: foundIn(output), Seconds: time.Since(start).Seconds()}
	runs, err := filepath.Glob(filepath.Join(results, "*", runFile))
	if err != nil || len(runs) == 0 || ctx.Err() != nil {
		return fmt.Errorf("git bisect run made no run: %w\n%s", errors.Join(err, ctx.Err()), output)
	}
	b.Runs = len(runs)
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(at, outputFile), []byte(output), 0o644),
		os.WriteFile(filepath.Join(at, bisectFile), text, 0o644),
	)
}

// makeHistory commits a server that leaks from the commit firstBad on.
func makeHistory(repository string, firstBad int, git func(...string) (string, error)) error {
	source, err := sources.ReadFile(bisectSource)
	if err != nil {
		return err
	}
	if output, err := git("init", "--quiet"); err != nil {
		return fmt.Errorf("git init: %w\n%s", err, output)
	}
	for commit := 1; commit <= bisectCommits; commit++ {
		keep := `""`
		if commit >= firstBad {
			keep = `"1"`
		}
		text := strings.Replace(string(source), bisectKeeps, keep, 1) + fmt.Sprintf("\n// Commit %d.\n", commit)
		err := errors.Join(
			os.WriteFile(filepath.Join(repository, "go.mod"), []byte("module suspect\n\ngo 1.26\n"), 0o644),
			os.WriteFile(filepath.Join(repository, "main.go"), []byte(text), 0o644),
		)
		if err != nil {
			return err
		}
		for _, args := range [][]string{{"add", "."}, {"commit", "--quiet", "-m", fmt.Sprintf("commit %d", commit)}} {
			if output, err := git(args...); err != nil {
				return fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, output)
			}
		}
	}
	return nil
}

var firstBadCommit = regexp.MustCompile(`(?ms)^[0-9a-f]{40,64} is the first bad commit$.*?^    commit (\d+)$`)

// foundIn is the commit that git bisect run found, by its output; 0 if it found none.
func foundIn(output string) int {
	match := firstBadCommit.FindStringSubmatch(output)
	if match == nil {
		return 0
	}
	commit, _ := strconv.Atoi(match[1])
	return commit
}

// writeBisections prints the recorded bisections as a Markdown table.
func writeBisections(out io.Writer, all []contender, folder string) error {
	fmt.Fprintf(out, "git bisect over %d commits of a Go server, with the loader's defaults:\n\n", bisectCommits)
	fmt.Fprintln(out, "| loader | bisections | right commit | runs each: median | seconds each: median | ratio |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|")
	before := 0.0 // median of the seconds
	for _, loader := range all {
		paths, err := filepath.Glob(filepath.Join(folder, "bisect", loader.name, "*", bisectFile))
		if err != nil {
			return err
		}
		var seconds, runs []float64
		right := 0
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var b bisection
			if err := json.Unmarshal(text, &b); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			seconds, runs = append(seconds, b.Seconds), append(runs, float64(b.Runs))
			if b.Found == b.FirstBad {
				right++
			}
		}
		if len(seconds) == 0 {
			continue
		}
		ratio := ""
		if before > 0 {
			ratio = fmt.Sprintf("%.2f", middle(seconds)/before)
		}
		before = middle(seconds)
		fmt.Fprintf(out, "| %s | %d | %d | %g | %.0f | %s |\n", loader.name, len(seconds), right, middle(runs), before, ratio)
	}
	return nil
}
