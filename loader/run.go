package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"leaklab/loader/config"
	"leaklab/loader/exporter"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/report"
	"leaklab/loader/scrape"
	"leaklab/loader/subject"
	"leaklab/loader/verdict"
)

const (
	finalScrapeLimit = 10 * time.Second
	serverLogLines   = 20 // shown when the server dies
)

// errSettings marks an error that another setting would have avoided, found before anything was measured.
var errSettings = errors.New("nothing was measured")

// server is the server under test, whichever way it was found.
type server struct {
	description string
	read        memory.Reader
	source      string // what read reads
	limit       memory.Limit
	process     *subject.Process
}

// measure makes one run: it finds or starts the server, runs the iterations, and stops what it has started.
// It returns the verdict, which is inconclusive if there is an error.
func measure(ctx context.Context, cfg config.Config, command []string) (kind verdict.Kind, err error) {
	kind = verdict.Inconclusive
	started := time.Now()
	if command != nil && subject.Listening(cfg.Address()) {
		return kind, fmt.Errorf("PORT=\"%d\": another program listens on %s already: %w", cfg.Port, cfg.Address(), errSettings)
	}
	if command == nil && cfg.ServerPID == 0 && cfg.MetricsURL == "" {
		return kind, fmt.Errorf("SERVER_PID=\"\": expected the process of the server, or its METRICS_URL, or a command that starts it: %w", errSettings)
	}
	endpoint, err := exporter.Listen(cfg.MetricsAddress())
	if err != nil {
		return kind, fmt.Errorf("METRICS_PORT=\"%d\": %w: %w", cfg.MetricsPort, err, errSettings)
	}
	defer func() { err = errors.Join(err, endpoint.Close()) }()
	folder, err := report.CreateFolder(cfg.Results, started)
	if err != nil {
		return kind, fmt.Errorf("RESULTS=%q: %w: %w", cfg.Results, err, errSettings)
	}
	table, err := report.CreateCSV(folder)
	if err != nil {
		return kind, err
	}
	defer func() { err = errors.Join(err, table.Close()) }()

	target, err := findServer(cfg, command, folder)
	if err != nil {
		return kind, err
	}
	if target.process != nil {
		defer func() { err = errors.Join(err, target.process.Stop()) }()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sampler := memory.NewSampler(target.read)
	go func() { cancel(sampler.Run(ctx)) }()

	plan := planOf(cfg)
	if err := awaitServer(ctx, cfg); err != nil {
		return kind, target.explain(err, folder)
	}
	if err := checkDemo(ctx, cfg, target); err != nil {
		return kind, err
	}
	meter := load.NewMeter()
	state := exporter.New(started, plan.Tries, float64(cfg.Tolerance), sampler, meter)
	jury := newJury(optionsOf(cfg), target.limit, state)
	if cfg.Tries == config.Auto {
		plan.Enough = jury.decided
	}
	endpoint.Serve(state)
	terminal := report.NewTerminal(os.Stdout, plan, progressOf(meter))
	terminal.Settings(settings(cfg, target, folder))
	err = lab.Run(ctx, plan, sampler, meter, jury, state, table, terminal)
	err = errors.Join(err, jury.report(os.Stdout, folder))
	endpoint.AwaitFinalScrape(ctx, finalScrapeLimit)
	if err != nil {
		return kind, target.explain(err, folder)
	}
	return jury.verdict.Kind, nil
}

// findServer starts command, or takes SERVER_PID, or else METRICS_URL.
func findServer(cfg config.Config, command []string, folder string) (*server, error) {
	if command != nil {
		return launch(command, folder)
	}
	pid := int(cfg.ServerPID)
	tree := memory.OfTree(pid)
	_, err := tree(context.Background())
	switch {
	case pid != 0 && pid != os.Getpid() && err == nil:
		return &server{
			description: fmt.Sprintf("process %d, running for %s", pid, subject.Uptime(pid)),
			read:        tree,
			source:      memory.TreeSource,
			limit:       memory.LimitOf(pid),
		}, nil
	case cfg.MetricsURL != "":
		return &server{
			description: "no process of it can be seen from here",
			read:        memory.FromEndpoint(string(cfg.MetricsURL)),
			source:      "process_resident_memory_bytes of " + string(cfg.MetricsURL),
		}, nil
	case pid == os.Getpid():
		return nil, fmt.Errorf("SERVER_PID=\"%d\": expected the process of the server; %d is this program itself", pid, pid)
	default:
		return nil, fmt.Errorf("SERVER_PID=\"%d\": expected the process of the server: %w", pid, err)
	}
}

func launch(command []string, folder string) (*server, error) {
	output, err := os.Create(filepath.Join(folder, "server.log"))
	if err != nil {
		return nil, err
	}
	defer output.Close() // the server has its own copy
	process, err := subject.Launch(command, subject.Environment(), output)
	if err != nil {
		return nil, err
	}
	return &server{
		description: fmt.Sprintf("process %d: %s", process.PID, strings.Join(command, " ")),
		read:        launchedReader(process),
		source:      memory.TreeSource,
		limit:       memory.LimitOf(process.PID),
		process:     process,
	}, nil
}

// launchedReader reads the memory of process. When it is gone, the error says how it ended.
func launchedReader(process *subject.Process) memory.Reader {
	read := memory.OfTree(process.PID)
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if errors.Is(err, memory.ErrGone) {
			<-process.Exited()
			err = endedError{process.Err()}
		}
		return reading, err
	}
}

// endedError is a memory.ErrGone that says more.
type endedError struct{ error }

func (endedError) Is(target error) bool { return target == memory.ErrGone }

// explain completes an error with the server's last words, if the server has ended.
func (s *server) explain(err error, folder string) error {
	if err == nil || s.process == nil {
		return err
	}
	select {
	case <-s.process.Exited():
	default:
		return err
	}
	path := filepath.Join(folder, "server.log")
	lines := subject.Tail(path, serverLogLines)
	if len(lines) == 0 {
		return fmt.Errorf("%w; it wrote nothing", err)
	}
	return fmt.Errorf("%w; its last output, of %s:\n  %s", err, path, strings.Join(lines, "\n  "))
}

// awaitServer waits until the server answers, and warns when it does not like the request.
func awaitServer(ctx context.Context, cfg config.Config) error {
	var code int
	err := subject.WaitReady(ctx, time.Duration(cfg.StartTimeout), func(ctx context.Context) (err error) {
		code, err = load.Probe(ctx, cfg.Address(), string(cfg.RequestPath), time.Duration(cfg.Timeout))
		return err
	})
	if err == nil && code >= http.StatusBadRequest {
		fmt.Fprintf(os.Stderr, "loader: REQUEST_PATH=%q: the server answers %d %s; you may be measuring its error page\n",
			string(cfg.RequestPath), code, http.StatusText(code))
	}
	return err
}

// checkDemo notices that LEAK has been set for the loader alone (docker compose run -e LEAK=none loader), which
// changes nothing at the demo server and would be taken for its result.
func checkDemo(ctx context.Context, cfg config.Config, target *server) error {
	if target.process != nil || cfg.Leak == "" || cfg.MetricsURL == "" {
		return nil
	}
	metrics, err := scrape.Fetch(ctx, string(cfg.MetricsURL))
	if err != nil {
		return nil // a server of any other kind
	}
	if leak := metrics.Label("leaklab_demo_info", "leak"); leak != "" && leak != cfg.Leak {
		return fmt.Errorf("LEAK=%q: the server is running with LEAK=%s; set it for both, as in LEAK=%s docker compose up: %w", cfg.Leak, leak, cfg.Leak, errSettings)
	}
	return nil
}

func planOf(cfg config.Config) lab.Plan {
	return lab.Plan{
		Tries:  cfg.Iterations(),
		Settle: time.Duration(cfg.Settle),
		Load: load.Plan{
			Address:  cfg.Address(),
			Path:     string(cfg.RequestPath),
			Workers:  int(cfg.Workers),
			Duration: time.Duration(cfg.Duration),
			Requests: cfg.Requests,
			Timeout:  time.Duration(cfg.Timeout),
		},
	}
}

func settings(cfg config.Config, target *server, folder string) []report.Line {
	burst := time.Duration(cfg.Duration).String()
	if cfg.Requests > 0 {
		burst = fmt.Sprintf("%d requests", cfg.Requests)
	}
	return []report.Line{
		{Name: "Server", Value: target.description},
		{Name: "Memory", Value: target.source},
		{Name: "Request", Value: fmt.Sprintf("GET http://%s%s", cfg.Address(), cfg.RequestPath)},
		{Name: "Load", Value: fmt.Sprintf("%s of %s, %d workers, each on a keep-alive connection", iterations(cfg), burst, cfg.Workers)},
		{Name: "Settle", Value: fmt.Sprintf("%s before each reading", time.Duration(cfg.Settle))},
		{Name: "Results", Value: folder},
	}
}

func iterations(cfg config.Config) string {
	switch {
	case cfg.Tries == config.Auto:
		return fmt.Sprintf("as many iterations as it takes, at most %d,", cfg.MaxTries)
	case cfg.Tries == 1:
		return "1 iteration"
	default:
		return fmt.Sprintf("%d iterations", cfg.Tries)
	}
}

// progressOf returns the source of the progress line, nil when nobody watches.
func progressOf(meter *load.Meter) func() uint64 {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	return meter.Requests
}
