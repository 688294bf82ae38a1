package live

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/scrape"
)

const (
	// goLeakProfile is the profile of goroutines that can never go on, and goLeakHolder what keeps them.
	goLeakProfile, goLeakHolder = "goroutineleak", "a wait for what no other goroutine can reach"
	// goLeastStack is what the stack of a goroutine takes at least, in bytes.
	goLeastStack = 2048
	// goHeapNoise is by how much the bytes of the heap differ after a collection without a change of the program.
	goHeapNoise = 16 << 10
	// goSurely is how many standard errors an error of sampling is never larger than.
	goSurely = 5
	// goMemory is how much the variance of a growth counts one reading later.
	goMemory = 0.8
)

// goStandard are the first elements of the import paths of Go's standard library.
var goStandard = strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed encoding
	errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp
	runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`)

// isGoStandard is true for functions of the standard library, the runtime included: "net/http.(*conn).serve".
func isGoStandard(function string) bool {
	element, _, found := strings.Cut(function, "/")
	if !found {
		element, _, _ = strings.Cut(function, ".")
	}
	return slices.Contains(goStandard, element)
}

// goOwn is the innermost frame outside the standard library; negative if there is none.
func goOwn(stack []frame) int {
	return slices.IndexFunc(stack, func(f frame) bool { return !isGoStandard(f.function) })
}

// goAllocates are functions of the runtime that allocate for others.
var goAllocates = regexp.MustCompile(`^runtime\.(mallocgc|newobject|newarray|makeslice|growslice|persistentalloc)`)

// goHeapSite is the frame that memory is booked on: the innermost outside the standard library, else the innermost that
// does not allocate for another.
func goHeapSite(stack []frame) int {
	at := goOwn(stack)
	if at < 0 {
		at = slices.IndexFunc(stack, func(f frame) bool { return !goAllocates.MatchString(f.function) })
	}
	return max(0, at)
}

// goSampled is what a heap profile tells of a site beside its estimate: how far sampling may be off.
type goSampled struct {
	bytes float64 // in use, estimated
	// inUse is the variance of that in bytes², and made that of all that was ever allocated there.
	inUse, made float64
	// recent is the variance of its growth from reading to reading, of the last ones above all.
	recent float64
	// correction is by how much the estimate was corrected in all readings, in bytes.
	correction float64
}

// goHeapRecords reads the records of a heap profile as text, of which there is one for each stack and size of objects, those in
// use first. They are scaled as google/pprof does it: of objects of s bytes, a share of 1-exp(-s/rate) is sampled.
type goHeapRecords struct {
	sum     *siteSum
	sampled map[memory.SiteKey]goSampled
	rate    float64 // MemProfileRate, which the first line tells; 0 if nothing is sampled
	begun   bool
}

func newGoHeapRecords() *goHeapRecords {
	return &goHeapRecords{sum: &siteSum{}, sampled: make(map[memory.SiteKey]goSampled)}
}

// add is for readRecords.
func (h *goHeapRecords) add(title string, stack []frame) {
	if !h.begun {
		h.begun = true
		_, told, _ := strings.Cut(title, " @ heap/")
		if double, err := strconv.ParseInt(told, 10, 64); err == nil {
			h.rate = float64(double / 2)
		}
		return
	}
	objects, bytes, _, ok := heapLine(title)
	made, madeBytes := goMade(title)
	if !ok || len(stack) == 0 || h.rate < 1 || made < objects || madeBytes == 0 {
		return
	}
	size, share := float64(madeBytes)/float64(made), 1.0
	if h.rate > 1 {
		share = 1 - math.Exp(-size/h.rate)
	}
	at, estimate := goHeapSite(stack), float64(bytes)/share
	var site *memory.Site
	if objects > 0 && bytes > 0 && estimate < mostBytes {
		site = h.sum.add(stack, at, int64(math.Round(estimate)), int64(math.Round(float64(objects)/share)), "")
		site.Sampled = h.rate > 1
	} else if site = h.sum.sites[memory.SiteKey{Function: stack[at].function, File: stack[at].file, Line: stack[at].line}]; site == nil {
		return // those in use come first
	}
	variance := size * size * (1 - share) / (share * share) // of an object that is sampled
	of := h.sampled[site.Key()]
	of.bytes = float64(site.Bytes)
	of.inUse += variance * float64(objects)
	of.made += variance * float64(made)
	h.sampled[site.Key()] = of
}

// goCalibration corrects the estimates of sampled sites by what the heap has grown by, which is exact. The zero value is that
// before the first reading.
type goCalibration struct {
	heap  int64   // of the last reading, in bytes
	rest  float64 // what the heap has grown by beyond the corrected estimates, in bytes
	sites map[memory.SiteKey]goSampled
}

// correct corrects the sites of a reading of a heap of so many bytes. From one reading to the next, the growth of all estimates
// together differs from that of the heap. That difference is divided among the sites by the variance of the growth of each
// (Deville and Särndal, "Calibration estimators in survey sampling", 1992). It is an error of sampling unless it is too
// large for one: then nothing is corrected. Few samples come between two readings, so the variance is a moving average.
func (c *goCalibration) correct(sum *siteSum, sampled map[memory.SiteKey]goSampled, heap int64) {
	before, difference := c.sites, float64(heap-c.heap)
	c.sites, c.heap = sampled, heap
	if before == nil {
		return
	}
	all := float64(goHeapNoise * goHeapNoise)
	for key, was := range before {
		difference += was.bytes
		if _, there := sampled[key]; !there {
			all += was.inUse
		}
	}
	for key, now := range sampled {
		difference -= now.bytes
		now.recent = now.grownFrom(before[key]) + goMemory*before[key].recent
		all += now.recent
		sampled[key] = now
	}
	c.rest += difference
	if c.rest*c.rest > goSurely*goSurely*all {
		c.rest = 0
	}
	for key, now := range sampled {
		now.correction = before[key].correction + c.rest*now.recent/all
		sampled[key] = now
		if site := sum.sites[key]; site != nil && site.Bytes > 0 {
			corrected := min(max(0, float64(site.Bytes)+now.correction), mostBytes)
			site.Objects = int64(math.Round(min(float64(site.Objects)*corrected/float64(site.Bytes), mostBytes)))
			site.Bytes = int64(math.Round(corrected))
		}
	}
	c.rest *= goHeapNoise * goHeapNoise / all
}

// grownFrom is the variance of the growth since another reading. What is in use since then has an error, and so has what was
// in use and is gone. How much of it is gone is not told: at most what was freed.
func (s goSampled) grownFrom(before goSampled) float64 {
	gained := s.inUse - before.inUse
	gone := min(max(0, s.made-before.made-gained), before.inUse)
	return max(0, gained+2*gone)
}

// read returns the sites of a heap of so many bytes, and of goroutines.
func (c *goCalibration) read(heap *goHeapRecords, bytes int64, goroutines siteSum) []memory.Site {
	c.correct(heap.sum, heap.sampled, bytes)
	all := siteSum{sites: goroutines.sites} // their class is not that of a site of the heap
	if all.sites == nil {
		all.sites = make(map[memory.SiteKey]*memory.Site)
	}
	maps.Copy(all.sites, heap.sum.sites)
	return all.largest()
}

// readGoroutines reads a profile of goroutines as text, whose name is given, and returns how many there are. A record is
// "12 @ 0x46b1e5 0x46c0a1". Bytes of a site is the least that their stacks take. Those of the standard library alone, such as
// idle connections, are booked on the function that they began with.
func (b *goBody) readGoroutines(profile string) (sum siteSum, total int64, err error) {
	counted := false
	err = b.readRecords(func(title string, stack []frame) {
		if told, found := strings.CutPrefix(title, profile+" profile: total "); found && !counted {
			total, counted = goroutineCount(told)
			return
		}
		told, _, _ := strings.Cut(title, " @")
		count, valid := goroutineCount(told)
		if !valid || count == 0 || len(stack) == 0 {
			return
		}
		at := goOwn(stack)
		if at < 0 {
			at = len(stack) - 1
		}
		sum.add(stack, at, count*goLeastStack, count, memory.GoroutineStack)
	}, func(string) {})
	if err == nil && !counted {
		err = fmt.Errorf("%s is no %s profile", scrape.Public(b.address), profile)
	}
	return sum, total, err
}

func goroutineCount(told string) (count int64, valid bool) {
	count, err := strconv.ParseInt(told, 10, 64)
	return count, err == nil && count >= 0 && count <= mostBytes/goLeastStack
}

// goroutinesOf asks for a profile of goroutines or threads, whose name is given. follows is goGet's.
func (g *goProgram) goroutinesOf(ctx context.Context, profile string, limit time.Duration, follows bool) (siteSum, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := goGet(ctx, g.at(profile, url.Values{"debug": {"1"}}), follows)
	if err != nil {
		return siteSum{}, 0, err
	}
	defer body.Close()
	return body.readGoroutines(profile)
}

// goProver is a Go process that was built with GOEXPERIMENT=goroutineleakprofile: its collector finds the goroutines that wait
// for what no other can reach, and so can never go on.
type goProver struct{ *goProgram }

// name tells which goroutines that can never go on the load has left behind.
func (g goProver) name(ctx context.Context, save Save) (func(context.Context) (Naming, error), error) {
	before, err := g.leaked(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Naming, error) {
		after, err := g.leaked(ctx)
		if err != nil {
			return Naming{}, err
		}
		for key, site := range after.sites {
			if was := before.sites[key]; was != nil {
				site.Bytes, site.Objects = site.Bytes-was.Bytes, site.Objects-was.Objects
			}
			site.Holders = []string{goLeakHolder}
			if site.Objects <= 0 {
				delete(after.sites, key)
			}
		}
		profile, err := goGet(ctx, g.at(goLeakProfile, nil), false)
		if err != nil {
			return Naming{}, err
		}
		defer profile.Close()
		file := ProfileFile{Name: fmt.Sprintf("goroutineleak-%d.pb.gz", g.PID)}
		file.Open = "go tool pprof " + file.Name
		err = save(file.Name, func(w io.Writer) error {
			_, err := io.Copy(w, profile)
			return err
		})
		return Naming{Sites: after.largest(), Files: []ProfileFile{file}}, err
	}, nil
}

// leaked are the goroutines that can never go on. It fails if the program was built without that profile.
func (g *goProgram) leaked(ctx context.Context) (siteSum, error) {
	sum, _, err := g.goroutinesOf(ctx, goLeakProfile, goTimeout, false)
	return sum, err
}
