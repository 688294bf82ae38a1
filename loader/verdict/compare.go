package verdict

import (
	"fmt"
	"math"

	"leaklab/loader/text"
)

// Change is the result of a comparison of two runs.
type Change string

// The changes. Significantly less growth, of a server that still leaks or may leak, is Better.
const (
	Fixed      Change = "fixed"       // the old one leaks, the new one does not
	Better     Change = "better"      // the new one grows less, but is not shown to be free of leaks
	Same       Change = "same"        // the difference is below the tolerance
	Worse      Change = "worse"       // the new one grows more, by more than the tolerance or to a leak
	CannotTell Change = "cannot tell" // the readings are consistent with several of these
)

// Comparison is the difference in the growth of memory between two runs.
type Comparison struct {
	Old, New Verdict
	Change   Change
	// Of is what was compared: Held, unless both runs have live memory; then Live, or Outside if one of the verdicts rests on
	// that. It is Workers if one rests on these, and how they age is known of both.
	Of Part
	// Estimated is false if one of the runs is too short, or if replaced workers hide its growth. The figures are 0 then.
	Estimated bool
	// Difference is the growth of the new run minus that of the old, in bytes per request, with its 95% interval.
	Difference, Lower, Upper float64
	Judged                   Range // of the pairs, if the two were loaded alternately
	Sentence                 string
}

// Compare judges each of two runs as Judge does, and the difference of their growths.
//
// The posterior of the difference is the convolution of the new run's posterior with the negated old one's. It is
// evaluated by the midpoint rule over the old one's quantiles.
func Compare(before, after []Iteration, options Options) Comparison {
	c := Comparison{Change: CannotTell}
	var oldFindings, newFindings findings
	c.Old, oldFindings = judge(before, options)
	c.New, newFindings = judge(after, options)
	if c.Estimated = c.Old.Estimated && c.New.Estimated; !c.Estimated {
		c.Sentence = "Cannot tell: one of the runs is too short to estimate its growth."
		return c
	}
	c.between(oldFindings, newFindings, options, words{old: "the old run", new: "the new run", it: "the new one", longer: "Run both longer."})
	return c
}

// between sets the difference of two growths that were judged apart, and what follows from it.
func (c *Comparison) between(before, after findings, options Options, w words) {
	c.Of = Held
	earlier, later := before.held, after.held
	if before.split.known && after.split.known {
		c.Of, earlier, later = Live, before.live, after.live
		if c.Old.Of == Outside || c.New.Of == Outside {
			c.Of, earlier, later = Outside, before.outside.evidence, after.outside.evidence
		}
	}
	c.Difference = later.growth.quantile(0.5) - earlier.growth.quantile(0.5)
	floor := math.Hypot(earlier.judged.floor/earlier.judged.span(), later.judged.floor/later.judged.span())
	c.Lower = min(differenceQuantile(earlier.growth, later.growth, (1-confidence)/2), c.Difference-floor)
	c.Upper = max(differenceQuantile(earlier.growth, later.growth, (1+confidence)/2), c.Difference+floor)
	if c.compareWorkers() {
		c.decide(options)
		c.explain(options, w)
	}
}

// decide sets the change.
func (c *Comparison) decide(options Options) {
	switch less, more := c.Upper < 0, c.Lower > 0; {
	case less && c.Old.Kind == Leak && c.New.Kind == NoLeak:
		c.Change = Fixed
	case more && c.New.Kind == Leak && c.Old.Kind == NoLeak, c.Lower > options.Tolerance:
		c.Change = Worse
	case c.Lower > -options.Tolerance && c.Upper < options.Tolerance:
		c.Change = Same
	case less:
		c.Change = Better
	}
}

// differenceQuantile is the q quantile of the growth of the new run minus that of the old, in bytes per request.
func differenceQuantile(before, after posterior, q float64) float64 {
	const points = 100
	quantiles := make([]float64, points)
	for i := range quantiles {
		quantiles[i] = before.quantile((float64(i) + 0.5) / points)
	}
	below := func(v float64) float64 {
		sum := 0.0
		for _, x := range quantiles {
			sum += after.below(v + x)
		}
		return sum / points
	}
	middle := after.quantile(0.5) - before.quantile(0.5)
	reach := 1 + before.deviation() + after.deviation()
	for below(middle-reach) > q || below(middle+reach) < q {
		reach *= 2
	}
	return bisect(middle-reach, middle+reach, func(v float64) bool { return below(v) < q })
}

// words are the names of the two in a sentence, a shorter one for the second, and the advice if it cannot tell.
type words struct{ old, new, it, longer string }

func (c *Comparison) explain(options Options, w words) {
	difference := fmt.Sprintf("%s bytes %s (%s to %s, %s)", text.Number(math.Abs(c.Difference)), options.Unit.one(),
		text.Number(math.Min(math.Abs(c.Lower), math.Abs(c.Upper))), text.Number(math.Max(math.Abs(c.Lower), math.Abs(c.Upper))), percent(confidence))
	if c.Of.Named() {
		difference += " in " + string(c.Of)
	}
	switch c.Change {
	case Fixed:
		c.Sentence = fmt.Sprintf("Fixed: %s is a leak and %s is none; it grows less, by %s.", w.old, w.it, difference)
	case Better:
		c.Sentence = fmt.Sprintf("Better: %s grows less, by %s, but its own verdict is %q.", w.new, difference, c.New.Kind)
	case Worse:
		c.Sentence = fmt.Sprintf("Worse: %s grows more, by %s.", w.new, difference)
	case Same:
		c.Sentence = fmt.Sprintf("Same: the growths differ by less than the tolerance of %s bytes %s (from %s to %s, %s).",
			text.Number(options.Tolerance), options.Unit.one(), text.Number(c.Lower), text.Number(c.Upper), percent(confidence))
	default:
		c.Sentence = fmt.Sprintf("Cannot tell: the growth of %s differs from that of %s by anything from %s to %s bytes "+
			"%s (%s); the tolerance is %s. %s", w.new, w.old, text.Number(c.Lower), text.Number(c.Upper), options.Unit.one(), percent(confidence), text.Number(options.Tolerance), w.longer)
	}
}
