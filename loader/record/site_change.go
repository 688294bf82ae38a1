package record

import (
	"fmt"
	"math"
)

// SiteChange is a site whose growth differs between two runs.
type SiteChange struct {
	Change SiteDifference `json:"change"`
	Site   Site           `json:"site"` // of the new run, if it has it; of several in one function, the largest
	// Old and New are the growth in each run, in bytes per request, of all sites in that function or of that class; nil in a
	// run that does not list it.
	Old *Interval `json:"old_bytes_per_request,omitempty"`
	New *Interval `json:"new_bytes_per_request,omitempty"`
	// Difference is New less Old, where one that is not listed counts as 0.
	Difference Interval `json:"bytes_per_request"`
}

// SiteDifference is how a site differs.
type SiteDifference string

// The differences.
const (
	SiteNew  SiteDifference = "new" // the old run does not list it
	SiteMore SiteDifference = "more"
	SiteLess SiteDifference = "less"
	SiteGone SiteDifference = "gone" // the new run does not list it
)

// Said is the change as a line: "more: main.keep (main.go:12): 24.0 (20.1 to 27.9) bytes/request more, 34.0 instead of
// 10.0".
func (c SiteChange) Said() string {
	said := fmt.Sprintf("%s: %s: ", c.Change, c.Site.Name())
	old, now := c.growths()
	switch c.Change {
	case SiteMore:
		return said + fmt.Sprintf("%s bytes/request more, %.1f instead of %.1f", c.Difference.Said(), now.Estimate, old.Estimate)
	case SiteLess:
		return said + fmt.Sprintf("%s bytes/request less, %.1f instead of %.1f", c.Difference.Negated().Said(), now.Estimate, old.Estimate)
	case SiteGone:
		return said + old.Said() + " bytes/request before"
	default:
		return said + now.Said() + " bytes/request"
	}
}

// growths are those in both runs; 0 in one that does not list the site.
func (c SiteChange) growths() (old, now Interval) {
	if c.Old != nil {
		old = *c.Old
	}
	if c.New != nil {
		now = *c.New
	}
	return old, now
}

// Plus is the interval of a sum of two that are independent, by Zou and Donner ("Construction of confidence limits about
// effect measures: a general approach", 2008).
func (i Interval) Plus(other Interval) Interval {
	sum := i.Estimate + other.Estimate
	return Interval{
		Estimate: sum, Low: sum - math.Hypot(i.Estimate-i.Low, other.Estimate-other.Low), High: sum + math.Hypot(i.High-i.Estimate, other.High-other.Estimate),
	}
}

// Negated is the interval with the opposite sign.
func (i Interval) Negated() Interval {
	return Interval{Estimate: -i.Estimate, Low: -i.High, High: -i.Low}
}

// SiteLines tell which sites differ, a line each; empty if none does, or nothing is known of either run.
func (d Difference) SiteLines() []string {
	var lines []string
	for _, c := range d.Sites {
		lines = append(lines, c.Said())
	}
	if d.SitesUnknown != "" {
		lines = append(lines, "Sites are not compared: "+d.SitesUnknown+".")
	}
	return lines
}
