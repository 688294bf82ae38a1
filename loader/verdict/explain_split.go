package verdict

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"

	"leaklab/loader/text"
)

// explainSplit tells how the parts grow that the verdict does not rest on, what bounds them, and what resident memory
// cannot tell. Empty if there is nothing to say.
func (v *Verdict) explainSplit(f findings, options Options) string {
	var said []string
	say := func(sentence string) {
		if sentence != "" {
			said = append(said, sentence)
		}
	}
	if f.split.known {
		say(v.explainLive(f, options.Tolerance))
		say(v.explainOutside(f, options.Tolerance))
		say(v.explainSlack(f, options))
	} else if _, known := v.part(LiveHeap); options.Collects && !known && v.Kind != NoLeak {
		say("Resident memory cannot tell kept memory from garbage that was not collected yet.")
	}
	say(v.explainFilling(f, options.Mapping))
	return strings.Join(said, " ")
}

// explainLive tells how live memory grows, if the verdict rests on something else.
func (v *Verdict) explainLive(f findings, tolerance float64) string {
	switch {
	case v.Of == Live:
		return ""
	case f.live.upper < tolerance:
		return fmt.Sprintf("Live memory %s.", v.Unit.bound(f.live.upper))
	default:
		return fmt.Sprintf("Live memory %s.", v.change(f.live))
	}
}

// explainOutside tells how memory outside the heap grows, if the verdict rests on live memory.
func (v *Verdict) explainOutside(f findings, tolerance float64) string {
	switch of := f.outside.evidence; {
	case v.Of != Live || v.Kind != Leak:
	case of.lower > tolerance:
		return fmt.Sprintf("Memory outside the heap grows as well, by %s.", v.figure(of))
	case of.upper > v.Growth:
		return fmt.Sprintf("These readings cannot tell how memory outside the heap changes: by %s.", v.figure(of))
	}
	if v.Kind != NoLeak {
		return ""
	}
	upper, how := f.outside.quiet(tolerance)
	bound := v.Unit.bound(upper)
	from := f.from + f.outside.lateFrom + 2
	switch how {
	case quietLater:
		return fmt.Sprintf("Memory outside the heap %s from iteration %d on.", bound, from)
	case quietBetween:
		return fmt.Sprintf("Memory outside the heap %s from iteration %d on, but for steps up or down.", bound, from)
	}
	return fmt.Sprintf("Memory outside the heap %s.", bound)
}

// explainSlack tells what bounds the growth of heap slack; empty if it does not grow by more than the tolerance.
func (v *Verdict) explainSlack(f findings, options Options) string {
	if !f.slack.known || f.slack.lower <= options.Tolerance {
		return ""
	}
	bound := "The runtime bounds it."
	if limit := options.HeapLimit; limit.Bytes > 0 {
		bound = fmt.Sprintf("The limit of %s, %s MiB, bounds it.", limit.Of, text.Number(float64(limit.Bytes)/text.Mebibyte))
	}
	return fmt.Sprintf("Heap slack grows by %s: garbage that was not collected yet, and pages that the runtime keeps. %s", v.figure(f.slack), bound)
}

// explainFilling tells how much of the growth fills files and shared segments of a known size; empty if it is within the
// floor, the largest gain aside: what fills goes on to.
func (v *Verdict) explainFilling(f findings, mapping Mapping) string {
	fills := f.split.filling.from(f.held.warmUp - 1).gains()
	gained := floats.Sum(fills)
	if gained-slices.Max(fills) <= floorBytes {
		return ""
	}
	of := "mapped files or shared segments of a fixed size"
	if mapping.Bytes > 0 {
		of = fmt.Sprintf("%s of %s MiB that is mapped", mapping.Name, text.Number(float64(mapping.Bytes)/text.Mebibyte))
	}
	what := "the growth"
	if f.split.known {
		what = "the growth of resident memory"
	}
	return fmt.Sprintf("Of %s, %s MiB fill %s: no leak.", what, text.Number(gained/text.Mebibyte), of)
}

// change is how memory changes, with an interval: "grows by 12 bytes a request (11 to 13)", or "falls by ...".
func (v *Verdict) change(e evidence) string {
	switch {
	case e.upper < 0:
		return fmt.Sprintf("%s (%s to %s)", v.Unit.change(e.growth.quantile(0.5)), text.Number(-e.upper), text.Number(-e.lower))
	case e.growth.quantile(0.5) < 0:
		return "changes by " + v.figure(e)
	}
	return "grows by " + v.figure(e)
}

// figure is a growth with its interval: "12 bytes a request (11 to 13)".
func (v *Verdict) figure(e evidence) string {
	return fmt.Sprintf("%s bytes %s (%s to %s)", text.Number(e.growth.quantile(0.5)), v.Unit.one(), text.Number(e.lower), text.Number(e.upper))
}

// statisticsOfParts are the growths of the parts, for the statistic; empty without live memory.
func (v *Verdict) statisticsOfParts() string {
	if len(v.Growths) < 2 {
		return ""
	}
	var b strings.Builder
	for _, g := range v.Growths {
		fmt.Fprintf(&b, "; %s %s (%s to %s)", g.Part.Label(), text.Number(g.Growth), text.Number(g.Lower), text.Number(g.Upper))
	}
	return b.String()
}
