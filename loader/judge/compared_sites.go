package judge

import (
	"cmp"
	"math"
	"path"
	"slices"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// growingSites are the sites that surely grow in a recorded run; known is false if they were not looked at, or not named
// where live memory leaks.
func growingSites(run record.Run) (list []record.Site, known bool) {
	if s := run.Sites; s != nil {
		return s.List, len(s.List) > 0 || s.Unnamed == ""
	}
	leaks := run.Verdict.Kind == verdict.Leak && run.Verdict.Of == verdict.Live
	return nil, !leaks && slices.ContainsFunc(run.Iterations, func(i record.Iteration) bool { return i.LiveEndBytes != nil })
}

// CompareSites sets which sites differ between two runs: those that one of them does not list, and those of both whose
// growth surely differs. before and after name the runs in a sentence.
//
// Lines move from one version of a program to the next. So the sites of a function are added up, as are those of a class
// that has none. Several are compared: the level at which one of them surely differs is that of Bonferroni.
func CompareSites(d *record.Difference, old, suspect record.Run, before, after string) {
	oldSites, oldKnown := growingSites(old)
	newSites, newKnown := growingSites(suspect)
	switch {
	case !oldKnown && !newKnown:
		return
	case !oldKnown:
		if len(newSites) > 0 {
			d.SitesUnknown = "those of " + before + " are not known"
		}
		return
	case !newKnown:
		if len(oldSites) > 0 {
			d.SitesUnknown = "those of " + after + " are not known"
		}
		return
	}
	d.Sites = changes(sums(alsoOf(suspect, oldSites)), sums(alsoOf(old, newSites)))
}

// alsoOf are the sites that another run would tell too: without those that are known of one more iteration alone, if its
// live memory grows and it had none, as a baseline.
func alsoOf(other record.Run, sites []record.Site) []record.Site {
	if other.Sites == nil || other.Sites.NamingRequests > 0 {
		return sites
	}
	return slices.DeleteFunc(slices.Clone(sites), func(s record.Site) bool { return s.OneIteration })
}

// sum is the sites of a function, or of a class, with their growth in bytes per request.
type sum struct {
	site         record.Site // the largest
	growth       record.Interval
	oneIteration float64 // the part of it that is known of one iteration alone
}

// compared is the growth with the interval that it is compared by.
func (s sum) compared() record.Interval {
	wider := oneIterationError * s.oneIteration
	return record.Interval{Estimate: s.growth.Estimate, Low: s.growth.Low - wider, High: s.growth.High + wider}
}

// sums adds up the sites that differ by their lines alone, in the order of their largest.
func sums(sites []record.Site) (all []sum) {
	for _, s := range sites {
		n := slices.IndexFunc(all, func(other sum) bool { return same(other.site, s) })
		if n < 0 {
			n = len(all)
			all = append(all, sum{site: s, growth: s.BytesPerRequest})
		} else {
			all[n].growth = all[n].growth.Plus(s.BytesPerRequest)
		}
		if s.OneIteration {
			all[n].oneIteration += s.BytesPerRequest.Estimate
		}
	}
	return all
}

// same tells if two sites are of one function of one file, and of one class.
func same(a, b record.Site) bool {
	return a.Class == b.Class && a.Function == b.Function && path.Base(a.File) == path.Base(b.File)
}

// alike tells if two sites are of one class, and the function is known of one of them at most.
func alike(a, b record.Site) bool {
	return a.Class != "" && a.Class == b.Class && (a.Function == "" || b.Function == "")
}

// changes are the sums that differ, those that grow more first.
func changes(before, after []sum) []record.SiteChange {
	var all []record.SiteChange
	pairs := 0
	for _, how := range []func(a, b record.Site) bool{same, alike} {
		for n := 0; n < len(after); n++ {
			m := slices.IndexFunc(before, func(old sum) bool { return how(old.site, after[n].site) })
			if m < 0 {
				continue
			}
			pairs++
			all = append(all, record.SiteChange{
				Site: after[n].site, Old: &before[m].growth, New: &after[n].growth, Difference: after[n].compared().Plus(before[m].compared().Negated()),
			})
			before, after = slices.Delete(slices.Clone(before), m, m+1), slices.Delete(slices.Clone(after), n, n+1)
			n--
		}
	}
	all = slices.DeleteFunc(all, func(c record.SiteChange) bool { return !differs(c.Difference, pairs) })
	for n := range all {
		all[n].Change = record.SiteMore
		if all[n].Difference.Estimate < 0 {
			all[n].Change = record.SiteLess
		}
	}
	for _, s := range after {
		all = append(all, record.SiteChange{Change: record.SiteNew, Site: s.site, New: &s.growth, Difference: s.growth})
	}
	for _, s := range before {
		all = append(all, record.SiteChange{Change: record.SiteGone, Site: s.site, Old: &s.growth, Difference: s.growth.Negated()})
	}
	slices.SortStableFunc(all, func(a, b record.SiteChange) int { return cmp.Compare(b.Difference.Estimate, a.Difference.Estimate) })
	return all
}

// differs tells if a difference with a 95% interval is surely not 0, as one of so many.
func differs(d record.Interval, many int) bool {
	const mayErr = 0.05
	wider := math.Erfinv(1-mayErr/float64(many)) / math.Erfinv(1-mayErr)
	return d.Estimate-wider*(d.Estimate-d.Low) > 0 || d.Estimate+wider*(d.High-d.Estimate) < 0
}
