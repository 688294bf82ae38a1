package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"leaklab/loader/environment"
	"leaklab/loader/exporter"
	"leaklab/loader/external"
	"leaklab/loader/judge"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/load"
	"leaklab/loader/record"
	"leaklab/loader/reproduce"
	"leaklab/loader/scrape"
	"leaklab/loader/subject"
	"leaklab/loader/target"
	"leaklab/loader/terminal"
)

// session is one run of one shape of load, from preflight to close.
type session struct {
	plan    *plan
	again   *reproduce.Run
	shape   string
	screen  Screen
	started time.Time
	// terminal is that of the screen, the same for all shapes.
	terminal *terminal.Terminal

	endpoint *exporter.Endpoint
	folder   string // of the run; empty until it is there
	table    *record.Table
	target   *target.Target
	*watch
	baseline *baseline // nil without one
	rests    rests
	lab      lab.Plan
	judge    *judge.Judge
	exporter *exporter.Exporter
	profiles *profiler
	live     *liveReader
	last     lab.Iteration // of the server; its Number is 0 before the first
	// shortened is the length of a load that need not have its usual one; 0 if all have.
	shortened time.Duration
	whole     bool          // the load has its usual length from now on, also in a run that began with less
	reopen    lab.Generator // opens the connections that are kept again, by a little load; nil if none are kept
	record    record.Run

	connections  connections
	duration     atomic.Int64 // of the load that runs, or ran last, in nanoseconds
	stopProgress func()
	closers      []func() error // in the order in which they were opened
}

// onClose has a function called when the run is over, before those that were given earlier.
func (s *session) onClose(f func() error) { s.closers = append(s.closers, f) }

// close closes all that was opened, the last first.
func (s *session) close() error {
	var err error
	for _, f := range slices.Backward(s.closers) {
		err = errors.Join(err, f())
	}
	return err
}

// open checks what stands in the way, starts or finds the server, and the baseline if there is one, and waits until they
// answer. cancel is told when a server is gone. What it has opened is closed by close, also if it fails.
func (s *session) open(ctx context.Context, cancel context.CancelCauseFunc) error {
	request, err := s.plan.request.read(load.ShapeNamed(s.shape).NeedsBody, func(file io.Closer) { s.onClose(file.Close) })
	if err == nil {
		err = s.plan.preflight(ctx, s.screen.Notes)
	}
	if err == nil {
		err = s.createFolder(ctx)
	}
	if err != nil {
		return unmeasured(err)
	}
	if s.table, err = record.CreateTable(s.folder, "iterations.csv"); err != nil {
		return err
	}
	s.onClose(s.table.Close)
	server := s.plan.server
	server.load.Behaviour = load.NewBehaviour(load.ShapeNamed(s.shape), request.Request, server.load.Address)
	server.load.Kept = s.connections.keep(s.plan.keep)
	server.target.Output = filepath.Join(s.folder, "server.log")
	if s.live, err = s.prepareLive(&server); err != nil {
		return err
	}
	if s.target, err = target.Open(ctx, server.target, s.screen.Notes); err != nil {
		return err
	}
	s.onClose(s.target.Stop)
	if s.watch, err = startWatch(ctx, cancel, s.target, s.folder, "samples.csv"); err != nil {
		return err
	}
	s.onClose(s.watch.stop)
	if err := s.describeCalls(ctx, &server, &request); err != nil {
		return err
	}
	if err := s.await(ctx, server); err != nil {
		return err
	}
	if err := s.target.Confirm(ctx); err != nil {
		return err
	}
	if err := s.target.CheckMetrics(ctx); err != nil {
		return unmeasured(err)
	}
	if err := s.target.FindMetrics(ctx); err != nil {
		return err
	}
	if _, err := s.sampler.Read(ctx); err != nil {
		return err
	}
	if s.plan.baseline != nil {
		if s.baseline, err = s.openBaseline(ctx, cancel, request); err != nil {
			return err
		}
	}
	return s.prepare(ctx, server)
}

// createFolder reserves the port of the metrics, and creates the folder of the run.
func (s *session) createFolder(ctx context.Context) error {
	var err error
	if s.endpoint, err = s.plan.metrics.listen(ctx, s.screen.Notes); err != nil {
		return err
	}
	s.onClose(s.endpoint.Close)
	label := ""
	if len(s.plan.shapes) > 1 {
		label = s.shape
	}
	if s.folder, err = record.CreateFolder(s.plan.results, s.started, label); err != nil {
		return fmt.Errorf("RESULTS=%q: %w", s.plan.results, err)
	}
	return nil
}

// listen reserves the port of the metrics, and tells on notes if it is not the usual one.
func (m metricsPlan) listen(ctx context.Context, notes io.Writer) (*exporter.Endpoint, error) {
	endpoint, err := exporter.Listen(m.address)
	if errors.Is(err, syscall.EADDRINUSE) && m.spare != "" {
		if endpoint, err = exporter.Listen(m.spare); err == nil {
			fmt.Fprintf(notes, "loader: %s is taken; the metrics of this run are at %s\n", m.address, endpoint.Address())
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: %s listens there", err, subject.ListenerName(ctx, m.address))
	}
	if err != nil {
		_, port, _ := net.SplitHostPort(m.address)
		return nil, fmt.Errorf("METRICS_PORT=%q: %w", port, err)
	}
	return endpoint, nil
}

// await waits until a server answers, and warns when it does not like the request.
func (s *session) await(ctx context.Context, server side) error {
	var code int
	var endless error // of a server that answers, which waiting does not change
	err := subject.WaitReady(ctx, server.target.StartTimeout, server.target.Who, func(ctx context.Context) (err error) {
		if err := server.checkNear(ctx); err != nil && !s.plan.allowRemote { // its name resolves by now
			return err
		}
		if code, err = load.Probe(ctx, server.load); errors.Is(err, load.ErrEndless) {
			endless = err
			return nil
		}
		return err
	})
	if err == nil {
		err = endless
	}
	if err == nil && code >= http.StatusBadRequest {
		fmt.Fprintf(s.screen.Notes, "loader: REQUEST_PATH=%q: %s answers %d %s; you may be measuring its error page\n",
			s.plan.request.path, server.target.Who, code, http.StatusText(code))
	}
	return err
}

// prepare makes ready whoever takes the iterations, and writes the report of a run that begins.
func (s *session) prepare(ctx context.Context, server side) error {
	shown, err := s.shown(ctx)
	if err == nil {
		err = s.checkShown(shown)
	}
	if err != nil {
		return err
	}
	generate, err := s.generator(server)
	if err != nil {
		return err
	}
	pprofURL := s.plan.metrics.pprofURL(shown)
	if err := s.openLive(ctx, s.live, s.target, s.sampler, pprofURL); err != nil {
		return err
	}
	if s.baseline != nil {
		if err := s.baseline.openLive(ctx, s, pprofURL); err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
	}
	s.onClose(func() error { // before the server is stopped, which might wait for that
		s.connections.close()
		return nil
	})
	s.profiles = &profiler{url: pprofURL, folder: s.folder, notes: s.screen.Notes}
	s.connections.beside(s.plan.metrics.server, pprofURL)
	meter := load.NewMeter()
	s.chooseRests()
	s.lab = lab.Plan{
		Tries: s.plan.tries, AtMost: s.plan.auto, Settle: s.rests.settle, SettleLive: s.rests.settleLive, SettleMore: s.rests.settleMore, Align: s.plan.align,
		Server: lab.Server{Generate: generate, AfterLoad: s.afterLoad, Live: s.live.read, Sampler: s.sampler, Meter: meter},
	}
	s.record = s.describe()
	options := s.plan.options
	options.Floor = float64(s.target.Floor)
	if s.target.PID != 0 {
		options.Collects, options.Defers = live.Collects(s.target.Processes())
	}
	s.judge = judge.New(judge.Plan{Options: options, Limit: s.target.Limit, Limits: limitsOf(s.target, s.record.Environment), Sites: !s.plan.sites.off})
	s.exporter = exporter.New(exporter.Run{
		Started: s.started, Tries: s.plan.tries, AtMost: s.plan.auto, Tolerance: s.plan.options.Tolerance, Shape: s.shape, Protocol: string(server.load.Protocol),
	}, s.sampler, meter)
	s.observe(s.exporter.Sample)
	if s.baseline != nil {
		s.baseline.join(s)
	}
	if err := s.write(); err != nil {
		return s.unwritten(err)
	}
	s.endpoint.Serve(filepath.Base(s.folder), s.exporter)
	if wait := s.plan.metrics.wait; wait > 0 && !s.endpoint.AwaitScrape(ctx, wait) && ctx.Err() == nil {
		fmt.Fprintf(s.screen.Notes, "loader: SCRAPE_WAIT=%s: no Prometheus has asked for the metrics; going on without\n", wait)
	}
	s.startProgress(meter)
	return s.terminal.Settings(s.settings())
}

// generator is the load tool that the settings ask for, with its log in the folder of the run, or else the loader's
// own load.
func (s *session) generator(server side) (lab.Generator, error) {
	if s.plan.tool == nil {
		if server.load.Kept != nil {
			s.reopen = lab.Generate(reopening(server.load))
		}
		return func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
			plan := server.load
			plan.Duration = s.durationOf(number)
			s.duration.Store(int64(plan.Duration))
			return lab.Generate(plan)(ctx, number, meter)
		}, nil
	}
	log, err := record.CreateFile(s.folder, "load.log", os.O_APPEND|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	s.onClose(log.Close)
	tool := &external.Command{Words: s.plan.tool.Words, Limit: s.plan.tool.Limit, Log: log}
	if _, err := exec.LookPath("sh"); err == nil { // a container has none, and kills the tool with the loader
		tool.Guard = subject.GuardGroup
	}
	return tool.Run, nil
}

// reopening is as little of a load as opens all connections.
func reopening(plan load.Plan) load.Plan {
	const enough = 300 * time.Millisecond
	if plan.Rate == 0 { // otherwise some connections have their first request late
		plan.Duration, plan.Requests = min(plan.Duration, enough), 0
	}
	return plan
}

// durationOf is the length of the load of an iteration. It is the usual one once live memory cannot be read any more, and for
// what names what is kept, which wants many requests, unless that is shortened.
func (s *session) durationOf(number int) time.Duration {
	if s.shortened > 0 {
		return s.shortened
	}
	if s.plan.growing && s.live.reads() && !s.whole {
		return lab.GrowingDuration(number)
	}
	return s.plan.server.load.Duration
}

// shown returns what the server shows at METRICS_URL; nil if it shows nothing, which is an error only if there are
// other loaders, since a loader sees only its own requests.
func (s *session) shown(ctx context.Context) (scrape.Metrics, error) {
	if s.plan.metrics.server == "" {
		return nil, nil
	}
	metrics, err := scrape.Fetch(ctx, s.plan.metrics.server, s.plan.server.target.MetricsRequests)
	if err != nil && s.plan.align == 0 {
		return nil, nil // a server of any other kind
	}
	return metrics, err
}

// checkShown notices that LEAK has been set for the loader alone (docker compose run -e LEAK=none loader), which changes
// nothing at the demo server and would be taken for its result; and that the server cannot tell how many requests it
// gets from all loaders together.
func (s *session) checkShown(shown scrape.Metrics) error {
	if leak := shown.Label(scrape.DemoInfo, "leak"); !s.target.Launched() && s.plan.leak != "" && leak != "" && leak != s.plan.leak {
		return unmeasured(fmt.Errorf("LEAK=%q: the server is running with LEAK=%s; set it for both, as in LEAK=%s docker compose up", s.plan.leak, leak, s.plan.leak))
	}
	if s.plan.align == 0 {
		return nil
	}
	counter := scrape.Counter{Chosen: s.plan.server.target.MetricsRequests, Page: s.plan.metrics.server}
	if _, _, found := counter.Requests(shown); !found {
		return unmeasured(errors.New("ALIGN=true: expected a counter of the server's requests at METRICS_URL, for example http_requests_total, since a loader sees only its own"))
	}
	return nil
}

// explain completes an error with what the servers and the load tool have said, for the terminal alone.
func (s *session) explain(err error) error {
	var failure *external.Failure
	if errors.As(err, &failure) {
		err = fmt.Errorf("%w; %s", err, failure.Ending())
	}
	if s.target != nil {
		err = s.target.Explain(err)
	}
	if s.baseline != nil {
		err = s.baseline.target.Explain(err)
	}
	return err
}

// failed explains why a run could not begin, and writes its report, if it has a folder. signalled is the context that a
// signal ends.
func (s *session) failed(signalled context.Context, err error) error {
	err = s.explain(err)
	if s.folder == "" {
		return err
	}
	if s.record.StartedAt.IsZero() {
		s.record = s.describe()
	}
	s.record.End(target.Unsaid(err))
	if s.exporter != nil {
		s.exporter.SetEnd(endOf(signalled, err))
	}
	return errors.Join(s.unwritten(errors.Join(err, s.write())), s.printJSON())
}

// describe returns what is known of a run before its first iteration. Of the server it describes the process that
// listens.
func (s *session) describe() record.Run {
	t := s.target
	if t == nil {
		t = &target.Target{}
	}
	origin := s.plan.origin
	settings := origin.Settings(os.Getenv, s.shape, s.plan.setTries())
	surroundings := environment.Read(t.Listener(context.Background()))
	if origin == reproduce.Image {
		surroundings.Server.Image = environment.ImageOf(s.plan.image)
	}
	run := record.Run{
		LeaklabVersion: environment.Version(), StartedAt: s.started.UTC(), State: record.Running,
		Origin: string(origin), ServerCommand: t.Command, ServerArguments: s.plan.command, MemorySource: t.Source,
		Tries: s.plan.tries, TriesAtMost: s.plan.auto, SettleSeconds: s.rests.settled().Seconds(),
		Settings: settings, Reproduce: origin.Line(settings, s.plan.command), Environment: surroundings,
	}
	return run
}
