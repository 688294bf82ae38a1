package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"leaklab/loader/text"
)

const mebibyte = 1 << 20

// explain sets the texts, and the number of further iterations that may decide, after
// n iterations.
func (v *Verdict) explain(f findings, n int, options Options) {
	if !v.Estimated {
		v.explainNothing(f.held, n)
		v.Explanation = v.Sentence
		return
	}
	if v.Of == Workers {
		v.explainWorkers(f, options)
		return
	}
	e := f.decisive()
	interval := fmt.Sprintf("%s to %s, %s", text.Number(v.Lower), text.Number(v.Upper), percent(v.Confidence))
	judged := fmt.Sprintf("iterations %s, %s requests", v.Judged, text.Number(float64(v.JudgedRequests)))
	if v.Unit == PerIteration {
		judged = fmt.Sprintf("iterations %s", v.Judged)
	}
	v.Statistic = fmt.Sprintf("generalised least squares over %d end readings, averaged over the noise's persistence "+
		"(%s that it passes), t with %.0f degrees of freedom: %s bytes/%s (%s); second half %s, first half %s, "+
		"slower with probability %.2f; line over curves that level off: log likelihood ratio %.1f, of %.1f that it needs",
		len(e.judged.bytes), percent(e.growth.stationary()), e.growth.degree, text.Number(v.Growth), v.Unit, interval,
		text.Number(v.Late), text.Number(v.Early), e.halves.slower, e.halves.linear, e.halves.enough) + v.statisticsOfParts()

	full, brief := v.account(f, options, interval, judged)
	var rest strings.Builder
	for _, sentences := range []string{v.explainTime(f.overTime), v.explainSplit(f, options), v.explainRest(f, options), v.explainParts(f, options.Tolerance)} {
		if sentences != "" {
			rest.WriteString(" " + sentences)
		}
	}
	before := v.explainBasis(f, options)
	v.Sentence, v.Explanation = before+full+rest.String(), before+brief+rest.String()
	if v.Kind == Inconclusive {
		v.advise(f, n, options)
	}
}

// explainBasis says which iterations are not judged though they were measured, that workers were replaced, and why live
// memory is not judged though it was read. Empty, or ends with a space.
func (v *Verdict) explainBasis(f findings, options Options) string {
	said := ""
	if v.RestartedBefore > 0 {
		said = fmt.Sprintf("The server restarted before iteration %d: only what came after is judged. ", v.RestartedBefore)
	}
	said += v.explainReplaced(options)
	switch {
	case f.gap > 0 && f.split.known:
		said += fmt.Sprintf("Live memory could not be read after iteration %d: only what came after is judged. ", f.gap)
	case f.gap > 0:
		said += fmt.Sprintf("Live memory could not be read after iteration %d: the verdict rests on %s. ", f.gap, v.Of)
	}
	return said
}

// account returns the reason for the verdict in a sentence that has all its figures, and in one that leaves out the
// growth, its interval and the tolerance. interval and judged are texts for parentheses.
func (v *Verdict) account(f findings, options Options, interval, judged string) (full, brief string) {
	growth := fmt.Sprintf("%s %s", v.Of, v.Unit.change(v.Growth))
	tolerance := text.Number(options.Tolerance)
	warmUp := count(v.WarmUp, "iteration")
	switch {
	case v.Kind == Leak:
		full = fmt.Sprintf("Leak: after a warm-up of %s, %s (%s), more than the tolerance of %s, and the growth goes on (%s).%s",
			warmUp, growth, interval, tolerance, judged, f.condition.explain(v.Unit))
		brief = fmt.Sprintf("After a warm-up of %s, %s grows by more than the tolerance, and the growth goes on (%s).%s", warmUp, v.Of, judged, f.condition.explain(v.Unit))
	case v.Kind == NoLeak && v.Upper < 0:
		full = fmt.Sprintf("No leak: after a warm-up of %s, %s (%s to %s, %s; %s).",
			warmUp, growth, text.Number(-v.Upper), text.Number(-v.Lower), percent(v.Confidence), judged)
		brief = fmt.Sprintf("After a warm-up of %s, %s falls (%s).", warmUp, v.Of, judged)
	case v.Kind == NoLeak:
		full = fmt.Sprintf("No leak: after a warm-up of %s, %s grows by less than %s bytes %s "+
			"(%s), which is below the tolerance of %s (%s).", warmUp, v.Of, text.Number(v.Upper), v.Unit.one(), percent(v.Confidence), tolerance, judged)
		brief = fmt.Sprintf("After a warm-up of %s, %s grows by less than the tolerance (%s).", warmUp, v.Of, judged)
	case v.NextLook > 0 && f.condition.requests > 0:
		near := "a plausible bound of a cache or of an expiry is near"
		full = fmt.Sprintf("Not decided yet: so far %s (%s; %s), but %s.", growth, interval, judged, near)
		brief = fmt.Sprintf("Not decided yet (%s): %s.", judged, near)
	case v.NextLook > 0:
		full = fmt.Sprintf("Not decided yet: so far %s (%s; %s).", growth, interval, judged)
		brief = fmt.Sprintf("Not decided yet (%s).", judged)
	default:
		return v.accountUndecided(f, options, growth, interval, judged)
	}
	return full, brief
}

// accountUndecided is account for an inconclusive verdict on a run that is over. growth is a clause.
func (v *Verdict) accountUndecided(f findings, options Options, growth, interval, judged string) (full, brief string) {
	tolerance := options.Tolerance
	late, grows := text.Number(v.Late), capital(string(v.Of))+" grows"
	switch {
	case v.hidden:
		return v.accountHidden(judged)
	case f.condition.expires:
		expires := fmt.Sprintf("%s (%s).", f.condition.explainExpiry(), judged)
		full, brief = fmt.Sprintf("Inconclusive: %s (%s), %s", growth, interval, expires), grows+", "+expires
	case v.Pattern == PatternSlowing && v.WarmUp > v.Judged.length():
		before := fmt.Sprintf("but it grew faster before, and for longer: the first %s. It may be a cache that fills.", count(v.WarmUp, "iteration"))
		full = fmt.Sprintf("Inconclusive: %s (%s; %s), %s", growth, interval, judged, before)
		brief = fmt.Sprintf("%s (%s), %s", grows, judged, before)
	case v.Pattern == PatternSlowing:
		slows := fmt.Sprintf("the growth slows down, or may as well: %s in the first half of the %ss, %s in the second (%s). "+
			"It may be a cache that fills.", text.Number(v.Early), v.Unit, late, judged)
		if v.Late >= v.Early {
			slows = fmt.Sprintf("these readings do not tell steady growth from growth that levels off (%s). It may be a cache that fills.", judged)
		}
		full, brief = fmt.Sprintf("Inconclusive: %s (%s), but %s", growth, interval, slows), grows+", but "+slows
	case v.Lower > tolerance && v.givesBack(f, tolerance):
		stays := fmt.Sprintf("but it does not stay (%s).", judged)
		full, brief = fmt.Sprintf("Inconclusive: %s under load (%s), %s", growth, interval, stays), grows+" under load, "+stays
	case v.Lower > tolerance && !f.decisive().halves.goesOn(tolerance):
		alone := fmt.Sprintf("but the second half of the %ss alone (%s) does not show that it goes on.", v.Unit, late)
		full = fmt.Sprintf("Inconclusive: %s (%s; %s), %s", growth, interval, judged, alone)
		brief = fmt.Sprintf("%s (%s), %s", grows, judged, alone)
	case v.Lower > tolerance && f.decisive().isLittle():
		little := fmt.Sprintf("but by %s KiB in all, which a program may take while it warms up (%s).", text.Number(f.decisive().gained()/1024), judged)
		full, brief = fmt.Sprintf("Inconclusive: %s (%s), %s", growth, interval, little), grows+", "+little
	case v.Lower > tolerance && v.Of != Live && v.Of != Outside && options.Defers:
		garbage := fmt.Sprintf("but its runtime lets garbage fill the heap up to a limit before it collects it (%s).", judged)
		full, brief = fmt.Sprintf("Inconclusive: %s (%s), %s", growth, interval, garbage), grows+", "+garbage
	case v.Lower > tolerance:
		same := fmt.Sprintf("but in so few iterations a cache that fills looks the same (%s).", judged)
		full, brief = fmt.Sprintf("Inconclusive: %s (%s), %s", growth, interval, same), grows+", "+same
	default:
		full = fmt.Sprintf("Inconclusive: %s, but anything from %s to %s fits as well (%s; %s). A growth below %s bytes %s cannot be "+
			"seen in these readings; the tolerance is %s.", growth, text.Number(v.Lower), text.Number(v.Upper), percent(v.Confidence), judged,
			text.Number(v.Resolution), v.Unit.one(), text.Number(tolerance))
		brief = fmt.Sprintf("Any growth within the interval fits these readings (%s).", judged)
		if v.Of == Outside {
			brief = fmt.Sprintf("Any growth of memory outside the heap within the interval fits these readings (%s).", judged)
		}
	}
	return full, brief
}

// change is how memory changes: "grows by 12 bytes a request", or "falls by 12 bytes a request".
func (u Unit) change(growth float64) string {
	verb := "grows"
	if growth < 0 {
		verb = "falls"
	}
	return fmt.Sprintf("%s by %s bytes %s", verb, text.Number(math.Abs(growth)), u.one())
}

// bound is how memory changes at the most, by the end of an interval: "grows by less than 12 bytes a request", or "falls by
// more than 12 bytes a request".
func (u Unit) bound(upper float64) string {
	if upper < 0 {
		return fmt.Sprintf("falls by more than %s bytes %s", text.Number(-upper), u.one())
	}
	return fmt.Sprintf("grows by less than %s bytes %s", text.Number(upper), u.one())
}

// capital is text with its first letter, which is ASCII, in upper case.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// explainRest tells how much of the gain after the warm-up the server returned while it rested. Empty if there was no
// gain above the floor, or if collections were forced, which return memory too.
func (v *Verdict) explainRest(f findings, options Options) string {
	gained, rest := f.held.gained(), options.Rest
	switch {
	case rest == nil || f.split.known || gained <= floorBytes:
		return ""
	case v.GivenBack < 0.05*gained:
		return fmt.Sprintf("Of the %s MiB gained nothing was given back in %s s of rest. %s",
			text.Number(gained/mebibyte), text.Number(rest.Seconds), options.Allocator.explain(rest.Seconds))
	default:
		return fmt.Sprintf("Of the %s MiB gained, %s MiB were given back in %s s of rest.", text.Number(gained/mebibyte),
			text.Number(v.GivenBack/mebibyte), text.Number(rest.Seconds))
	}
}

// explain tells what it proves that nothing was given back in a rest of that length.
func (a Allocator) explain(seconds float64) string {
	switch {
	case a.Name == "":
		return "That proves little: most allocators give nothing back at rest."
	case a.Seconds == 0:
		return fmt.Sprintf("That proves little: %s %s.", a.Name, a.AtRest)
	case seconds < a.Seconds:
		return fmt.Sprintf("That proves little: %s %s (RELEASE=%ss shows it).", a.Name, a.AtRest, text.Number(a.Seconds))
	default:
		return fmt.Sprintf("%s %s: what stays is in use or fragmented.", capital(a.Name), a.AtRest)
	}
}

// explainNothing sets the texts if the growth could not be estimated.
func (v *Verdict) explainNothing(e evidence, n int) {
	restarted := ""
	if v.RestartedBefore > 0 {
		restarted = fmt.Sprintf(" since the server restarted before iteration %d", v.RestartedBefore)
	}
	v.Statistic = "none"
	if e.iterations < minIterations {
		v.MoreIterations = minIterations - e.iterations
		v.Sentence = fmt.Sprintf("Inconclusive: %s%s; nothing can be said of fewer than %d.",
			count(e.iterations, "iteration"), restarted, minIterations)
		v.Advice = fmt.Sprintf("Run at least %s in all; 12 are better.", count(n+v.MoreIterations, "iteration"))
		return
	}
	v.Sentence = fmt.Sprintf("Inconclusive: the iterations%s after the warm-up have too few requests to judge.", restarted)
	v.Advice = "See why the server answers no requests; each iteration needs some."
}

// advise sets the advice for an inconclusive verdict after n iterations.
func (v *Verdict) advise(f findings, n int, options Options) {
	e, decides := f.decisive(), options.Tolerance
	if v.Of == Outside && v.Lower <= 0 {
		decides = f.outside.bound // it is enough to rule this out
	}
	have := float64(len(e.judged.bytes) - 1)
	switch {
	case v.hidden:
		v.Advice = adviceHidden
		return
	case f.condition.expires:
		v.Advice = adviceExpires
		return
	case v.NextLook > 0:
		v.MoreIterations = v.NextLook - n
		v.Advice = fmt.Sprintf("The next look is after iteration %d.", v.NextLook)
		return
	case v.Lower > options.Tolerance && v.givesBack(f, options.Tolerance):
		v.Advice = "Take a longer SETTLE, so that the readings see what stays: the server gives memory back when it rests."
		return
	case v.Lower > options.Tolerance && e.isLittle():
		v.Advice = fmt.Sprintf("Make the iterations longer (more requests in each): a gain of less than %s KiB, or in less than %d requests, proves no leak.",
			text.Number(e.judged.least/1024), leastRequests)
		return
	case v.Lower > options.Tolerance && v.Of != Live && v.Of != Outside && options.Defers:
		v.Advice = "Have live memory read (LIVE): what is still held after a full collection decides it."
		return
	case v.Lower > options.Tolerance:
		v.MoreIterations = n
		v.Advice = fmt.Sprintf("Run about %s in all: growth that slows down will then have stopped, or nearly, "+
			"and a leak will not.", count(2*n, "iteration"))
		return
	}
	v.MoreIterations = e.moreIterations(decides, v.Confidence)
	if v.MoreIterations > 0 {
		requests := e.judged.span() * (1 + float64(v.MoreIterations)/have)
		if v.Unit == PerIteration {
			v.Advice = fmt.Sprintf("If it goes on like this, about %s in all would decide it; fewer do if each has more load.",
				count(n+v.MoreIterations, "iteration"))
			return
		}
		v.Advice = fmt.Sprintf("If it goes on like this, about %s in all (%s judged requests) would decide it; "+
			"fewer do if each has more requests.", count(n+v.MoreIterations, "iteration"), text.Number(requests))
		return
	}
	otherwise := "or measure live memory: resident memory goes up and down by itself here."
	if f.split.known {
		otherwise = "or let the server rest longer before each reading (SETTLE)."
	}
	differs := fmt.Sprintf("that differs clearly from %s bytes %s", text.Number(v.Growth), v.Unit.one())
	if v.Growth < 0 {
		differs = fmt.Sprintf("above %s bytes %s", text.Number(v.Upper), v.Unit.one())
	}
	v.Advice = fmt.Sprintf("More iterations like these are unlikely to decide it. Make the iterations longer (more requests in each), "+
		"take a tolerance %s (these readings resolve %s), %s", differs, text.Number(v.Resolution), otherwise)
}

// count is "1 iteration", "12 iterations".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// percent is "95%" for 0.95.
func percent(p float64) string {
	return strconv.FormatFloat(math.Round(1000*p)/10, 'f', -1, 64) + "%"
}
