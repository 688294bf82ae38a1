package verdict

import (
	"fmt"

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

// hideLeaks makes a verdict of no leak inconclusive if workers were replaced: what each had kept went with it, and the
// bound of the growth is that of the others alone.
func (v *Verdict) hideLeaks(iterations []Iteration) {
	v.Replaced = replacedIn(iterations, v.Judged)
	if v.Kind == NoLeak && v.Replaced > 0 {
		v.Kind, v.hidden = Inconclusive, true
	}
}

// explainReplaced says how many workers were replaced, and what that means. Empty, or ends with a space.
func (v *Verdict) explainReplaced() string {
	if v.Replaced == 0 {
		return ""
	}
	were := "were"
	if v.Replaced == 1 {
		were = "was"
	}
	return fmt.Sprintf("%s %s replaced while the growth was judged: what a worker had kept went with it, which hides a leak. ",
		count(v.Replaced, "worker"), were)
}

// accountHidden is account for a verdict that workers who were replaced keep from being no leak.
func (v *Verdict) accountHidden(judged string) (full, brief string) {
	return fmt.Sprintf("Inconclusive: %s grows by less than %s bytes %s (%s; %s), but not all of the growth can be seen.",
			v.Of, text.Number(v.Upper), v.Unit.one(), percent(v.Confidence), judged),
		fmt.Sprintf("%s grows by less than the tolerance (%s), but not all of the growth can be seen.", capital(string(v.Of)), judged)
}

// adviceHidden is what to do about workers that are replaced.
const adviceHidden = "Let workers live through the run, for example by a limit of requests of 0 (--max-requests, MaxConnectionsPerChild, pm.max_requests)."
