package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/exporter"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/terminal"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// jury is an observer that judges anew after each iteration that is due, and in the end.
type jury struct {
	options    verdict.Options
	limit      memory.Limit
	state      *exporter.Exporter
	iterations []lab.Iteration
	evidence   []verdict.Iteration
	verdict    verdict.Verdict
	files      *openFiles // nil if they are not watched
	sites      []string   // lines on the code that leaks, in the end
}

func newJury(options verdict.Options, limit memory.Limit, state *exporter.Exporter) *jury {
	return &jury{options: options, limit: limit, state: state, verdict: verdict.Judge(nil, options)}
}

func (j *jury) LoadBegins(int, time.Time) {}

func (j *jury) LoadEnded() {}

func (j *jury) IterationEnded(i lab.Iteration) error {
	j.iterations = append(j.iterations, i.WithoutLatencies())
	j.evidence = append(j.evidence, record.NewIteration(i).Evidence())
	if i.Uncounted {
		j.options.Unit = verdict.PerIteration
	}
	if record.Due(i.Number) || slices.Contains(verdict.Looks(j.options.MaxIterations), i.Number) {
		j.judge()
	}
	return nil
}

func (j *jury) judge() {
	j.verdict = verdict.Judge(j.evidence, j.options)
	j.state.SetVerdict(j.verdict, j.timeToLimit())
}

// end judges once more, when the run is over: with the reading after a rest, nil if there was none.
func (j *jury) end(rested *lab.Rest) {
	if rested != nil {
		j.state.SetGivenBack(float64(j.iterations[len(j.iterations)-1].End.Total - rested.Reading.Total))
		j.options.Rest = &verdict.Rest{Seconds: rested.Length.Seconds(), Bytes: uint64(rested.Reading.Total)}
	}
	j.judge()
}

func (j *jury) decided() bool { return j.verdict.Kind != verdict.Inconclusive }

// timeToLimit is when the server's memory will be used up under this load, in seconds: infinite if it is not sure
// to grow, or there is no limit.
func (j *jury) timeToLimit() float64 {
	var requests, seconds float64
	for _, i := range j.iterations {
		requests += float64(i.Requests)
		seconds += i.Load.Elapsed.Seconds()
	}
	if j.verdict.Lower <= 0 || requests == 0 || j.limit.Bytes == 0 {
		return math.Inf(1)
	}
	left := float64(j.limit.Bytes - j.iterations[len(j.iterations)-1].End.Total)
	return max(0, left) / (j.verdict.Growth * requests / seconds)
}

// report prints the verdict, and what there is to say beside it, unless there is nothing to judge.
func (j *jury) report(out io.Writer, folder string) error {
	if len(j.iterations) == 0 {
		return nil
	}
	_, remarks := j.current()
	return terminal.New(out, false).Verdict(terminal.End{
		Verdict: j.verdict, Tolerance: j.options.Tolerance, Sites: j.sites, Remarks: remarks, Results: folder,
	})
}

// current returns the verdict so far, and what there is to say beside it.
func (j *jury) current() (verdict.Verdict, []string) {
	var remarks []string
	if warning := j.warning(); warning != "" {
		remarks = append(remarks, warning)
	}
	if warning := j.unanswered(); warning != "" {
		remarks = append(remarks, warning)
	}
	if j.files != nil && j.files.remark() != "" {
		remarks = append(remarks, j.files.remark())
	}
	if left := j.timeToLimit(); j.verdict.Kind == verdict.Leak && !math.IsInf(left, 1) {
		remarks = append(remarks, fmt.Sprintf("Under this load the server reaches the limit of %s, %s, in %s.", j.limit.Of, text.MiB(j.limit.Bytes), text.Coarse(left)))
	}
	if remark := j.counted(); remark != "" {
		remarks = append(remarks, remark)
	}
	return j.verdict, remarks
}

// warning says that the load may not have been what was meant; empty if there is no reason to.
func (j *jury) warning() string {
	bad, status := 0, 0
	for _, i := range j.iterations {
		var good, most uint64
		for code, n := range i.Load.Codes {
			if code == 0 || code/100 == 2 {
				good += n
			} else if n > most {
				most, status = n, code
			}
		}
		if 2*good < i.Load.Requests {
			bad++
		}
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("In %d of %d iterations most answers were not 2xx but, for the most part, %d %s: this may be the verdict on an error page.",
		bad, len(j.iterations), status, http.StatusText(status))
}

// unanswered says that the server has left most requests without an answer; empty if it has not.
func (j *jury) unanswered() string {
	bad, failed := 0, make(map[load.Reason]uint64)
	for _, i := range j.iterations {
		lost := uint64(0)
		for reason, n := range i.Load.Errors {
			if reason != load.Status4xx && reason != load.Status5xx {
				lost += n
				failed[reason] += n
			}
		}
		if lost > i.Load.Requests {
			bad++
		}
	}
	if bad == 0 {
		return ""
	}
	most := load.Reasons()[0]
	for _, reason := range load.Reasons() {
		if failed[reason] > failed[most] {
			most = reason
		}
	}
	return fmt.Sprintf("In %d of %d iterations most requests got no answer but, for the most part, the error %s: this is the verdict on the few that did.",
		bad, len(j.iterations), most)
}

// counted says who counted the requests of a load tool; empty if this program did.
func (j *jury) counted() string {
	if len(j.iterations) == 0 {
		return ""
	}
	if j.iterations[len(j.iterations)-1].Uncounted {
		return "Nobody could count the requests, neither from the output of LOAD_COMMAND nor from METRICS_URL: the growth, and " +
			"TOLERANCE, are in bytes per iteration."
	}
	for _, i := range j.iterations { // in one of them no other loader may have sent any
		if i.Load.Uncounted || i.Requests != i.Load.Requests {
			return "The requests were counted by the server: " + i.End.RequestsCounter + " at METRICS_URL."
		}
	}
	return ""
}

// optionsOf returns what the settings say about judging.
func optionsOf(cfg config.Config) verdict.Options {
	options := verdict.Options{Tolerance: float64(cfg.Tolerance)}
	if cfg.Tries == config.Auto {
		options.MaxIterations = int(cfg.MaxTries)
	}
	return options
}

func exitCode(kind verdict.Kind) int {
	switch kind {
	case verdict.NoLeak:
		return exitNoLeak
	case verdict.Leak:
		return exitLeak
	default:
		return exitUnknown
	}
}

// judgeFile prints the verdict on a recorded run and returns the exit code.
func judgeFile(cfg config.Config, path string, out io.Writer) int {
	iterations, err := record.ReadIterations(path)
	if err != nil {
		complain("loader:", err)
		return exitSettings
	}
	v := verdict.Judge(iterations, verdict.Options{Tolerance: float64(cfg.Tolerance), Unit: unitOf(iterations)})
	if err := terminal.New(out, false).Verdict(terminal.End{Verdict: v, Tolerance: float64(cfg.Tolerance)}); err != nil {
		complain("loader:", err)
		return exitUnknown
	}
	return exitCode(v.Kind)
}

// unitOf is the iteration if each has one request, as in a run whose requests nobody could count. If there really was
// one in each, both are the same.
func unitOf(iterations []verdict.Iteration) verdict.Unit {
	for _, i := range iterations {
		if i.Requests != 1 {
			return verdict.PerRequest
		}
	}
	return verdict.PerIteration
}
