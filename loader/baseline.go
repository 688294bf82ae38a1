package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/subject"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// rival is the baseline: a second server that lives as long as the first, and is loaded in turns with it.
type rival struct {
	cfg     config.Config // as it is for the baseline
	server  *server
	folder  string
	table   *record.Table
	samples *record.Samples
	stop    func() error // the samples
	plan    lab.Baseline
	referee *referee // nil until it is known whom to compare with
}

// startRival starts the baseline of cfg, or finds it, and waits until it answers. cancel is told when it has ended. The
// caller has to close what is returned, unless there is an error.
func startRival(ctx context.Context, cancel context.CancelCauseFunc, cfg config.Config, suspect *server, behaviour load.Behaviour, folder string) (*rival, error) {
	r := &rival{cfg: cfg.OfBaseline(), folder: folder}
	var err error
	if cfg.BaselineHost == "" {
		// Both servers may read METRICS_PORT, and cannot both listen on it: 0 is any port that is free.
		environment := append(subject.Environment(), "PORT="+strconv.Itoa(int(r.cfg.Port)), "METRICS_PORT=0")
		r.server, err = launch(ctx, cfg.Baseline.At(r.cfg.Host, r.cfg.Port), environment, folder, "baseline.log")
	} else {
		r.server, err = attachToShared(ctx, r.cfg.Host)
	}
	if err == nil && r.server.pid == suspect.pid {
		err = fmt.Errorf("BASELINE_HOST=%q: its process cannot be told from the server's", string(cfg.BaselineHost))
	}
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	if cfg.BaselineHost != "" { // what runs there
		r.server.command = quoteAll(cfg.Baseline)
	}
	r.server.read = named(r.server.read)
	if r.table, err = record.CreateTable(folder, "baseline.csv"); err != nil {
		return nil, errors.Join(err, r.close())
	}
	var sampler *memory.Sampler
	if sampler, r.samples, r.stop, err = watch(ctx, cancel, r.server, folder, "baseline-samples.csv"); err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.plan = lab.Baseline{Load: planOf(r.cfg, behaviour).Load, Sampler: sampler, Meter: load.NewMeter()}
	if err = awaitServer(ctx, r.cfg, r.plan.Load, "the baseline"); err == nil {
		_, err = sampler.Read(ctx)
	}
	if err != nil {
		return nil, errors.Join(r.explain(err), r.close())
	}
	return r, nil
}

// named makes errors say whose they are.
func named(read memory.Reader) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if err != nil {
			err = fmt.Errorf("baseline: %w", err)
		}
		return reading, err
	}
}

// explain is server.explain of the baseline; nil has none.
func (r *rival) explain(err error) error {
	if r == nil {
		return err
	}
	return r.server.explain(err, r.cfg, r.folder)
}

// against lets the rival be compared with the suspect, and prepares its iterations: they are written into the documents,
// and shown on the screen.
func (r *rival) against(suspect *jury, documents *reporting, screen *terminal.Terminal) *lab.Baseline {
	r.referee = newReferee(suspect)
	compared := documents.compare(r.server.command, r.samples.Series, r.referee.current)
	r.plan.Observers = []lab.Observer{r.referee, appending{r.table}, sampling{r.plan.Sampler, r.samples}, compared, showing{screen, r.plan.Meter, besideNote}}
	return &r.plan
}

// close stops the baseline.
func (r *rival) close() error {
	var err error
	if r.stop != nil {
		err = r.stop()
	}
	if r.table != nil {
		err = errors.Join(err, r.table.Close())
	}
	if r.server.process != nil {
		err = errors.Join(err, r.server.process.Stop())
	}
	return err
}

// referee is an observer of the baseline's iterations, which compares the suspect with it after each that is due, and in
// the end.
type referee struct {
	suspect    *jury
	options    verdict.Options // for the baseline
	evidence   []verdict.Iteration
	comparison verdict.Comparison
}

func newReferee(suspect *jury) *referee {
	r := &referee{suspect: suspect, options: suspect.options}
	r.compare()
	return r
}

func (r *referee) LoadBegins(int, time.Time) {}

func (r *referee) LoadEnded() {}

func (r *referee) IterationEnded(i lab.Iteration) error {
	r.evidence = append(r.evidence, record.NewIteration(i).Evidence())
	if record.Due(i.Number) { // the suspect has been judged by then
		r.compare()
	}
	return nil
}

// end compares once more, when the run is over and the suspect is judged: with the readings after a rest of the given
// length, nil if there were none.
func (r *referee) end(rested *lab.Rest, length time.Duration) {
	if rested != nil {
		r.options.Rest = &verdict.Rest{Seconds: length.Seconds(), Bytes: uint64(rested.Baseline.Total)}
	}
	r.compare()
}

// compare judges the baseline, and the suspect against it.
func (r *referee) compare() {
	baseline := verdict.Judged{Iterations: r.evidence, Verdict: verdict.Judge(r.evidence, r.options)}
	suspect := verdict.Judged{Iterations: r.suspect.evidence, Verdict: r.suspect.verdict}
	r.comparison = verdict.ComparePaired(baseline, suspect, r.options)
}

func (r *referee) current() verdict.Comparison { return r.comparison }
