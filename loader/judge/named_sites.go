package judge

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Naming is what the load of one more iteration, which is not judged, has left behind.
type Naming struct {
	Sites        []memory.Site // the largest first
	SampledEvery int64         // bytes between two samples, on average; 0 if they are not sampled, or if it is not known
	Requests     uint64        // of that load; 1 if they are not counted
	Files        []record.ProfileFile
}

// Grows tells if live memory surely grows by more than the tolerance: then what is kept is named.
func (j *Judge) Grows() bool {
	return verdict.JudgeSites(j.evidence, nil, 0, j.options).Grows
}

// Sites are what the growth of live memory belongs to, for the record; nil if live memory is not known, or neither surely
// grows by more than the tolerance nor has a site that does. naming is nil if there is none. unnamed is why not more is
// named, or empty.
func (j *Judge) Sites(naming *Naming, unnamed string) *record.Sites {
	return j.sites.record(j.evidence, j.options, naming, unnamed)
}

// Unseen tells if readings tell a class that grows, and naming neither where it is allocated nor what holds it: chance decides
// which objects are sampled.
func (j *Judge) Unseen(naming *Naming) bool {
	sites := j.Sites(naming, "")
	return sites != nil && sites.Unnamed == unseen
}

// Sites are those of the baseline, as its readings tell them. unnamed is as for Judge's.
func (p *Paired) Sites(unnamed string) *record.Sites {
	return p.sites.record(p.evidence, p.options, nil, unnamed)
}

// record is Judge's Sites.
func (s *sites) record(iterations []verdict.Iteration, options verdict.Options, naming *Naming, unnamed string) *record.Sites {
	v, kept := s.judge(iterations, options)
	if !v.Grows && len(v.Sites) == 0 {
		return nil
	}
	all := &record.Sites{LookedAt: v.LookedAt, JudgedFirst: v.Judged.First, JudgedLast: v.Judged.Last, Confidence: v.Confidence, Unnamed: unnamed}
	for _, growth := range v.Sites {
		all.List = append(all.List, listed(kept[growth.Site], growth))
	}
	if v.LookedAt > 0 {
		all.FalseDiscoveryRate = verdict.FalseDiscoveryRate
	}
	if naming != nil {
		all.NamingRequests, all.Files = naming.Requests, naming.Files
		naming.join(all, v, s.told)
	}
	if v.Grows && len(all.List) > 0 {
		share := sumOf(all.List) / v.Live.Estimate
		all.Explained = &share
	}
	switch {
	case all.Unnamed != "":
	case all.LookedAt == 0:
		all.Unnamed = noneTold
	case naming != nil && len(all.List) > 0 && all.List[0].Where() == "" && len(all.List[0].Holders) == 0:
		all.Unnamed = unseen
	}
	return all
}

// Why less is named than could be.
const (
	noneTold = "the runtime tells no sites with its live memory; of C, C++ and Rust, LIVE=tcmalloc or LIVE=jemalloc tells them"
	unseen   = "the samples held no such object; more requests (DURATION, WORKERS) show what allocates and holds it"
)

// listed is a site that surely grows, as the record has it.
func listed(h *siteHistory, growth verdict.SiteGrowth) record.Site {
	s := recorded(h.Site)
	s.BytesPerRequest = interval(growth.Bytes)
	if growth.Objects != nil {
		objects := interval(*growth.Objects)
		s.ObjectsPerRequest = &objects
	}
	s.BytesEnd, s.ObjectsEnd = last(h.readings.Bytes), last(h.readings.Objects)
	return s
}

func last(readings []int64) int64 { return readings[len(readings)-1] }

func interval(i verdict.Interval) record.Interval {
	return record.Interval{Estimate: i.Estimate, Low: i.Lower, High: i.Upper}
}

// recorded is a site as the record has it, without its growth.
func recorded(s memory.Site) record.Site {
	return record.Site{
		Class: text.Printable(s.Class), Function: text.Printable(s.Function), File: text.Printable(s.File), Line: s.Line, InFunction: s.InFunction,
		Callers: printable(s.Callers), Holders: printable(s.Holders), Sampled: s.Sampled, Outside: s.Outside,
	}
}

func printable(texts []string) []string {
	var all []string
	for _, t := range texts {
		all = append(all, text.Printable(t))
	}
	return all
}

// join adds what was named: the place and the holders of sites that are listed, and the sites that the readings do not tell.
func (n *Naming) join(all *record.Sites, v verdict.SitesVerdict, told func(memory.Site) bool) {
	for i := range all.List {
		s := &all.List[i]
		place := slices.IndexFunc(n.Sites, func(named memory.Site) bool { return names(recorded(named), *s) })
		if place < 0 {
			continue
		}
		named := recorded(n.Sites[place])
		if s.Function == "" && s.File == "" {
			s.Function, s.File, s.Line, s.InFunction = named.Function, named.File, named.Line, named.InFunction
		}
		if len(named.Callers) > 0 {
			s.Callers = named.Callers
		}
		if len(named.Holders) > 0 {
			s.Holders = named.Holders
		}
	}
	n.list(all, v, slices.DeleteFunc(slices.Clone(n.Sites), func(named memory.Site) bool { return named.Bytes <= 0 || told(named) }))
}

// told tells if readings have told a site that was named, or its class without a place: then its growth is known from them.
func (s *sites) told(named memory.Site) bool {
	return s.places[named.Key()] != nil || named.Class != "" && s.places[memory.SiteKey{Class: named.Class}] != nil
}

// names tells if a site that was named is one that is listed: the same place, or the class of one without a place.
func names(named, listed record.Site) bool {
	if listed.Function == "" && listed.File == "" {
		return listed.Class != "" && named.Class == listed.Class
	}
	return named.Class == listed.Class && named.Function == listed.Function && named.File == listed.File && named.Line == listed.Line
}

// leastNamed is the least error of what was named without a sample, in bytes: requests may have been under way.
const leastNamed = 2048

// list adds those of the named sites that surely hold more than before the load, at least 1% of the growth of live memory,
// and no more than it has room for beside those that are listed.
//
// Bytes that are sampled are a number of samples, which come at random. So the interval is that of Garwood ("Fiducial limits
// for the Poisson distribution", 1936). Where it is not known how many samples there were, it goes from 0 to the growth of
// live memory.
func (n *Naming) list(all *record.Sites, v verdict.SitesVerdict, named []memory.Site) {
	requests := float64(max(1, n.Requests))
	var added []record.Site
	for _, site := range named {
		s := recorded(site)
		s.OneIteration, s.BytesEnd, s.ObjectsEnd = true, site.Bytes, site.Objects
		b := record.Interval{Estimate: float64(site.Bytes) / requests}
		switch {
		case !site.Sampled:
			b.Low, b.High = b.Estimate-leastNamed/requests, b.Estimate+leastNamed/requests
		case n.SampledEvery > 0:
			each := float64(n.SampledEvery)
			low, high := garwood(float64(site.Bytes)/each, v.Confidence)
			b.Low, b.High = low*each/requests, high*each/requests
		default:
			b.High = max(b.Estimate, v.Live.Upper)
		}
		if surely := b.Low > 0 || site.Sampled && n.SampledEvery == 0; !surely || b.Estimate < verdict.LeastSiteShare*v.Live.Estimate {
			continue
		}
		s.BytesPerRequest = b
		if site.Objects > 0 {
			each := float64(site.Objects) / float64(site.Bytes)
			s.ObjectsPerRequest = &record.Interval{Estimate: b.Estimate * each, Low: b.Low * each, High: b.High * each}
		}
		added = append(added, s)
	}
	sortByGrowth(added)
	added = fitting(added, v.Live.Upper-sumOf(all.List))
	if len(all.List) == 0 && (len(added) > 0 || all.LookedAt == 0) { // all that is known is from this iteration
		all.LookedAt, all.FalseDiscoveryRate, all.JudgedFirst, all.JudgedLast = len(named), 0, 0, 0
	} else {
		all.LookedAt += len(named)
	}
	all.List = append(all.List, added...)
	sortByGrowth(all.List)
	all.List = all.List[:min(len(all.List), record.MostSites)]
}

func sortByGrowth(sites []record.Site) {
	slices.SortStableFunc(sites, func(a, b record.Site) int {
		return cmp.Compare(b.BytesPerRequest.Estimate, a.BytesPerRequest.Estimate)
	})
}

// sumOf is what the sites grow by, without those that are no part of live memory. No byte belongs to two sites: a runtime
// tells places or classes, and the stacks of goroutines are beside the heap.
func sumOf(sites []record.Site) (sum float64) {
	for _, s := range sites {
		if !s.Outside {
			sum += s.BytesPerRequest.Estimate
		}
	}
	return sum
}

// fitting are the sites, the largest first, that the growth of live memory has room for. What has none was kept once in that
// iteration, as for a connection or a cache, and not for each request.
func fitting(sites []record.Site, room float64) []record.Site {
	return slices.DeleteFunc(sites, func(s record.Site) bool {
		if s.Outside {
			return false
		}
		if (1-oneIterationError)*s.BytesPerRequest.Low > room {
			return true
		}
		room -= s.BytesPerRequest.Estimate
		return false
	})
}

// oneIterationError is by how much what is kept a request may differ in one iteration, as a share: intervals of one iteration
// do not have it.
const oneIterationError = 0.1

// garwood is the interval of the mean of a Poisson distribution of which count was seen.
func garwood(count, confidence float64) (low, high float64) {
	tail := (1 - confidence) / 2
	if count > 0 {
		low = distuv.ChiSquared{K: 2 * count}.Quantile(tail) / 2
	}
	return low, distuv.ChiSquared{K: 2*count + 2}.Quantile(1-tail) / 2
}
