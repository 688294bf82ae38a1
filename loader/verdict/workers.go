package verdict

import (
	"fmt"
	"math"

	"leaklab/loader/text"
)

// replacedIn is how many workers were replaced in a range of the iterations.
func replacedIn(iterations []Iteration, judged Range) int {
	sum := 0
	if judged.First > 0 {
		for _, it := range iterations[judged.First-1 : judged.Last] {
			sum += int(it.Parts[Replaced])
		}
	}
	return sum
}

// hideLeaks judges the workers by their age if some were replaced: what each had kept went with it, and the bound of the
// growth is that of the others alone. If the workers grow, it is a leak. If they are not shown to grow by less than the
// tolerance, a verdict of no leak becomes inconclusive. With a runtime that lets garbage fill its heap, growth is no proof.
func (v *Verdict) hideLeaks(f *findings, iterations []Iteration, options Options) {
	v.Replaced = replacedIn(iterations, v.Judged)
	if v.Replaced == 0 || v.NextLook > 0 {
		return
	}
	ageing, known := newAgeing(iterations[f.restarted:], v.Confidence)
	if known {
		v.Ageing = &ageing
	}
	switch {
	case v.Kind == Leak:
	case known && ageing.grows(options.Tolerance) && !options.early(len(iterations)) && !options.Defers:
		v.restOn(ageing)
	case v.Kind == NoLeak && !(known && ageing.Upper < options.Tolerance):
		v.Kind, v.hidden = Inconclusive, true
	}
}

// restOn makes it a leak in workers.
func (v *Verdict) restOn(a Ageing) {
	v.Kind, v.Of, v.Pattern = Leak, Workers, PatternSteady
	v.Growth, v.Lower, v.Upper = a.Growth, a.Lower, a.Upper
	v.Early, v.Late = a.Young, a.Old
	v.Resolution = (a.Upper - a.Lower) / 2
}

// explainReplaced says how many workers were replaced, what that means, and how the workers grow by their age unless the
// verdict rests on that. Empty, or ends with a space.
func (v *Verdict) explainReplaced(options Options) string {
	if v.Replaced == 0 {
		return ""
	}
	were := "were"
	if v.Replaced == 1 {
		were = "was"
	}
	said := fmt.Sprintf("%s %s replaced while the growth was judged: what a worker had kept went with it, which hides a leak. ",
		count(v.Replaced, "worker"), were)
	switch a := v.Ageing; {
	case v.NextLook > 0 || v.Of == Workers || v.Kind == Leak && a == nil:
	case a == nil:
		said += fmt.Sprintf("How workers grow by their age is not known: that takes %d of them, each at %d end readings after its warm-up, of young and of old age. ", leastWorkers, leastAged)
	case a.Upper < options.Tolerance:
		said += fmt.Sprintf("But as it ages, each %s (%s, %s). ", v.Unit.bound(a.Upper), percent(v.Confidence), v.aged())
	case a.Slowing:
		said += fmt.Sprintf("As it ages, each %s (%s to %s, %s), but that slows down: %s while it is young, %s later. It may be a cache that fills. ",
			v.Unit.change(a.Growth), text.Number(a.Lower), text.Number(a.Upper), v.aged(), text.Number(a.Young), text.Number(a.Old))
	case v.Kind != Leak && options.Defers && a.grows(options.Tolerance):
		said += fmt.Sprintf("As it ages, each %s (%s), but its runtime lets garbage fill the heap up to a limit. ", v.Unit.change(a.Growth), v.aged())
	default:
		said += fmt.Sprintf("As it ages, each changes by %s to %s bytes %s (%s, %s). ", text.Number(a.Lower), text.Number(a.Upper), v.Unit.one(), percent(v.Confidence), v.aged())
	}
	return said
}

// aged is what was judged of the workers, after their warm-up.
func (v *Verdict) aged() string {
	if v.Unit == PerIteration {
		return count(v.Ageing.Workers, "worker")
	}
	return fmt.Sprintf("%s, %s requests, after the first %s of each", count(v.Ageing.Workers, "worker"), text.Number(v.Ageing.Requests), text.Number(v.Ageing.WarmUp))
}

// accountHidden is account for a verdict that workers who were replaced keep from being no leak.
func (v *Verdict) accountHidden(judged string) (full, brief string) {
	return fmt.Sprintf("Inconclusive: %s grows by less than %s bytes %s (%s; %s), but not all of the growth can be seen.",
			v.Of, text.Number(v.Upper), v.Unit.one(), percent(v.Confidence), judged),
		fmt.Sprintf("%s grows by less than the tolerance (%s), but not all of the growth can be seen.", capital(string(v.Of)), judged)
}

// explainWorkers sets the texts of a leak in workers.
func (v *Verdict) explainWorkers(f findings, options Options) {
	interval := fmt.Sprintf("%s to %s, %s", text.Number(v.Lower), text.Number(v.Upper), percent(v.Confidence))
	v.Statistic = fmt.Sprintf("slope within workers, cluster jackknife over %d workers, t with %d degrees of freedom: %s bytes/%s (%s); older half %s, younger half %s",
		v.Ageing.Workers, v.Ageing.Workers-1, text.Number(v.Growth), v.Unit, interval, text.Number(v.Late), text.Number(v.Early))
	before := v.explainBasis(f, options)
	v.Sentence = fmt.Sprintf("%sLeak: as it ages, each worker %s (%s), more than the tolerance of %s, and old workers grow like young ones (%s).",
		before, v.Unit.change(v.Growth), interval, text.Number(options.Tolerance), v.aged())
	v.Explanation = fmt.Sprintf("%sAs it ages, each worker grows by more than the tolerance, and old workers grow like young ones (%s).", before, v.aged())
}

// adviceHidden is what to do about workers that are replaced.
const adviceHidden = "Let workers live through the run, for example by a limit of requests of 0 (--max-requests, MaxConnectionsPerChild, pm.max_requests). " +
	"Or let each live through more iterations, with fewer requests in each."

// compareWorkers makes it the comparison of workers by their age, if either verdict rests on them and both are known. The
// two intervals are independent. It is false, and cannot tell, if either rests on them or may hide a leak, and not both are
// known: what the servers hold as a whole may be flat because workers were replaced.
func (c *Comparison) compareWorkers() bool {
	before, after := c.Old.Ageing, c.New.Ageing
	rests := c.Old.Of == Workers || c.New.Of == Workers
	if before == nil || after == nil {
		if !rests && !c.Old.hidden && !c.New.hidden {
			return true
		}
		c.Estimated, c.Judged, c.Difference, c.Lower, c.Upper = false, Range{}, 0, 0, 0
		c.Sentence = "Cannot tell: workers were replaced, and how they grow by their age is not known of both."
		return false
	}
	if rests {
		margin := math.Hypot((before.Upper-before.Lower)/2, (after.Upper-after.Lower)/2)
		c.Of, c.Difference = Workers, after.Growth-before.Growth
		c.Lower, c.Upper = c.Difference-margin, c.Difference+margin
	}
	return true
}
