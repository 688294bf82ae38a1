package verdict

import (
	"fmt"
	"math"

	"leaklab/loader/text"
)

const (
	// expiredShare is the share from which on growth expires that is freed at rest, of the share that would be if entries
	// lived for as long as it was seen.
	expiredShare = 0.5
	// nearBy is how many times what was seen a plausible bound may be to be near: it is passed within a look or two.
	nearBy = 1.3
)

// plausibleSeconds and plausibleRequests are how long entries are kept, and how many of them, as programs are usually
// configured: growth up to such a bound is seldom a leak.
var (
	plausibleSeconds  = []float64{5, 10, 30, 60, 300}
	plausibleRequests = []float64{1000, 10_000, 100_000, 1_000_000}
)

// condition is the condition under which growth that goes on is no leak after all: neither resident nor live memory tells
// it from entries that expire later, or from a cache that is not full yet.
type condition struct {
	requests float64 // in which no cache has become full
	seconds  float64 // in which nothing has expired; 0 if unknown
	freed    float64 // bytes of live memory that were freed at rest; 0 without a reading at rest
	rest     float64 // the length of that rest in seconds
	expires  bool    // so much was freed that what is kept may expire
}

// newCondition returns the condition of growth in the judged iterations. from is the iterations before those of the evidence.
func (f findings) newCondition(iterations []Iteration, rest *Rest) condition {
	e := f.decisive()
	first, last := iterations[f.from+e.warmUp-1], iterations[len(iterations)-1]
	c := condition{requests: e.judged.span()}
	if first.EndSecond == 0 {
		return c
	}
	c.seconds = last.EndSecond - first.EndSecond
	if rest == nil || f.of != Live || rest.PartsSecond == 0 {
		return c
	}
	at, read := rest.Parts[Live]
	if !read {
		return c
	}
	c.rest = rest.PartsSecond - last.EndSecond
	c.freed = difference(last.Parts[Live], at)
	share := expiredShare * c.rest / (c.seconds + c.rest)
	c.expires = c.freed > max(e.judged.floor, leastLiveBytes/2, share*e.gained())
	return c
}

// near reports if a plausible bound is little above what was seen, so that a few more iterations show if growth goes on
// beyond it. The shortest expiry is always near. A cache may be slow to reach even the fewest requests.
func (c condition) near() bool {
	within := func(bounds []float64, seen float64) bool {
		for _, bound := range bounds {
			if seen <= bound && bound < nearBy*seen {
				return true
			}
		}
		return false
	}
	short := c.seconds > 0 && c.seconds <= plausibleSeconds[0]
	return short || within(plausibleSeconds, c.seconds) || within(plausibleRequests, c.requests)
}

// explain is the condition as a sentence, after a space. Empty without one.
func (c condition) explain(unit Unit) string {
	if c.requests == 0 {
		return ""
	}
	cache := fmt.Sprintf("fills a cache that %s %ss have not filled", text.Number(c.requests), unit)
	if c.seconds < 1 {
		return fmt.Sprintf(" It is no leak if what is kept %s.", cache)
	}
	return fmt.Sprintf(" It is no leak if what is kept expires after more than %s s, or %s.", text.Number(math.Floor(c.seconds)), cache)
}

// explainExpiry is how much was freed at rest.
func (c condition) explainExpiry() string {
	return fmt.Sprintf("but %s KiB of it were freed in %s s of rest: it may expire", text.Number(c.freed/1024), text.Number(math.Round(c.rest)))
}

// adviceExpires is what to do about entries that expire.
const adviceExpires = "Let the run last for longer than entries are kept (TRIES=20 DURATION=10s): growth stops then if there is no leak."
