// Package run carries out a run: it translates the settings into plans, once, opens the server, loops over the
// iterations, hands what each has measured to those who judge, show and write it, and closes what it has opened. It is
// the only place that sees all settings.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/record"
	"leaklab/loader/reproduce"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// Outcome is how a run, or several, came out.
type Outcome int

// The outcomes.
const (
	Unknown Outcome = iota // inconclusive, or ended early
	NoLeak                 // or, with a baseline, not worse
	Leak                   // or, with a baseline, worse
)

// OutcomeOf is the outcome of a run with a verdict.
func OutcomeOf(kind verdict.Kind) Outcome {
	switch kind {
	case verdict.NoLeak:
		return NoLeak
	case verdict.Leak:
		return Leak
	default:
		return Unknown
	}
}

// OutcomeOfChange is the outcome of a comparison: a new side that is worse counts as a leak.
func OutcomeOfChange(change verdict.Change) Outcome {
	switch change {
	case verdict.CannotTell:
		return Unknown
	case verdict.Worse:
		return Leak
	default:
		return NoLeak
	}
}

// Screen is where a run shows itself.
type Screen struct {
	Out      io.Writer // settings, iterations and verdict
	Notes    io.Writer // warnings and errors
	JSON     io.Writer // the verdict, as JSON; nil if it is not asked for
	Progress bool      // Out is a terminal: a line shows how far the load is
	Colour   bool
}

// Job is what the settings ask for: a run for each shape of load.
type Job struct {
	plan  plan
	again *reproduce.Run // a run that is made again, or nil
}

// Prepare translates the settings. command starts the server; nil if it runs already, or if again, a recorded run that is
// made again, tells it. The server inherits exported, variables as in os.Environ. The error names each setting that is
// wrong on this machine; nothing has been started then.
func Prepare(cfg config.Config, command, exported []string, again *reproduce.Run) (*Job, error) {
	if again != nil {
		var err error
		if command, err = again.Command(planOf(cfg, nil, nil).origin); err != nil {
			return nil, err
		}
	}
	job := &Job{plan: planOf(cfg, command, exported), again: again}
	err := job.plan.check()
	if job.plan.origin.IsDemo() {
		err = errors.Join(err, cfg.CheckDemo())
	}
	return job, err
}

// CheckServerRuns fails if there is no server to measure now.
func (j *Job) CheckServerRuns(ctx context.Context) error { return j.plan.checkServerRuns(ctx) }

// Run makes a run for each shape of load, one after the other, and tells on the screen what goes wrong. A leak in any of
// them is a leak, and only if all have none there is none. The error is one that other settings would have avoided;
// nothing was measured then.
func (j *Job) Run(ctx context.Context, screen Screen) (Outcome, error) {
	all := NoLeak
	out := terminal.New(screen.Out, screen.Colour)
	var shapes []terminal.Shape
	for n, shape := range j.plan.shapes {
		s := &session{plan: &j.plan, again: j.again, shape: shape, screen: screen, terminal: out, rests: j.plan.rests(nil, false), started: time.Now()}
		outcome, err := s.run(ctx)
		if errors.Is(err, errSettings) && n == 0 && ctx.Err() == nil {
			return Unknown, err
		}
		if err != nil {
			note(screen.Notes, "loader:", err)
		}
		if ctx.Err() != nil {
			return Unknown, nil
		}
		if outcome == Leak || all == NoLeak {
			all = outcome
		}
		shapes = append(shapes, s.summary(err))
	}
	if len(shapes) > 1 {
		if err := out.Summary(shapes); err != nil {
			note(screen.Notes, "loader:", err)
			return Unknown, nil
		}
	}
	return all, nil
}

// summary is the line of the table of all shapes; err is why the run ended early, or nil.
func (s *session) summary(err error) terminal.Shape {
	line := terminal.Shape{Name: s.shape, Outcome: "not begun"}
	if s.folder != "" {
		line.Results = s.shownFolder()
	}
	if s.judge == nil {
		return line
	}
	line.Verdict = s.judge.Verdict()
	switch {
	case err != nil:
		line.Outcome = "ended early"
	case s.baseline != nil:
		line.Outcome = string(s.baseline.paired.Comparison().Change)
	default:
		line.Outcome = string(line.Verdict.Kind)
	}
	return line
}

// errSettings marks an error that another setting would have avoided, found before anything was measured.
var errSettings = errors.New("nothing was measured")

// unmeasured marks err as one that another setting would have avoided.
func unmeasured(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", err, errSettings)
}

// run makes the run. It returns Unknown if there is an error before the end; what was measured by then is written down.
// An error of closing is told beside the outcome.
func (s *session) run(signalled context.Context) (outcome Outcome, err error) {
	ctx, cancel := context.WithCancelCause(signalled)
	defer cancel(nil)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, cancel); err != nil {
		return Unknown, s.failed(signalled, err)
	}
	rest, err := s.iterate(ctx)
	s.stopProgress()
	err = s.conclude(ctx, rest, err)
	s.exporter.SetEnd(s.end(signalled, err))
	err = s.unwritten(errors.Join(err, s.draw(signalled)))
	s.awaitFinalScrape(signalled)
	switch {
	case err != nil:
		return Unknown, s.explain(err)
	case s.baseline != nil:
		return OutcomeOfChange(s.baseline.paired.Comparison().Change), nil
	default:
		return OutcomeOf(s.judge.Verdict().Kind), nil
	}
}

// iterate is the loop of a run. It returns the reading after the rest that follows; nil if there is none. It ends early
// when the run is decided, if it may, and with the first error; complete iterations have been handed on by then.
func (s *session) iterate(ctx context.Context) (*lab.Rest, error) {
	var first lab.Iteration
	for i, err := range lab.Iterations(ctx, s.lab) {
		if err != nil {
			return nil, err
		}
		if i.OfBaseline {
			err = s.takeBaseline(i)
		} else {
			if first.Number == 0 {
				first = i
			}
			s.last = i
			err = s.take(i)
		}
		if err != nil {
			return nil, fmt.Errorf("iteration %s: %w", i.Place(), err)
		}
		if s.plan.auto && s.judge.Decided() {
			break
		}
	}
	s.judge.Renew()
	length := s.rests.end(s.judge.Verdict(), s.last.EndedAt.Sub(first.EndedAt))
	if err := s.last.Answered(); err != nil || length == (lab.RestLength{}) {
		return nil, err
	}
	resting := s.lab
	if s.connections.open() {
		resting.CloseConnections = s.connections.close // what the server frees with them is given back
	}
	return lab.AwaitRest(ctx, length, resting, s.last)
}

// take hands an iteration of the server on. Whoever fails does not keep it from the others.
func (s *session) take(i lab.Iteration) error {
	row := record.NewIteration(i)
	s.live.add(i)
	judged := s.judge.Add(i, row)
	s.exporter.Add(i)
	if judged {
		s.exporter.SetVerdict(s.judge.Verdict(), s.judge.TimeToLimit())
	}
	s.record.Iterations = append(s.record.Iterations, row)
	if judged {
		s.exportFit()
	}
	err := errors.Join(s.table.Append(row), s.samples.Flush())
	if s.baseline == nil { // otherwise its iteration follows
		err = errors.Join(err, s.writeIfDue(i.Number))
	}
	return errors.Join(err, s.terminal.Iteration(i, ""), s.profiles.add(i), s.judge.Served())
}

// takeBaseline hands an iteration of the baseline on.
func (s *session) takeBaseline(i lab.Iteration) error {
	row := record.NewIteration(i)
	s.baseline.paired.Add(i, row)
	s.record.Baseline.Iterations = append(s.record.Baseline.Iterations, row)
	return errors.Join(s.baseline.table.Append(row), s.baseline.samples.Flush(), s.writeIfDue(i.Number), s.terminal.Iteration(i, ", baseline"))
}

// conclude judges once more, writes everything, and prints the verdict. early is why the run ended early, or nil; it is
// returned with what went wrong since.
func (s *session) conclude(ctx context.Context, rest *lab.Rest, early error) error {
	early = s.target.OrGone(early)
	if rest != nil {
		s.judge.SetAllocator(allocatorAtRest(s.target))
	}
	s.judge.End(rest)
	s.exporter.SetVerdict(s.judge.Verdict(), s.judge.TimeToLimit())
	s.exportFit()
	if rest != nil {
		s.exporter.SetGivenBack(float64(s.judge.Last().End.Total - rest.Reading.Total))
	}
	if s.baseline != nil {
		s.baseline.paired.End(rest, s.rests.release.Seconds())
	}
	err := s.unwritten(errors.Join(early, s.profiles.finish(ctx)))
	s.name(ctx, rest != nil && rest.Closed, err)
	s.record.End(err)
	if failed := s.write(); failed != nil {
		err = s.unwritten(errors.Join(err, failed))
		s.record.End(err)
	}
	s.exportSites()
	return errors.Join(err, s.print())
}

// writeIfDue writes the report if that is due after this number of iterations.
func (s *session) writeIfDue(iterations int) error {
	if !record.Due(iterations) {
		return nil
	}
	return s.write()
}
