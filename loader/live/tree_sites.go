package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"leaklab/loader/memory"
)

const (
	// mostSummed is how many sites a reading has at most.
	mostSummed = 4096
	// mostSummedCallers and mostSummedHolders are those of one site.
	mostSummedCallers, mostSummedHolders = 8, 16
	// mostSummedText is how long each text of a site is at most, in bytes.
	mostSummedText = 512
	// nameTimeout limits how long one process is waited for, before the load and after it; snapshotTimeout if it writes a
	// snapshot of its heap as well.
	nameTimeout     = 2 * time.Minute
	snapshotTimeout = 15 * time.Minute
)

// summedSites sums up sites over processes.
type summedSites struct {
	places map[memory.SiteKey]int // in sites
	sites  []memory.Site          // in the order in which they came
}

// add adds the sites of a process. Callers and holders are those of the process that has most. Figures that cannot be, as
// of a server that lies, are left out.
func (s *summedSites) add(sites []memory.Site) {
	if s.places == nil {
		s.places = make(map[memory.SiteKey]int, len(sites))
	}
	for _, site := range sites[:min(len(sites), mostSummed)] {
		if site.Bytes < 0 || site.Bytes > mostBytes || site.Objects < 0 || site.Objects > mostBytes {
			continue
		}
		site = clipped(site)
		place, known := s.places[site.Key()]
		if !known {
			s.places[site.Key()] = len(s.sites)
			s.sites = append(s.sites, site)
			continue
		}
		before := s.sites[place]
		if before.Bytes > site.Bytes || before.Bytes == site.Bytes && before.Objects >= site.Objects {
			site.Callers, site.Holders = before.Callers, before.Holders
		}
		site.Bytes += before.Bytes
		site.Objects += before.Objects
		site.Sampled = site.Sampled || before.Sampled
		s.sites[place] = site
	}
}

// largest are the sites, the largest first; those that are equal in the order in which they came.
func (s *summedSites) largest() []memory.Site {
	slices.SortStableFunc(s.sites, func(a, b memory.Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Objects, a.Objects))
	})
	return s.sites[:min(len(s.sites), mostSummed)]
}

// clipped is the site with bounded texts.
func clipped(site memory.Site) memory.Site {
	site.Class, site.Function, site.File = clip(site.Class), clip(site.Function), clip(site.File)
	site.Callers = clippedAll(site.Callers, mostSummedCallers)
	site.Holders = clippedAll(site.Holders, mostSummedHolders)
	return site
}

func clippedAll(texts []string, most int) []string {
	texts = texts[:min(len(texts), most)]
	if !slices.ContainsFunc(texts, func(text string) bool { return len(text) > mostSummedText }) {
		return texts
	}
	short := slices.Clone(texts)
	for n := range short {
		short[n] = clip(short[n])
	}
	return short
}

// clip cuts a text between two characters.
func clip(text string) string {
	if len(text) <= mostSummedText {
		return text
	}
	end := mostSummedText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// preparing is a process that is ready to name what is kept of a load.
type preparing struct {
	pid    int
	kind   Kind
	finish func(ctx context.Context) (Naming, error)
}

// naming are the processes that can name what is kept.
func (t *Tree) naming() map[int]*member {
	asked := t.askable()
	maps.DeleteFunc(asked, func(_ int, m *member) bool { _, names := m.asked.(namer); return !names })
	return asked
}

// Names is Namer's.
func (t *Tree) Names() bool { return len(t.naming()) > 0 }

// Name is Namer's. The processes are those of the last reading. One that fails does not keep the others from naming. The
// function that it returns has to be called, also if there was no load: it leaves the processes as they were.
func (t *Tree) Name(ctx context.Context, save Save) (func(ctx context.Context) (Naming, error), error) {
	var mu sync.Mutex
	var ready []preparing
	var failed error
	each(t.naming(), func(pid int, m *member) {
		ctx, cancel := context.WithTimeout(ctx, nameTimeout)
		defer cancel()
		finish, err := m.asked.(namer).name(ctx, save)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			ready = append(ready, preparing{pid: pid, kind: m.kind, finish: finish})
		case !errors.Is(err, ErrNone):
			failed = errors.Join(failed, fmt.Errorf("%s of process %d: %w", m.kind, pid, err))
		}
	})
	switch {
	case len(ready) > 0:
	case failed != nil:
		return nil, failed
	default:
		return nil, fmt.Errorf("%w that names more", ErrNone)
	}
	slices.SortFunc(ready, func(a, b preparing) int { return cmp.Compare(a.pid, b.pid) })
	limit := nameTimeout
	if t.options.Snapshot {
		limit = snapshotTimeout
	}
	return func(ctx context.Context) (Naming, error) { return finishAll(ctx, limit, ready) }, nil
}

// finishAll sums up what the processes name, each within the limit. It fails if none names anything.
func finishAll(ctx context.Context, limit time.Duration, ready []preparing) (Naming, error) {
	namings, errs := make([]Naming, len(ready)), make([]error, len(ready))
	var waiting sync.WaitGroup
	for n, process := range ready {
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			var err error
			if namings[n], err = process.finish(ctx); err != nil {
				errs[n] = fmt.Errorf("%s of process %d: %w", process.kind, process.pid, err)
			}
		})
	}
	waiting.Wait()
	var all Naming
	var sum summedSites
	named := false
	for n, naming := range namings {
		if errs[n] != nil {
			continue
		}
		named = true
		for i := range naming.Sites {
			naming.Sites[i].Sampled = naming.Sites[i].Sampled || naming.Sampled
		}
		sum.add(naming.Sites)
		all.Sampled = all.Sampled || naming.Sampled
		all.SampledEvery = max(all.SampledEvery, naming.SampledEvery)
		all.Files = append(all.Files, naming.Files...)
	}
	if !named {
		return Naming{}, errors.Join(errs...)
	}
	all.Sites = sum.largest()
	return all, nil
}
