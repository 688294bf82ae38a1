package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const mebibyte = 1 << 20

// explain sets the texts, and the number of further iterations that may decide, after
// n iterations.
func (v *Verdict) explain(e evidence, n int, options Options) {
	if !v.Estimated {
		v.explainNothing(e, n)
		return
	}
	bounds := fmt.Sprintf("%s to %s", number(v.Lower), number(v.Upper))
	interval := fmt.Sprintf("%s, %s", bounds, percent(v.Confidence))
	one := v.Unit.one()
	judged := fmt.Sprintf("iterations %s, %s requests", v.Judged, number(float64(v.JudgedRequests)))
	if v.Unit == PerIteration {
		judged = fmt.Sprintf("iterations %s", v.Judged)
	}
	v.Statistic = fmt.Sprintf("generalised least squares over %d end readings, averaged over the noise's persistence "+
		"(%s that it passes), t with %.0f degrees of freedom: %s bytes/%s (%s); second half %s, first half %s, "+
		"slower with probability %.2f; line over logarithm: log likelihood ratio %.1f",
		len(e.judged.bytes), percent(e.growth.stationary()), e.growth.degree, number(v.Growth), v.Unit, interval,
		number(v.Late), number(v.Early), e.halves.slower, e.halves.linear)

	var s strings.Builder
	if v.RestartedBefore > 0 {
		fmt.Fprintf(&s, "The server restarted before iteration %d: only what came after is judged. ", v.RestartedBefore)
	}
	switch {
	case v.Kind == Leak:
		fmt.Fprintf(&s, "Leak: after a warm-up of %s, resident memory grows by %s bytes %s (%s), "+
			"more than the tolerance of %s, and the growth goes on (%s).",
			count(v.WarmUp, "iteration"), number(v.Growth), one, interval, number(options.Tolerance), judged)
		if _, known := v.part(LiveHeap); !known {
			s.WriteString(" If the server collects garbage, the memory really kept is between half of this and all of it.")
		}
	case v.Kind == NoLeak:
		fmt.Fprintf(&s, "No leak: after a warm-up of %s, resident memory grows by less than %s bytes %s "+
			"(%s), which is below the tolerance of %s (%s).",
			count(v.WarmUp, "iteration"), number(v.Upper), one, percent(v.Confidence), number(options.Tolerance), judged)
	case v.NextLook > 0:
		fmt.Fprintf(&s, "Not decided yet: so far resident memory grows by %s bytes %s (%s; %s).",
			number(v.Growth), one, interval, judged)
	case v.Pattern == PatternSlowing && v.WarmUp > v.Judged.length():
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s (%s; %s), but it grew faster before, and "+
			"for longer: the first %s. It may be a cache that fills.",
			number(v.Growth), one, interval, judged, count(v.WarmUp, "iteration"))
	case v.Pattern == PatternSlowing:
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s (%s), but the growth slows down, "+
			"or may as well: %s in the first half of the %ss, %s in the second (%s). It may be a cache that fills.",
			number(v.Growth), one, interval, number(v.Early), v.Unit, number(v.Late), judged)
	case v.Lower > options.Tolerance && v.givesBack(e, options.Tolerance):
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s under load (%s), but it does not stay (%s).",
			number(v.Growth), one, interval, judged)
	case v.Lower > options.Tolerance && !e.halves.goesOn(options.Tolerance):
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s (%s; %s), but the second half of the %ss "+
			"alone (%s) does not show that it goes on.", number(v.Growth), one, interval, judged, v.Unit, number(v.Late))
	case v.Lower > options.Tolerance:
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s (%s), but in so few iterations "+
			"a cache that fills looks the same (%s).", number(v.Growth), one, interval, judged)
	default:
		fmt.Fprintf(&s, "Inconclusive: resident memory grows by %s bytes %s, but anything from %s fits as well "+
			"(%s; %s). A growth below %s bytes %s cannot be seen in these readings; the tolerance is %s.",
			number(v.Growth), one, bounds, percent(v.Confidence), judged, number(v.Resolution), one, number(options.Tolerance))
	}
	if rest := v.explainRest(e, options.Rest); rest != "" {
		fmt.Fprintf(&s, " %s", rest)
	}
	if parts := v.explainParts(options.Tolerance); parts != "" {
		fmt.Fprintf(&s, " %s", parts)
	}
	v.Sentence = s.String()
	if v.Kind == Inconclusive {
		v.advise(e, n, options)
	}
}

// explainRest tells how much of the gain after the warm-up the server returned while it rested. Empty if there was no
// gain above the floor.
func (v *Verdict) explainRest(e evidence, rest *Rest) string {
	gained := e.gained()
	switch {
	case rest == nil || gained <= floorBytes:
		return ""
	case v.GivenBack < 0.05*gained:
		return fmt.Sprintf("Of the %s MiB gained nothing was given back in %s s of rest.", number(gained/mebibyte), number(rest.Seconds))
	default:
		return fmt.Sprintf("Of the %s MiB gained, %s MiB were given back in %s s of rest.", number(gained/mebibyte),
			number(v.GivenBack/mebibyte), number(rest.Seconds))
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
func (v *Verdict) advise(e evidence, n int, options Options) {
	have := float64(len(e.judged.bytes) - 1)
	switch {
	case v.NextLook > 0:
		v.MoreIterations = v.NextLook - n
		v.Advice = fmt.Sprintf("The next look is after iteration %d.", v.NextLook)
		return
	case v.Lower > options.Tolerance && v.givesBack(e, options.Tolerance):
		v.Advice = "Take a longer SETTLE, so that the readings see what stays: the server gives memory back when it rests."
		return
	case v.Lower > options.Tolerance:
		v.MoreIterations = n
		v.Advice = fmt.Sprintf("Run about %s in all: growth that slows down will then have stopped, or nearly, "+
			"and a leak will not.", count(2*n, "iteration"))
		return
	}
	v.MoreIterations = e.moreIterations(options.Tolerance, v.Confidence)
	if v.MoreIterations > 0 {
		requests := e.judged.span() * (1 + float64(v.MoreIterations)/have)
		if v.Unit == PerIteration {
			v.Advice = fmt.Sprintf("If it goes on like this, about %s in all would decide it; fewer do if each has more load.",
				count(n+v.MoreIterations, "iteration"))
			return
		}
		v.Advice = fmt.Sprintf("If it goes on like this, about %s in all (%s judged requests) would decide it; "+
			"fewer do if each has more requests.", count(n+v.MoreIterations, "iteration"), number(requests))
		return
	}
	v.Advice = fmt.Sprintf("More iterations like these are unlikely to decide it. Make the iterations longer (more requests in each), "+
		"take a tolerance that differs clearly from %s bytes %s (these readings resolve %s), or measure the live "+
		"heap: resident memory goes up and down by itself here.", number(v.Growth), v.Unit.one(), number(v.Resolution))
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

// number formats a figure with up to three significant digits, or all before the
// decimal point, grouped by thousands: "0.12", "1.7", "197", "403,685".
func number(x float64) string {
	digits := 0
	switch a := math.Abs(x); {
	case a < 0.005:
		return "0"
	case a < 1:
		digits = 2
	case a < 99.95:
		digits = 1
	}
	text := strconv.FormatFloat(math.Abs(x), 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if strings.Trim(fraction, "0") != "" {
		whole += "." + fraction
	}
	if x < 0 {
		return "-" + whole
	}
	return whole
}
