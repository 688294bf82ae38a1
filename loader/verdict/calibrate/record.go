package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"leaklab/loader/scrape"
)

// plan is the set of runs to record.
type plan struct {
	runs     int // of all modes that leak, and the same number of those that do not
	searches int // of each size of the search
	parallel int
	folder   string
}

// mode is one configuration of the demo server, with the length of the run.
type mode struct {
	leak     string
	bytes    int
	tries    int
	duration time.Duration
}

// cleanModes are the look-alikes in the tables, leakyModes the leaks: 12 iterations of 1 s.
func cleanModes() []mode {
	return everySecond(mode{leak: "none"}, mode{leak: "cache", bytes: 64}, mode{leak: "burst", bytes: 64})
}

func leakyModes() []mode {
	return everySecond(
		mode{leak: "heap", bytes: 16}, mode{leak: "heap", bytes: 64}, mode{leak: "heap", bytes: 256},
		mode{leak: "map", bytes: 16}, mode{leak: "map", bytes: 64}, mode{leak: "goroutine", bytes: 16},
	)
}

func everySecond(modes ...mode) []mode {
	for n := range modes {
		modes[n].tries, modes[n].duration = 12, time.Second
	}
	return modes
}

// searches are the leaks of the search for the smallest one that is still detected: 10 iterations of 3 s. They retain
// their bytes and nothing else.
func searches() []mode {
	var all []mode
	for _, size := range []int{1, 4, 8} {
		all = append(all, mode{leak: "log", bytes: size, tries: 10, duration: 3 * time.Second})
	}
	return all
}

func (m mode) name() string {
	return fmt.Sprintf("%s-%d-%dx%s", m.leak, m.bytes, m.tries, m.duration)
}

// truth is the ground truth of a run.
type truth struct {
	// KeptBytes is the growth in bytes of live heap and stacks over the run, each read after a forced collection.
	KeptBytes float64
}

// makeRuns records the runs that are missing. Modes take turns, so that all see the same conditions of the machine.
func makeRuns(ctx context.Context, p plan) error {
	programs, err := buildPrograms(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	var wanted []string
	byFolder := make(map[string]mode)
	add := func(n int, all []mode) {
		for _, m := range all {
			folder := filepath.Join(p.folder, m.name(), strconv.Itoa(n))
			if _, err := os.Stat(filepath.Join(folder, truthFile)); errors.Is(err, os.ErrNotExist) {
				wanted, byFolder[folder] = append(wanted, folder), m
			}
		}
	}
	for n := range max(p.runs, p.searches) {
		for _, group := range [][]mode{cleanModes(), leakyModes()} {
			if n*len(group) < p.runs {
				add(n+1, group)
			}
		}
		if n < p.searches {
			add(n+1, searches())
		}
	}
	return inParallel(ctx, p.parallel, wanted, func(number int, folder string) error {
		fmt.Fprintf(os.Stderr, "run %d of %d: %s\n", number+1, len(wanted), folder)
		return recordRun(ctx, programs, byFolder[folder], folder)
	})
}

// buildPrograms builds the server and the loader into a folder, which the caller has to remove.
func buildPrograms(ctx context.Context) (string, error) {
	programs, err := os.MkdirTemp("", "leaklab-calibrate")
	if err != nil {
		return "", err
	}
	if output, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", programs+"/", "./server", "./loader").CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("cannot build the lab (start this at the top of the repository): %w\n%s", err, output), os.RemoveAll(programs))
	}
	return programs, nil
}

// inParallel calls do for each folder, with the given number at a time, until one fails.
func inParallel(ctx context.Context, parallel int, folders []string, do func(int, string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, parallel) {
		workers.Go(func() {
			for n := range next {
				if err := do(n, folders[n]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for n := range folders {
		select {
		case next <- n:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

const truthFile = "truth.json"

// recordRun records one run, and keeps its iterations.csv and its ground truth in folder.
func recordRun(ctx context.Context, programs string, m mode, folder string) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	server := exec.CommandContext(ctx, filepath.Join(programs, "server"))
	server.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[1],
		"LEAK="+m.leak, "LEAK_BYTES="+strconv.Itoa(m.bytes))
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()

	admin := "http://127.0.0.1:" + ports[1]
	before, err := awaitLiveBytes(ctx, admin)
	if err != nil {
		return err
	}

	scratch, err := os.MkdirTemp("", "leaklab-run")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	var output bytes.Buffer
	loader := exec.CommandContext(ctx, filepath.Join(programs, "loader"))
	loader.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[2], "RESULTS="+scratch,
		"SERVER_PID="+strconv.Itoa(server.Process.Pid), "TRIES="+strconv.Itoa(m.tries), "DURATION="+m.duration.String(),
		"SETTLE=100ms", "RELEASE=0", "LEAK=")
	loader.Stdout, loader.Stderr = &output, &output
	_ = loader.Run() // its exit code is the verdict, which the tables judge again
	tables, err := filepath.Glob(filepath.Join(scratch, "*", "iterations.csv"))
	if err != nil || len(tables) != 1 || ctx.Err() != nil {
		return fmt.Errorf("run of %s failed: %w\n%s", m.name(), errors.Join(err, ctx.Err()), &output)
	}
	after, err := liveBytes(ctx, admin)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	content, err := os.ReadFile(tables[0])
	if err != nil {
		return err
	}
	text, err := json.Marshal(truth{KeptBytes: after - before})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "iterations.csv"), content, 0o644),
		os.WriteFile(filepath.Join(folder, truthFile), text, 0o644),
	)
}

// awaitLiveBytes is liveBytes for a server that has just been started: it retries for 10 s.
func awaitLiveBytes(ctx context.Context, admin string) (float64, error) {
	for range 500 {
		if live, err := liveBytes(ctx, admin); err == nil {
			return live, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return liveBytes(ctx, admin)
}

// liveBytes forces a garbage collection in the server and returns its live bytes: heap objects and stacks.
func liveBytes(ctx context.Context, admin string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, err
	}
	metrics, err := scrape.Fetch(ctx, admin+"/metrics")
	if err != nil {
		return 0, err
	}
	heap, _ := metrics.Value(scrape.GoHeapAlloc)
	stacks, _ := metrics.Value(scrape.GoStackInUse)
	return heap + stacks, nil
}

func freePorts(count int) ([]string, error) {
	var ports []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
