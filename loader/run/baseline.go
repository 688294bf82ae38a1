package run

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"

	"leaklab/loader/judge"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/load"
	"leaklab/loader/record"
	"leaklab/loader/reproduce"
	"leaklab/loader/shell"
	"leaklab/loader/target"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// baseline is a second server that lives as long as the first, and is loaded in turns with it.
type baseline struct {
	target *target.Target
	table  *record.Table
	*watch
	load   load.Plan
	meter  *load.Meter
	paired *judge.Paired
	live   *liveReader
}

// openBaseline starts the baseline, or finds it, and waits until it answers. cancel is told when it has ended. What it has
// opened is closed with the session.
func (s *session) openBaseline(ctx context.Context, cancel context.CancelCauseFunc, request asked) (*baseline, error) {
	server := *s.plan.baseline
	server.load.Behaviour = load.NewBehaviour(load.ShapeNamed(s.shape), request.Request, server.load.Address)
	server.load.Kept = s.connections.keep(s.plan.keep)
	server.target.Output = filepath.Join(s.folder, "baseline.log")
	b := &baseline{load: server.load, meter: load.NewMeter()}
	var err error
	if b.live, err = s.prepareLive(&server); err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	if b.target, err = target.Open(ctx, server.target, s.screen.Notes); err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	s.onClose(b.target.Stop)
	if b.target.PID == s.target.PID {
		return nil, fmt.Errorf("baseline: %s: its process cannot be told from the server's", server.target.Setting)
	}
	b.target.Command = shell.QuoteAll(server.command) // of an image too: what runs there
	if b.table, err = record.CreateTable(s.folder, "baseline.csv"); err != nil {
		return nil, err
	}
	s.onClose(b.table.Close)
	if b.watch, err = startWatch(ctx, cancel, b.target, s.folder, "baseline-samples.csv"); err != nil {
		return nil, err
	}
	s.onClose(b.watch.stop)
	if err = s.await(ctx, server); err == nil {
		err = b.target.Confirm(ctx)
	}
	if err == nil {
		_, err = b.sampler.Read(ctx)
	}
	if err != nil {
		return nil, b.target.Explain(err)
	}
	return b, nil
}

// openLive has live memory read. pprofURL is where the server shows its profiles, if it is a Go server: the baseline shows
// them at another port, or on another host.
func (b *baseline) openLive(ctx context.Context, s *session, pprofURL string) error {
	var own string
	if pprofURL != "" && b.target.PID != 0 && b.live.plan.kind != live.Off {
		var err error
		plan := s.plan.baseline.target
		if own, err = live.PprofBeside(ctx, b.target.Processes(), pprofURL, plan.Host, portBeside(pprofURL, s.plan.server.target.Port, plan.Port)); err != nil {
			return b.live.unavailable(err)
		}
	}
	return s.openLive(ctx, b.live, b.target, b.sampler, own)
}

// portBeside is the port at which a baseline shows its profiles if it is like the server: that of its requests where the
// server's is, and else the same as the server's.
func portBeside(pprofURL string, server, baseline int) int {
	at, err := url.Parse(pprofURL)
	if err != nil {
		return baseline
	}
	if port, err := strconv.Atoi(at.Port()); err == nil && port != server {
		return port
	}
	return baseline
}

// join has the baseline measured in turns with the server of s.
func (b *baseline) join(s *session) {
	bothOrNeither(s.live, b.live)
	b.paired = judge.NewPaired(s.judge)
	s.record.Baseline = &record.Baseline{Command: b.target.Command}
	s.lab.Baseline = &lab.Baseline{Load: b.load, Live: b.live.read, Sampler: b.sampler, Meter: b.meter}
}

// comparison is what the terminal prints of both servers.
func (s *session) comparison() error {
	if s.baseline == nil {
		return nil
	}
	return s.terminal.Comparison(s.baseline.paired.Comparison(),
		terminal.Side{Name: "baseline", Of: s.baseline.target.Command}, terminal.Side{Name: "suspect", Of: s.target.Command},
		s.record.Baseline.Difference.SiteLines()...)
}

// reproduction is what the terminal prints of a run that was made again: what differs from the recorded one. The reading
// after a rest is left out, since it is that of the new run alone.
func (s *session) reproduction() error {
	if s.again == nil {
		return nil
	}
	options := s.judge.Options()
	options.Rest = nil
	var sites record.Difference
	judge.CompareSites(&sites, s.again.Record, s.record, "the old run", "the new run")
	return errors.Join(
		s.terminal.Reproduction(reproduce.AtAnyPlace(s.again.Record), reproduce.AtAnyPlace(s.record)),
		s.terminal.Comparison(verdict.Compare(s.again.Record.Evidence(), s.record.Evidence(), options),
			terminal.Side{Name: "old", Of: s.again.Path}, terminal.Side{Name: "new", Of: s.shownFolder()}, sites.SiteLines()...))
}
