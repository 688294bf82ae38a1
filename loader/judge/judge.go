// Package judge keeps the verdict on a run that goes on: on one server, and on a server beside a baseline, with remarks
// on what else was seen. The statistics are those of package verdict; nothing is printed or written here.
package judge

import (
	"slices"

	"leaklab/loader/lab"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// Plan is how a run is judged.
type Plan struct {
	Options verdict.Options
	Limit   memory.Limit // of the server's memory
	Limits  []Limit      // of other resources
	Sites   bool         // the sites of live memory are judged too
}

// Judge is the running verdict on one server. It judges anew after each iteration that is due, and in the end.
type Judge struct {
	options    verdict.Options
	limit      memory.Limit
	limits     []Limit
	iterations []lab.Iteration
	evidence   []verdict.Iteration
	verdict    verdict.Verdict
	judged     int // iterations that the verdict is on
	// looksAtSites is false if sites are neither kept nor judged.
	looksAtSites bool
	sites        *sites
}

// New returns a Judge who has seen no iteration.
func New(plan Plan) *Judge {
	return &Judge{
		options: plan.Options, limit: plan.Limit, limits: plan.Limits, verdict: verdict.Judge(nil, plan.Options),
		looksAtSites: plan.Sites, sites: newSites(),
	}
}

// Add takes an iteration into account, and judges anew if that is due: judging takes the longer the more iterations
// there are. row is the iteration as it is recorded. It returns true if it has judged.
func (j *Judge) Add(i lab.Iteration, row record.Iteration) bool {
	j.iterations = append(j.iterations, i.WithoutLatencies())
	j.evidence = append(j.evidence, evidence(i, row))
	if j.looksAtSites {
		j.sites.add(sitesOf(i))
	}
	if i.Uncounted {
		j.options.Unit = verdict.PerIteration
	}
	due := record.Due(i.Number) || slices.Contains(verdict.Looks(j.options.MaxIterations), i.Number) || i.Number == j.verdict.NextLook
	if due {
		j.judge()
	}
	return due
}

// Renew judges anew unless the verdict is on all iterations.
func (j *Judge) Renew() {
	if j.judged < len(j.iterations) {
		j.judge()
	}
}

func (j *Judge) judge() {
	if len(j.iterations) > 0 {
		j.bounds()
	}
	j.verdict = verdict.Judge(j.evidence, j.options)
	j.judged = len(j.iterations)
}

// End judges once more, when the run is over, with the reading after a rest; without one it is as Renew.
func (j *Judge) End(rest *lab.Rest) {
	if rest == nil {
		j.Renew()
		return
	}
	j.options.Rest = readingAtRest(rest)
	j.judge()
}

// SetAllocator tells what the server's memory comes from, for the sentence on the rest.
func (j *Judge) SetAllocator(allocator verdict.Allocator) { j.options.Allocator = allocator }

// Verdict is the verdict on the iterations so far.
func (j *Judge) Verdict() verdict.Verdict { return j.verdict }

// Options are those of the verdict.
func (j *Judge) Options() verdict.Options { return j.options }

// Iterations is how many iterations were added.
func (j *Judge) Iterations() int { return len(j.iterations) }

// Decided tells whether the verdict is more than inconclusive.
func (j *Judge) Decided() bool { return j.verdict.Kind != verdict.Inconclusive }

// Last is the last iteration; there has to be one.
func (j *Judge) Last() lab.Iteration { return j.iterations[len(j.iterations)-1] }
