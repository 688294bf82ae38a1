package judge

import (
	"cmp"
	"slices"
	"strings"

	"leaklab/loader/lab"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// The most that is kept of the sites of a run: about 64 MiB in all.
const (
	mostSites     = 16 << 10 // others that come later are not looked at
	mostSiteText  = 16 << 20 // bytes of their names, callers and holders
	mostSiteCells = 4 << 20  // readings; those of the sites that grew least are dropped
)

// sites are the readings of the sites of a run.
type sites struct {
	iterations int
	places     map[memory.SiteKey]*siteHistory
	order      []*siteHistory // as they came
	text       int            // bytes of all texts
	cells      int            // readings that are kept, of bytes and of objects
	mostCells  int            // mostSiteCells, or fewer in a test
}

// siteHistory is what was read of a site.
type siteHistory struct {
	memory.Site // as it was read last
	text        int
	// readings are of all iterations up to the last one in which the site was there.
	readings verdict.SiteReadings
	dropped  bool // it has grown less than others, and its readings are not kept
}

func newSites() *sites {
	return &sites{places: make(map[memory.SiteKey]*siteHistory), mostCells: mostSiteCells}
}

// add takes the readings of an iteration into account; none if live memory or what it belongs to was not read.
func (s *sites) add(read []memory.Site) {
	s.iterations++
	for _, site := range read {
		h, known := s.places[site.Key()]
		if !known {
			if h = s.remember(site); h == nil {
				continue
			}
		} else {
			s.renew(h, site)
		}
		if h.dropped {
			continue
		}
		before := len(h.readings.Bytes)
		h.fill(s.iterations - 1)
		h.readings.Bytes, h.readings.Objects = append(h.readings.Bytes, site.Bytes), append(h.readings.Objects, site.Objects)
		s.cells += 2 * (len(h.readings.Bytes) - before)
	}
	if s.cells > s.mostCells {
		s.drop()
	}
}

// fill has the site hold nothing in the iterations since it was last read, up to that many in all.
func (h *siteHistory) fill(iterations int) {
	absent := max(0, iterations-len(h.readings.Bytes))
	h.readings.Bytes = append(h.readings.Bytes, make([]int64, absent)...)
	h.readings.Objects = append(h.readings.Objects, make([]int64, absent)...)
}

// remember begins the history of a site; nil if there is no room for another. Its texts do not keep the memory that they
// were read into.
func (s *sites) remember(site memory.Site) *siteHistory {
	size := textOf(site)
	if len(s.order) == mostSites || s.text+size > mostSiteText {
		return nil
	}
	site.Class, site.Function, site.File = strings.Clone(site.Class), strings.Clone(site.Function), strings.Clone(site.File)
	site.Callers, site.Holders = cloned(site.Callers), cloned(site.Holders)
	h := &siteHistory{Site: site, text: size}
	s.places[site.Key()] = h
	s.order = append(s.order, h)
	s.text += size
	return h
}

// renew takes the callers and the holders that were read last, as far as there is room for them.
func (s *sites) renew(h *siteHistory, site memory.Site) {
	h.Sampled = h.Sampled || site.Sampled
	if slices.Equal(h.Callers, site.Callers) && slices.Equal(h.Holders, site.Holders) {
		return
	}
	size := textOf(site)
	if s.text-h.text+size > mostSiteText {
		return
	}
	s.text += size - h.text
	h.Callers, h.Holders, h.text = cloned(site.Callers), cloned(site.Holders), size
}

func textOf(site memory.Site) int {
	size := len(site.Class) + len(site.Function) + len(site.File)
	for _, text := range slices.Concat(site.Callers, site.Holders) {
		size += len(text)
	}
	return size
}

func cloned(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, strings.Clone(text))
	}
	return all
}

// drop forgets the readings of the sites that have grown least, until half of what may be kept is left.
func (s *sites) drop() {
	kept := slices.DeleteFunc(slices.Clone(s.order), func(h *siteHistory) bool { return h.dropped })
	gained := func(h *siteHistory) int64 {
		bytes := h.readings.Bytes
		if len(bytes) < s.iterations { // it is gone
			return -bytes[0]
		}
		return bytes[len(bytes)-1] - bytes[0]
	}
	slices.SortStableFunc(kept, func(a, b *siteHistory) int { return cmp.Compare(gained(a), gained(b)) })
	for _, h := range kept {
		if s.cells <= s.mostCells/2 {
			return
		}
		s.cells -= 2 * len(h.readings.Bytes)
		h.readings, h.dropped = verdict.SiteReadings{}, true
	}
}

// judge judges the sites over the iterations.
func (s *sites) judge(iterations []verdict.Iteration, options verdict.Options) (verdict.SitesVerdict, []*siteHistory) {
	var kept []*siteHistory
	var readings []verdict.SiteReadings
	for _, h := range s.order {
		if h.dropped || len(h.readings.Bytes) < s.iterations { // one that is gone does not grow
			continue
		}
		kept, readings = append(kept, h), append(readings, h.readings)
	}
	return verdict.JudgeSites(iterations, readings, len(s.order), options), kept
}

// sitesOf are the sites that an iteration has told.
func sitesOf(i lab.Iteration) []memory.Site {
	if i.Live == nil {
		return nil
	}
	return i.Live.Sites
}
