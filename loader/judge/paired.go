package judge

import (
	"leaklab/loader/lab"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// Paired is the running comparison of a server with a baseline that is loaded in turns with it.
type Paired struct {
	suspect    *Judge
	options    verdict.Options // for the baseline
	evidence   []verdict.Iteration
	comparison verdict.Comparison
	sites      *sites // of the baseline
}

// NewPaired returns a comparison with the server that suspect judges.
func NewPaired(suspect *Judge) *Paired {
	p := &Paired{suspect: suspect, options: suspect.options, sites: newSites()}
	p.compare()
	return p
}

// Add takes an iteration of the baseline into account, and compares anew if that is due. The suspect's iteration of the
// same number has to be added before. row is the iteration as it is recorded.
func (p *Paired) Add(i lab.Iteration, row record.Iteration) {
	p.evidence = append(p.evidence, row.Evidence())
	if p.suspect.looksAtSites {
		p.sites.add(sitesOf(i))
	}
	if record.Due(row.Iteration) {
		p.compare()
	}
}

// End compares once more, when the run is over and the suspect is judged: with the readings after a rest of the given
// length in seconds, nil if there were none.
func (p *Paired) End(rest *lab.Rest, seconds float64) {
	if rest != nil {
		p.options.Rest = &verdict.Rest{Seconds: seconds, Bytes: uint64(rest.Baseline.HeldBytes())}
	}
	p.compare()
}

// Comparison is that of the iterations so far.
func (p *Paired) Comparison() verdict.Comparison { return p.comparison }

// compare judges the baseline, and the suspect against it.
func (p *Paired) compare() {
	baseline := verdict.Judged{Iterations: p.evidence, Verdict: verdict.Judge(p.evidence, p.options)}
	suspect := verdict.Judged{Iterations: p.suspect.evidence, Verdict: p.suspect.verdict}
	p.comparison = verdict.ComparePaired(baseline, suspect, p.options)
}
