package live

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/jfr"
	"leaklab/loader/memory"
)

const (
	mostHolders = 16 // of a site
	// jdkSamples is the least number of samples at a place that is the JDK's alone: one or two may be objects of its own beside
	// those that the program keeps, of which none was sampled.
	jdkSamples = 3
)

// parseHistogram reads the answer of GC.class_histogram to its end, and returns the bytes of all objects, and the classes as
// sites, the largest first. A line is "   1:          8199        1348488  [B (java.base@17.0.15)". The bytes of all stand in
// the last one: "Total  10276  1482632". Classes of one name, of several loaders, are added up. They come the largest
// first: those beyond mostSites are left out.
func parseHistogram(answer io.Reader) (int64, []memory.Site, error) {
	lines, last := bufio.NewScanner(answer), ""
	var sites []memory.Site
	index := make(map[string]int)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		last = line
		site, found := histogramSite(line)
		if !found {
			continue
		}
		at, known := index[site.Class]
		switch {
		case known:
			sites[at].Bytes += site.Bytes
			sites[at].Objects += site.Objects
		case len(sites) < mostSites:
			index[site.Class] = len(sites)
			sites = append(sites, site)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, nil, err
	}
	fields := strings.Fields(last)
	if len(fields) == 3 && fields[0] == "Total" {
		if total, err := strconv.ParseInt(fields[2], 10, 64); err == nil && total > 0 {
			slices.SortStableFunc(sites, func(a, b memory.Site) int { return cmp.Compare(b.Bytes, a.Bytes) })
			return total, sites, nil
		}
	}
	return 0, nil, fmt.Errorf("%s ends with %.200q, not with a total", classHistogram, last)
}

// histogramSite is a line of a histogram; false if it tells no class.
func histogramSite(line string) (memory.Site, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasSuffix(fields[0], ":") {
		return memory.Site{}, false
	}
	objects, err := strconv.ParseUint(fields[1], 10, 50)
	bytes, err2 := strconv.ParseUint(fields[2], 10, 50)
	if err != nil || err2 != nil {
		return memory.Site{}, false
	}
	return memory.Site{Class: jfr.ClassName(fields[3]), Bytes: int64(bytes), Objects: int64(objects)}, true
}

// allocated is what old objects of one site have in common.
type allocated struct {
	site    memory.Site
	samples int
	chains  map[string]*holderChain // by their text without threads
}

// holderChain is what keeps some of them.
type holderChain struct {
	holders []string
	samples int
	threads map[string]bool // at its end
}

// sampledSites are the places of samples, the most sampled first, each with the holders that most of its samples have. Places
// of the JDK alone with few samples are left out.
func sampledSites(samples []jfr.Sample) []memory.Site {
	places := make(map[memory.SiteKey]*allocated)
	for _, sample := range samples {
		site := allocatedAt(sample)
		found := places[site.Key()]
		if found == nil {
			found = &allocated{site: site, chains: make(map[string]*holderChain)}
			places[site.Key()] = found
		}
		found.samples++
		found.hold(sample)
	}
	all := make([]*allocated, 0, len(places))
	for _, one := range places {
		if one.samples < jdkSamples && ofTheJDK(one.site.Function) {
			continue
		}
		one.site.Holders = one.holders()
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *allocated) int {
		return cmp.Or(cmp.Compare(b.samples, a.samples), cmp.Compare(a.site.Class, b.site.Class), cmp.Compare(a.site.Function, b.site.Function), cmp.Compare(a.site.Line, b.site.Line))
	})
	sites := make([]memory.Site, len(all))
	for i, one := range all {
		sites[i] = one.site
	}
	return sites
}

// withMakers adds a sample of each object that holds a sampled one which its constructor allocated, if its class was not sampled
// itself: of a few objects that were allocated together, chance picks one.
func withMakers(samples []jfr.Sample) []jfr.Sample {
	sampled := make(map[string]bool)
	for _, sample := range samples {
		sampled[sample.Class] = true
	}
	for _, sample := range samples {
		for i, frame := range sample.Stack {
			if frame.Method != "<init>" || sampled[frame.Class] {
				continue
			}
			if at := slices.IndexFunc(sample.Chain, func(link jfr.Link) bool { return link.Class == frame.Class }); at >= 0 {
				maker := sample
				maker.Class, maker.Stack, maker.Chain = frame.Class, sample.Stack[i+1:], sample.Chain[at+1:]
				samples = append(samples, maker)
			}
		}
	}
	return samples
}

// ofTheJDK tells if a class is one of Java's own library.
func ofTheJDK(class string) bool {
	return slices.ContainsFunc([]string{"java.", "javax.", "jdk.", "sun.", "com.sun."}, func(prefix string) bool { return strings.HasPrefix(class, prefix) })
}

// allocatedAt is the site of a sample without its holders. Its function is the nearest one on the stack that is not of the
// JDK: a HashMap allocates its entries, but the program put them there. If all are of the JDK, it is the innermost.
func allocatedAt(sample jfr.Sample) memory.Site {
	site := memory.Site{Class: sample.Class}
	stack := slices.DeleteFunc(slices.Clone(sample.Stack), func(frame jfr.Frame) bool { return frame.Line == 0 && strings.HasSuffix(frame.Class, "$$Lambda") })
	if len(stack) == 0 {
		return site
	}
	nearest := max(0, slices.IndexFunc(stack, func(frame jfr.Frame) bool { return !ofTheJDK(frame.Class) }))
	site.Function, site.Line = stack[nearest].Class+"."+stack[nearest].Method, stack[nearest].Line
	for _, frame := range stack[nearest+1 : min(len(stack), nearest+1+mostCallers)] {
		caller := frame.Class + "." + frame.Method
		if frame.Line > 0 {
			caller += ":" + strconv.Itoa(frame.Line)
		}
		site.Callers = append(site.Callers, caller)
	}
	return site
}

// How OpenJDK describes objects in a chain (ObjectSampleDescription).
const (
	describesClass  = "Class Name: "
	describesThread = "Thread Name: "
)

// heldByCompiler tells if the chain of a sample ends in a thread of the JVM that compiles: it was at work just then.
func heldByCompiler(sample jfr.Sample) bool {
	_, thread := holdersOf(sample)
	return strings.Contains(thread, "CompilerThread")
}

// hiddenByCompiler tells if compilers are all that was found to hold the objects of a site.
func hiddenByCompiler(samples []jfr.Sample) bool {
	return slices.ContainsFunc(samples, heldByCompiler) && slices.ContainsFunc(sampledSites(samples), func(site memory.Site) bool { return len(site.Holders) == 0 })
}

// hold adds the chain of a sample. Its threads are kept apart, so that those of a pool are one chain. A compiler keeps no
// object for long.
func (p *allocated) hold(sample jfr.Sample) {
	if heldByCompiler(sample) {
		return
	}
	holders, thread := holdersOf(sample)
	if len(holders) == 0 && thread == "" {
		return
	}
	key := strings.Join(holders, "\n")
	chain := p.chains[key]
	if chain == nil {
		chain = &holderChain{holders: holders, threads: make(map[string]bool)}
		p.chains[key] = chain
	}
	chain.samples++
	if thread != "" {
		chain.threads[thread] = true
	}
}

// holdersOf are the holders of a sample, the nearest first, up to a static field, and the thread that they end in, if any.
func holdersOf(sample jfr.Sample) (holders []string, thread string) {
	for _, link := range sample.Chain {
		described, isClass := strings.CutPrefix(link.Description, describesClass)
		holder := link.Class
		switch {
		case link.Static && isClass:
			return append(holders, "static field "+jfr.ClassName(described)+"."+link.Field), ""
		case isClass:
			holder = "class " + jfr.ClassName(described)
		case link.Field != "":
			holder += "." + link.Field
		}
		if len(holders) == 0 || holders[len(holders)-1] != holder { // a linked list is one holder
			holders = append(holders, holder)
		}
		if name, isThread := strings.CutPrefix(link.Description, describesThread); isThread {
			return holders, name
		}
	}
	if name, isThread := strings.CutPrefix(sample.Root.Description, describesThread); isThread {
		return holders, name
	}
	return holders, ""
}

// holders are those of the chain that most samples have, at most mostHolders: the nearest, and the last one.
func (p *allocated) holders() []string {
	var most *holderChain
	for _, key := range slices.Sorted(maps.Keys(p.chains)) {
		if chain := p.chains[key]; most == nil || chain.samples > most.samples {
			most = chain
		}
	}
	if most == nil {
		return nil
	}
	holders := slices.Clone(most.holders)
	if threads := slices.Sorted(maps.Keys(most.threads)); len(threads) == 1 {
		holders = append(holders, "thread "+threads[0])
	} else if len(threads) > 1 {
		holders = append(holders, fmt.Sprintf("%d threads, such as %s", len(threads), threads[0]))
	}
	if len(holders) > mostHolders {
		holders = append(holders[:mostHolders-1], holders[len(holders)-1])
	}
	return holders
}
