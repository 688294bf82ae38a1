package verdict

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"leaklab/loader/text"
)

const (
	// leastRests is how many times without load it takes to tell how much these differ.
	leastRests = 4
	// mostlyTime is the share of the growth that must surely come without load as well, second by second, for memory that
	// grows with time and not with requests.
	mostlyTime = 0.5
	// partlyTime is the share that is worth telling.
	partlyTime = 0.2
)

// overTime is how memory grows by time, in bytes per second: all the time, and without load. A leak of requests grows under
// load alone; one of a background job does not depend on it.
type overTime struct {
	known        bool    // the times of the readings are known, and memory surely grows
	all          float64 // in the whole run
	rest         float64 // without load
	lower, upper float64 // of the latter
}

// newOverTime is the growth by time of what the verdict rests on. It is unknown if that does not surely grow. That is judged by
// time as well: if it grows so, and the iterations have requests in very different numbers, no growth by requests is sure.
func newOverTime(v Verdict, f findings, iterations []Iteration, rest *Rest) overTime {
	if !v.Estimated {
		return overTime{}
	}
	e := f.decisive()
	judged := iterations[f.from+e.warmUp-1:]
	if !timed(judged) {
		return overTime{}
	}
	byTime := curve{requests: make([]float64, len(judged)), bytes: e.judged.bytes, scale: e.judged.scale}
	for i, it := range judged {
		byTime.requests[i] = it.EndSecond
	}
	growth, _, ok := regress(noiseModels, byTime, byTime.since())
	if !ok {
		return overTime{}
	}
	if lower, _ := byTime.interval(growth, v.Confidence); lower <= 0 {
		return overTime{}
	}
	var o overTime
	if f.of == Live || f.of == Outside {
		noise := min(e.judged.noise(e.growth.quantile(0.5)), byTime.noise(growth.quantile(0.5)))
		o = afterRest(f.of, judged, rest, max(e.judged.floor, quantileT(float64(len(judged)-2), v.Confidence)*math.Sqrt2*noise))
	} else {
		o = atRests(judged, rest, e.judged.floor, v.Confidence)
	}
	o.all = growth.quantile(0.5)
	return o
}

// noise is the standard deviation of the readings from a line with that slope.
func (c curve) noise(slope float64) float64 {
	off := c.since()
	for i, since := range off {
		off[i] = c.bytes[i] - slope*since
	}
	n := float64(len(off))
	return stat.PopStdDev(off, nil) * math.Sqrt(n/(n-2))
}

// timed reports if the times of all readings are known, and in order.
func timed(iterations []Iteration) bool {
	for i, it := range iterations {
		if it.StartSecond <= 0 || it.EndSecond < it.StartSecond || i > 0 && it.StartSecond < iterations[i-1].EndSecond {
			return false
		}
	}
	return true
}

// afterRest is the growth of a part without load by one more reading, after the rest at the end. margin is how far the
// difference of two readings may be off, in bytes.
func afterRest(part Part, iterations []Iteration, rest *Rest, margin float64) overTime {
	if rest == nil {
		return overTime{}
	}
	last := iterations[len(iterations)-1]
	bytes, read := rest.Parts[part]
	seconds := rest.PartsSecond - last.EndSecond
	if !read || seconds <= 0 {
		return overTime{}
	}
	gained := difference(bytes, last.Parts[part])
	return overTime{known: true, rest: gained / seconds, lower: (gained - margin) / seconds, upper: (gained + margin) / seconds}
}

// atRests is the growth of resident memory from each end reading to the next start reading, and to the one after the rest
// at the end if no connections were closed in between. It is the ratio of all gains to all seconds, with its standard error
// (Cochran 1977, chapter 6). floor is the least significant change, in bytes.
func atRests(iterations []Iteration, rest *Rest, floor, confidence float64) overTime {
	var gains, lengths []float64
	add := func(gain, seconds float64) {
		if seconds > 0 {
			gains, lengths = append(gains, gain), append(lengths, seconds)
		}
	}
	for i := 1; i < len(iterations); i++ {
		before, it := iterations[i-1], iterations[i]
		add(difference(it.StartBytes, before.EndBytes), it.StartSecond-before.EndSecond)
	}
	if last := iterations[len(iterations)-1]; rest != nil && rest.EndSecond > 0 && !rest.Closed {
		add(float64(rest.Bytes)-last.HeldBytes(), rest.EndSecond-last.EndSecond)
	}
	n := float64(len(gains))
	if n < leastRests {
		return overTime{}
	}
	gained, seconds, squares := 0.0, 0.0, 0.0
	for i := range gains {
		gained += gains[i]
		seconds += lengths[i]
	}
	rate := gained / seconds
	for i := range gains {
		off := gains[i] - rate*lengths[i]
		squares += off * off
	}
	margin := max(floor, quantileT(n-1, confidence)*math.Sqrt(n/(n-1)*squares)) / seconds
	return overTime{known: true, rest: rate, lower: rate - margin, upper: rate + margin}
}

// quantileT is the quantile of Student's t distribution that bounds a two-sided interval.
func quantileT(degree, confidence float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degree}.Quantile((1 + confidence) / 2)
}

// explainTime tells how memory grows by time, if it does so without load as well.
func (v *Verdict) explainTime(o overTime) string {
	without := fmt.Sprintf("%s bytes/second (%s to %s, %s)", text.Number(o.rest), text.Number(o.lower), text.Number(o.upper), percent(v.Confidence))
	switch {
	case !o.known || o.lower <= 0:
		return ""
	case o.lower >= mostlyTime*o.all:
		return fmt.Sprintf("%s grows with time, not with requests: without load by %s, and by %s in the whole run. "+
			"Look for a background job, for work that goes on after the response, or for what streams that stay open are sent.", capital(string(v.Of)), without, text.Number(o.all))
	case o.rest >= partlyTime*o.all:
		return fmt.Sprintf("Part of the growth comes with time: it is %s without load, and %s in the whole run.", without, text.Number(o.all))
	}
	return ""
}
