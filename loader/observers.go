package main

import (
	"errors"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/report"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// appending writes a row an iteration.
type appending struct{ table *record.Table }

func (appending) LoadBegins(int, time.Time) {}

func (appending) LoadEnded() {}

func (a appending) IterationEnded(i lab.Iteration) error {
	return a.table.Append(record.NewIteration(i))
}

// sampling notes the iteration that samples belong to, and writes them between iterations.
type sampling struct {
	sampler *memory.Sampler
	samples *record.Samples
}

func (s sampling) LoadBegins(number int, _ time.Time) { s.sampler.Mark(number) }

func (s sampling) LoadEnded() { s.sampler.Mark(0) }

func (s sampling) IterationEnded(lab.Iteration) error { return s.samples.Flush() }

// showing prints a block an iteration, and tells the progress line when load runs.
type showing struct {
	terminal *terminal.Terminal
	meter    *load.Meter
	note     string
}

func (s showing) LoadBegins(number int, at time.Time) { s.meter.StartBurst(number, at) }

func (s showing) LoadEnded() { s.meter.EndBurst() }

func (s showing) IterationEnded(i lab.Iteration) error { return s.terminal.Iteration(i, s.note) }

// reporting keeps the documents of a run up to date.
type reporting struct {
	folder string
	run    record.Run
	series func() []record.Point
	judged func() (verdict.Verdict, []string)
	// Of a baseline; nil without one.
	compared       func() verdict.Comparison
	baselineSeries func() []record.Point
}

// startReport writes the documents of a run that begins.
func startReport(folder string, run record.Run, series func() []record.Point, judged func() (verdict.Verdict, []string)) (*reporting, error) {
	run.State = record.Running
	r := &reporting{folder: folder, run: run, series: series, judged: judged}
	return r, r.write()
}

func (r *reporting) LoadBegins(int, time.Time) {}

func (r *reporting) LoadEnded() {}

func (r *reporting) IterationEnded(i lab.Iteration) error {
	r.run.Iterations = append(r.run.Iterations, record.NewIteration(i))
	if r.compared != nil { // the baseline's follows
		return nil
	}
	return r.keep()
}

func (r *reporting) keep() error {
	if !record.Due(len(r.run.Iterations)) {
		return nil
	}
	return r.write()
}

func (r *reporting) end(reason error) error {
	r.run.End(reason)
	return r.write()
}

// draw has the pictures drawn; none if there is no iteration.
func (r *reporting) draw() error {
	if len(r.run.Iterations) == 0 {
		return nil
	}
	return drawElsewhere(r.folder)
}

func (r *reporting) write() error {
	v, remarks := r.judged()
	tolerance := r.run.Verdict.ToleranceBytesPerRequest
	r.run.Verdict, r.run.Remarks = record.NewVerdict(v, tolerance), remarks
	var other []record.Point
	if r.compared != nil {
		c := r.compared()
		r.run.Baseline.Verdict, r.run.Baseline.Difference = record.NewVerdict(c.Old, tolerance), record.NewDifference(c)
		other = r.baselineSeries()
	}
	return report.Write(r.folder, r.run, r.series(), other)
}

// comparing is a reporting's observer of the baseline.
type comparing struct{ *reporting }

// compare returns an observer of a baseline, which was started by command. judged compares the iterations so far.
func (r *reporting) compare(command string, series func() []record.Point, judged func() verdict.Comparison) lab.Observer {
	r.run.Baseline = &record.Baseline{Command: command}
	r.compared, r.baselineSeries = judged, series
	return comparing{r}
}

func (c comparing) IterationEnded(i lab.Iteration) error {
	c.run.Baseline.Iterations = append(c.run.Baseline.Iterations, record.NewIteration(i))
	return c.keep()
}

// show prints the iterations and the progress of the server and, if there is one, of the baseline, until stop is called.
func show(t *terminal.Terminal, plan lab.Plan, watched bool, meter *load.Meter, other *rival) (stop func()) {
	if !watched {
		return func() {}
	}
	burst := terminal.Burst{State: meter.Burst, Of: plan.Tries, Duration: plan.Load.Duration, Requests: plan.Load.Requests}
	bursts := []terminal.Burst{burst}
	if other != nil {
		burst.State, burst.Note = other.plan.Meter.Burst, besideNote
		bursts = append(bursts, burst)
	}
	return t.Progress(bursts...)
}

// besideNote stands behind the number of a baseline's iteration.
const besideNote = ", baseline"

// finish writes the documents and the pictures in the end.
func (r *reporting) finish(reason error) error { return errors.Join(reason, r.end(reason), r.draw()) }
