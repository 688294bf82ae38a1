package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"leaklab/loader/config"
	"leaklab/loader/environment"
	"leaklab/loader/exporter"
	"leaklab/loader/external"
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
	command     string // as it was started
	pid         int    // 0 if no process can be seen
	source      string // what read reads
	complete    []func(context.Context, *memory.Reading)
	limit       memory.Limit
	process     *subject.Process // nil if it was not started here
	files       *openFiles       // set by watch
	log         string           // the file of its output, in the folder of the run; empty if it was not started here
}

// measure makes one run of a shape of load: it finds or starts the server, and the baseline if there is one, runs the
// iterations, and stops what it has started. If another run is made again, it says how they differ. It returns the exit
// code, which is exitUnknown if there is an error.
func measure(ctx context.Context, cfg config.Config, shape string, command []string, again *reproduction) (code int, err error) {
	code = exitUnknown
	started := time.Now()
	request, err := requestOf(cfg)
	if err != nil {
		return code, fmt.Errorf("%w: %w", err, errSettings)
	}
	if err := errors.Join(checkNear(ctx, "HOST", cfg.Host), checkNear(ctx, "BASELINE_HOST", cfg.BaselineHost)); err != nil && !cfg.AllowRemote {
		return code, fmt.Errorf("%w: %w", err, errSettings)
	} else if err != nil {
		fmt.Fprintf(os.Stderr, "loader: ALLOW_REMOTE=true: %v\n", err)
	}
	plan := planOf(cfg, shaped(cfg, shape, request))
	launched := cfg.Baseline != nil && cfg.BaselineHost == ""
	if command == nil && launched {
		return code, fmt.Errorf("BASELINE=%q: expected a command for the server as well, as in ./test-me.sh COMMAND: the loader starts both: %w", quoteAll(cfg.Baseline), errSettings)
	}
	if command != nil && subject.Listening(cfg.Address()) {
		return code, fmt.Errorf("PORT=\"%d\": %s listens on %s already: %w", cfg.Port, subject.ListenerName(ctx, cfg.Address()), cfg.Address(), errSettings)
	}
	if other := cfg.OfBaseline(); launched && subject.Listening(other.Address()) {
		return code, fmt.Errorf("BASELINE_PORT=\"%d\": %s listens on %s already: %w", other.Port, subject.ListenerName(ctx, other.Address()), other.Address(), errSettings)
	}
	if command == nil && cfg.ServerPID == 0 && cfg.MetricsURL == "" && !subject.IsLocal(ctx, string(cfg.Host)) {
		return code, fmt.Errorf("HOST=%q: expected an address of this machine, whose memory can be read; or a METRICS_URL that tells the server's: %w", string(cfg.Host), errSettings)
	}
	endpoint, err := exporter.Listen(cfg.MetricsAddress())
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: %s listens there", err, subject.ListenerName(ctx, cfg.MetricsAddress()))
	}
	if err != nil {
		return code, fmt.Errorf("METRICS_PORT=\"%d\": %w: %w", cfg.MetricsPort, err, errSettings)
	}
	defer func() { err = errors.Join(err, endpoint.Close()) }()
	label := ""
	if len(cfg.Shapes) > 1 {
		label = shape
	}
	folder, err := report.CreateFolder(string(cfg.Results), started, label)
	if err != nil {
		return code, fmt.Errorf("RESULTS=%q: %w: %w", cfg.Results, err, errSettings)
	}
	var target *server
	var record *report.Record
	defer func() { // whatever comes before the first iteration, there is a report
		if err != nil && record == nil {
			err = unwritten(errors.Join(err, recordFailure(describe(cfg, shape, started, target, command), folder, err)), folder)
		}
	}()
	table, err := report.CreateCSV(folder, "iterations.csv")
	if err != nil {
		return code, err
	}
	defer func() { err = errors.Join(err, table.Close()) }()

	target, err = findServer(ctx, cfg, command, folder)
	if err != nil {
		return code, err
	}
	if target.process != nil {
		defer func() { err = errors.Join(err, target.process.Stop()) }()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sampler, samples, stop, err := watch(ctx, cancel, target, folder, "samples.csv")
	if err != nil {
		return code, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	if err := awaitServer(ctx, cfg, plan.Load, "the server"); err != nil {
		return code, target.explain(err, cfg, folder)
	}
	reading, err := sampler.Read(ctx)
	if err != nil {
		return code, target.explain(err, cfg, folder)
	}
	var other *rival
	if cfg.Baseline != nil {
		if other, err = startRival(ctx, cancel, cfg, target, shaped(cfg.OfBaseline(), shape, request), folder); err != nil {
			return code, target.explain(err, cfg, folder)
		}
		defer func() { err = errors.Join(err, other.close()) }()
	}
	shown, err := shownBy(ctx, cfg)
	if err == nil {
		err = checkDemo(cfg, target, shown)
	}
	if err == nil {
		err = checkCounter(cfg, shown)
	}
	if err != nil {
		return code, err
	}
	tool, err := toolOf(cfg, folder)
	if err != nil {
		return code, err
	}
	if tool != nil {
		defer func() { err = errors.Join(err, tool.Log.Close()) }()
		plan.External = tool.Run
	}
	meter := load.NewMeter()
	state := exporter.New(exporter.Run{
		Started: started, Tries: plan.Tries, Tolerance: float64(cfg.Tolerance), Shape: shape, Protocol: string(cfg.Protocol),
	}, sampler, meter)
	jury := newJury(optionsOf(cfg), target.limit, state)
	jury.files = target.files
	if cfg.Tries == config.Auto {
		plan.Enough = jury.decided
	}
	record, err = report.NewRecord(folder, describe(cfg, shape, started, target, command), samples.Course, jury.current, drawElsewhere)
	if err != nil {
		return code, unwritten(err, folder)
	}
	endpoint.Serve(filepath.Base(folder), state)
	if cfg.ScrapeWait > 0 && !endpoint.AwaitScrape(ctx, time.Duration(cfg.ScrapeWait)) && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "loader: SCRAPE_WAIT=%s: no Prometheus has asked for the metrics; going on without\n", time.Duration(cfg.ScrapeWait))
	}
	terminal := report.NewTerminal(os.Stdout, plan, progressOf(cfg, meter))
	terminal.Settings(settings(cfg, shape, target, other, reading, folder))
	if other != nil {
		shown := report.NewTerminal(os.Stdout, plan, progressOf(cfg, other.plan.Meter))
		shown.Note = ", baseline"
		plan.Baseline = other.against(jury, record, shown)
	}
	profiles := newProfiler(ctx, cfg, shown, folder, record)
	rested, err := lab.Run(ctx, plan, sampler, meter, jury, state, table, samples, record, terminal, profiles)
	err = target.orGone(err)
	jury.end(rested)
	if other != nil {
		other.referee.end(rested, plan.Release)
	}
	errProfiles := profiles.finish()
	jury.sites = profiles.found.Lines()
	err = unwritten(errors.Join(err, errProfiles), folder)
	err = unwritten(errors.Join(err, record.End(err), record.Draw()), folder)
	err = errors.Join(err, jury.report(os.Stdout, folder))
	if other != nil && len(jury.iterations) > 0 {
		err = errors.Join(err, report.WriteComparison(os.Stdout, other.referee.comparison,
			report.Side{Name: "baseline", Of: other.server.command}, report.Side{Name: "suspect", Of: target.command}))
	}
	err = errors.Join(err, again.report(os.Stdout, record.Run(), jury.options, folder))
	endpoint.AwaitFinalScrape(ctx, finalScrapeLimit)
	switch {
	case err != nil:
		return code, other.explain(target.explain(err, cfg, folder))
	case other != nil:
		return codeOfChange(other.referee.comparison.Change), nil
	default:
		return exitCode(jury.verdict.Kind), nil
	}
}

// watch samples the memory of target into a table of the folder, until stop is called. cancel is told when the server
// is gone.
func watch(ctx context.Context, cancel context.CancelCauseFunc, target *server, folder, name string) (*memory.Sampler, *report.Samples, func() error, error) {
	samples, err := report.CreateSamples(folder, name)
	if err != nil {
		return nil, nil, nil, err
	}
	sampler := memory.NewSampler(target.read, target.complete...)
	target.files = &openFiles{pid: target.pid}
	sampler.Observe = func(sample memory.Sample) {
		samples.Take(sample.At, sample.Reading)
		target.files.take(sample.Reading)
	}
	sampling := make(chan struct{})
	go func() {
		defer close(sampling)
		cancel(sampler.Run(ctx))
	}()
	stop := func() error { // nobody takes samples any more when their file is closed
		cancel(nil)
		<-sampling
		return samples.Close()
	}
	return sampler, samples, stop, nil
}

// checkNear fails if the host of a setting is neither of this machine nor of a private network. Nothing is sent to it.
func checkNear(ctx context.Context, setting string, host config.Host) error {
	if host == "" {
		return nil
	}
	strangers := subject.NearTo(string(host)).Strangers(ctx, string(host))
	if len(strangers) == 0 {
		return nil
	}
	return fmt.Errorf("%s=%q: expected this machine, a private network or a Compose service, but it is %s; only load it if you may, with ALLOW_REMOTE=true",
		setting, string(host), strings.Trim(fmt.Sprint(strangers), "[]"))
}

// findServer starts command, or takes SERVER_PID, or else who listens on HOST:PORT of this machine, or else
// METRICS_URL.
func findServer(ctx context.Context, cfg config.Config, command []string, folder string) (*server, error) {
	var target *server
	var err error
	switch {
	case command != nil:
		target, err = launch(ctx, command, subject.Environment(), folder, "server.log")
	case cfg.ServerPID == config.Shared:
		if target, err = attachToShared(ctx, cfg.Host); err != nil {
			err = fmt.Errorf("SERVER_PID=\"shared\": expected the server in this PID namespace: %w", err)
		}
	case cfg.ServerPID != 0:
		target, err = attach(ctx, int(cfg.ServerPID))
		if err != nil {
			err = fmt.Errorf("SERVER_PID=\"%d\": expected the process of the server: %w", cfg.ServerPID, err)
		}
	case subject.IsLocal(ctx, string(cfg.Host)):
		target, err = attachToListener(ctx, cfg)
	}
	if cfg.MetricsURL == "" {
		return target, err
	}
	url := string(cfg.MetricsURL)
	if target == nil && command == nil {
		target, err = &server{
			description: "no process of it can be seen from here",
			read:        memory.FromEndpoint(url),
			source:      "process_resident_memory_bytes of " + scrape.Public(url),
		}, nil
	}
	if target != nil {
		target.complete = append(target.complete, memory.OwnAccount(url))
	}
	return target, err
}

// attach measures a process that runs already.
func attach(ctx context.Context, pid int) (*server, error) {
	if pid == os.Getpid() {
		return nil, fmt.Errorf("process %d is this program itself", pid)
	}
	read := memory.OfTree(pid)
	if _, err := read(context.Background()); err != nil {
		return nil, err
	}
	s := watched(ctx, pid, read)
	s.command = subject.CommandLine(pid)
	s.description = fmt.Sprintf("process %d, running for %s: %s", pid, subject.Uptime(pid), s.command)
	return s, nil
}

// watched is a server whose process can be seen, and is read by read.
func watched(ctx context.Context, pid int, read memory.Reader) *server {
	limit := memory.LimitOf(pid)
	return &server{
		pid:      pid,
		read:     tellingOOM(read, memory.WatchOOM(ctx, pid), limit),
		source:   memory.TreeSource,
		complete: []func(context.Context, *memory.Reading){memory.OwnCgroup(pid)},
		limit:    limit,
	}
}

// attachToShared measures the process of host's container, which shares the PID namespace of this one.
func attachToShared(ctx context.Context, host config.Host) (*server, error) {
	pid, err := subject.FindShared(ctx, string(host))
	if err != nil {
		return nil, err
	}
	return attach(ctx, pid)
}

// attachToListener measures who listens on HOST:PORT, and waits until somebody does.
func attachToListener(ctx context.Context, cfg config.Config) (*server, error) {
	var target *server
	find := func(ctx context.Context) error {
		pid, err := subject.FindListener(ctx, cfg.Address())
		if err == nil {
			target, err = attach(ctx, pid)
		}
		return err
	}
	err := find(ctx)
	if errors.Is(err, subject.ErrNoListener) {
		fmt.Fprintf(os.Stderr, "loader: waiting for a server that listens on %s\n", cfg.Address())
		err = subject.WaitReady(ctx, time.Duration(cfg.StartTimeout), "the server", find)
	}
	if err != nil {
		err = fmt.Errorf("PORT=\"%d\": expected a server on %s: %w", cfg.Port, cfg.Address(), err)
	}
	return target, err
}

// launch starts a server by command; what it prints is kept in the file log of the folder.
func launch(ctx context.Context, command, environment []string, folder, log string) (*server, error) {
	output, err := os.Create(filepath.Join(folder, log))
	if err != nil {
		return nil, err
	}
	defer output.Close() // the server has its own copy
	process, err := subject.Launch(command, environment, output)
	if err != nil {
		return nil, err
	}
	s := watched(ctx, process.PID, launchedReader(process))
	s.command, s.process, s.log = quoteAll(command), process, log
	s.description = fmt.Sprintf("process %d: %s", process.PID, strings.Join(command, " "))
	return s, nil
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

// tellingOOM is read, but when the process is gone, and killed says that it was for want of memory, the error does too.
func tellingOOM(read memory.Reader, killed func() bool, limit memory.Limit) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if errors.Is(err, memory.ErrGone) && killed() {
			err = endedError{fmt.Errorf("%w: it ran out of memory (OOM); the limit of %s is %d MiB", err, limit.Of, limit.Bytes>>20)}
		}
		return reading, err
	}
}

// endedError is a memory.ErrGone that says more.
type endedError struct{ error }

func (endedError) Is(target error) bool { return target == memory.ErrGone }

// orGone adds to an interruption that the server is gone as well: Compose may be told to stop all when one has ended.
func (s *server) orGone(err error) error {
	if err == nil || s.pid == 0 || errors.Is(err, memory.ErrGone) {
		return err
	}
	if _, gone := s.read(context.Background()); errors.Is(gone, memory.ErrGone) {
		err = fmt.Errorf("%w; %w", err, gone)
	}
	return err
}

// explain completes an error with the last words of the load tool or of the server, and with what the server has left
// behind, if it has ended; and with why it is silent, if it has been stopped. Nothing of that goes into the report.
func (s *server) explain(err error, cfg config.Config, folder string) error {
	var failure *external.Failure
	if errors.As(err, &failure) {
		err = fmt.Errorf("%w; %s", err, failure.Ending())
	}
	if errors.Is(err, load.ErrSilent) && s.pid != 0 && subject.IsStopped(s.pid) {
		err = fmt.Errorf("%w; its process %d has been stopped (SIGSTOP)", err, s.pid)
	}
	if err == nil || s.process == nil {
		return err
	}
	select {
	case <-s.process.Exited():
	default:
		return err
	}
	path := filepath.Join(folder, s.log)
	lines := subject.Tail(path, serverLogLines)
	if len(lines) == 0 {
		err = &lastWords{err, "it wrote nothing"}
	} else {
		err = &lastWords{err, fmt.Sprintf("its last output, of %s:\n  %s", path, strings.Join(lines, "\n  "))}
	}
	return errors.Join(err, stopStray(cfg))
}

// lastWords is an error with what the server wrote before, which is for the terminal alone.
type lastWords struct {
	error
	words string
}

func (e *lastWords) Error() string { return e.error.Error() + "; " + e.words }

func (e *lastWords) Unwrap() error { return e.error }

// recordFailure writes the report of a run that ended before its first iteration.
func recordFailure(run report.Run, folder string, reason error) error {
	var said *lastWords
	if errors.As(reason, &said) {
		reason = said.error
	}
	nothing := func() []report.Point { return nil }
	unjudged := func() (verdict.Verdict, []string) { return verdict.Judge(nil, verdict.Options{}), nil }
	record, err := report.NewRecord(folder, run, nothing, unjudged, drawElsewhere)
	if err != nil {
		return err
	}
	return record.End(reason)
}

// stopStray stops a server that was started here, but has gone into the background: the port was free before.
func stopStray(cfg config.Config) error {
	pid, err := subject.FindListener(context.Background(), cfg.Address())
	if err != nil {
		return nil // the usual case: there is none
	}
	return errors.Join(
		fmt.Errorf("it has left process %d in the background, which is stopped now; start it in the foreground instead", pid),
		subject.StopTree(pid))
}

// awaitServer waits until the server, or the baseline, answers, and warns when it does not like the request.
func awaitServer(ctx context.Context, cfg config.Config, plan load.Plan, who string) error {
	var code int
	err := subject.WaitReady(ctx, time.Duration(cfg.StartTimeout), who, func(ctx context.Context) (err error) {
		if err := checkNear(ctx, "HOST", cfg.Host); err != nil && !cfg.AllowRemote { // its name resolves by now
			return err
		}
		code, err = load.Probe(ctx, plan)
		return err
	})
	if err == nil && code >= http.StatusBadRequest {
		fmt.Fprintf(os.Stderr, "loader: REQUEST_PATH=%q: %s answers %d %s; you may be measuring its error page\n",
			string(cfg.RequestPath), who, code, http.StatusText(code))
	}
	return err
}

// shownBy returns what the server shows at METRICS_URL; nil if it shows nothing, which is an error only if there are
// other loaders, since a loader sees only its own requests.
func shownBy(ctx context.Context, cfg config.Config) (scrape.Metrics, error) {
	if cfg.MetricsURL == "" {
		return nil, nil
	}
	metrics, err := scrape.Fetch(ctx, string(cfg.MetricsURL))
	if err != nil && !cfg.Align {
		return nil, nil // a server of any other kind
	}
	return metrics, err
}

// checkDemo notices that LEAK has been set for the loader alone (docker compose run -e LEAK=none loader), which
// changes nothing at the demo server and would be taken for its result.
func checkDemo(cfg config.Config, target *server, shown scrape.Metrics) error {
	if target.process != nil || cfg.Leak == "" {
		return nil
	}
	if leak := shown.Label(scrape.DemoInfo, "leak"); leak != "" && leak != cfg.Leak {
		return fmt.Errorf("LEAK=%q: the server is running with LEAK=%s; set it for both, as in LEAK=%s docker compose up: %w", cfg.Leak, leak, cfg.Leak, errSettings)
	}
	return nil
}

// checkCounter notices that the server cannot tell how many requests it gets from all loaders together.
func checkCounter(cfg config.Config, shown scrape.Metrics) error {
	if !cfg.Align {
		return nil
	}
	if _, _, found := shown.Requests(); !found {
		return fmt.Errorf("ALIGN=true: expected a counter of the server's requests at METRICS_URL, for example http_requests_total, since a loader sees only its own: %w", errSettings)
	}
	return nil
}

// toolOf returns the load tool that the settings ask for, with its log in the folder of the run; nil if there is none.
func toolOf(cfg config.Config, folder string) (*external.Command, error) {
	if cfg.LoadCommand == nil {
		return nil, nil
	}
	log, err := os.OpenFile(filepath.Join(folder, "load.log"), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	tool := &external.Command{Log: log, Words: external.Fill(cfg.LoadCommand, external.Values{
		Duration: time.Duration(cfg.Duration),
		Workers:  int(cfg.Workers),
		URL:      load.Protocol(cfg.Protocol).Scheme() + "://" + cfg.Address() + string(cfg.RequestPath),
		Requests: cfg.Requests,
		Rate:     float64(cfg.Rate),
	})}
	if _, err := exec.LookPath("sh"); err == nil { // a container has none, and kills the tool with the loader
		tool.Guard = subject.GuardGroup
	}
	return tool, nil
}

func planOf(cfg config.Config, behaviour load.Behaviour) lab.Plan {
	var control func(network, address string, conn syscall.RawConn) error
	if !cfg.AllowRemote {
		control = subject.NearTo(string(cfg.Host)).Refuse
	}
	return lab.Plan{
		Tries:  cfg.Iterations(),
		Settle: time.Duration(cfg.Settle), Release: time.Duration(cfg.Release),
		Align: align(cfg),
		Load: load.Plan{
			Address:   cfg.Address(),
			Control:   control,
			Protocol:  load.Protocol(cfg.Protocol),
			Insecure:  cfg.TLSInsecure,
			Behaviour: behaviour,
			Workers:   int(cfg.Workers),
			Duration:  time.Duration(cfg.Duration),
			Requests:  cfg.Requests,
			Rate:      float64(cfg.Rate),
			Timeout:   time.Duration(cfg.Timeout),
		},
	}
}

// align is the period at which iterations begin, so that those of other loaders begin together; 0 if there are none.
func align(cfg config.Config) time.Duration {
	if !cfg.Align {
		return 0
	}
	return lab.Period(time.Duration(cfg.Settle), time.Duration(cfg.Duration))
}

func settings(cfg config.Config, shape string, target *server, other *rival, reading memory.Reading, folder string) []report.Line {
	burst := time.Duration(cfg.Duration).String()
	if cfg.Requests > 0 {
		burst = fmt.Sprintf("%d requests", cfg.Requests)
	}
	pressure := fmt.Sprintf("%s, %s of %s, %d workers, %s", shape, iterations(cfg), burst, cfg.Workers, rate(cfg))
	if cfg.LoadCommand != nil { // its arguments may be secret
		pressure = fmt.Sprintf("%s of LOAD_COMMAND, which is %s", iterations(cfg), cfg.LoadCommand[0])
	}
	if cfg.Align {
		pressure += fmt.Sprintf(", together with other loaders every %s", align(cfg))
	}
	lines := []report.Line{
		{Name: "Server", Value: target.description},
		{Name: "Memory", Value: target.source + sharing(reading)},
		{Name: "Request", Value: asked(cfg)},
		{Name: "Load", Value: pressure},
		{Name: "Settle", Value: settle(cfg)},
		{Name: "Results", Value: folder},
	}
	if other != nil {
		lines = slices.Insert(lines, 1, report.Line{Name: "Baseline", Value: other.server.description + ", in turns with the server"})
	}
	return lines
}

// describe returns what is known of a run before its first iteration. Of the server, which is nil if there is none, it
// describes the process that listens, which is not always the one that was started.
func describe(cfg config.Config, shape string, started time.Time, target *server, command []string) report.Run {
	if target == nil {
		target = &server{}
	}
	way := wayOf(cfg, command)
	chosen := settingsOf(os.Getenv, shape, way)
	pid := target.pid
	if target.process != nil {
		if listener, err := subject.FindListener(context.Background(), cfg.Address()); err == nil {
			pid = listener
		}
	}
	surroundings := environment.Read(pid)
	if way == image {
		surroundings.Server.Image = environment.ImageOf(cfg.ServerImage)
	}
	return report.Run{
		LeaklabVersion: environment.Version(), StartedAt: started.UTC(),
		Way: string(way), ServerCommand: target.command, ServerArguments: command, MemorySource: target.source,
		Tries: cfg.Iterations(), SettleSeconds: time.Duration(cfg.Settle).Seconds(),
		Settings: chosen, Reproduce: way.reproduce(chosen, command),
		Verdict:     report.Verdict{ToleranceBytesPerRequest: float64(cfg.Tolerance)},
		Environment: surroundings,
	}
}

// drawElsewhere has the program beside this one draw the pictures of a folder, since fonts and pixels would take as
// much memory as all the rest of the loader. Without that program there are none. Ctrl-C does not reach it: it is done
// in a moment.
func drawElsewhere(folder string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	drawing := exec.Command(filepath.Join(filepath.Dir(program), "draw"), folder)
	drawing.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := drawing.CombinedOutput()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOENT} { // that unwritten knows
		if bytes.Contains(output, []byte(cause.Error())) {
			return &fs.PathError{Op: "draw", Path: folder, Err: cause}
		}
	}
	return fmt.Errorf("cannot draw memory.svg and memory.png: %w: %s", err, bytes.TrimSpace(output))
}

// asked says what is requested, without what may be secret.
func asked(cfg config.Config) string {
	what := string(cfg.RequestPath)
	if cfg.URLFile != "" {
		what = ", paths of " + string(cfg.URLFile)
	}
	return fmt.Sprintf("%s %s://%s%s (%s)", cfg.Method, load.Protocol(cfg.Protocol).Scheme(), cfg.Address(), what, cfg.Protocol)
}

func rate(cfg config.Config) string {
	if cfg.Rate == 0 {
		return "as fast as it answers"
	}
	return fmt.Sprintf("%g requests/s", float64(cfg.Rate))
}

// sharing says how many processes a reading is the sum of, and how it counts what they share.
func sharing(reading memory.Reading) string {
	switch {
	case reading.Processes < 2:
		return ""
	case reading.Proportional:
		return fmt.Sprintf(" (now %d processes; what they share is counted once)", reading.Processes)
	default:
		return fmt.Sprintf(" (now %d processes; what they share is counted for each)", reading.Processes)
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

func settle(cfg config.Config) string {
	text := fmt.Sprintf("%s before each reading", time.Duration(cfg.Settle))
	if cfg.Release > 0 {
		text += fmt.Sprintf(", %s of rest in the end", time.Duration(cfg.Release))
	}
	return text
}

// progressOf returns the source of the progress line, nil when nobody watches, or a load tool tells its progress to nobody.
func progressOf(cfg config.Config, meter *load.Meter) func() uint64 {
	if cfg.LoadCommand != nil || !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	return meter.Requests
}
