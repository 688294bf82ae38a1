package judge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// lives are iterations of 10,000 requests whose live memory, and sites, are as told for each.
func lives(count int, live func(number int) memory.Live) []lab.Iteration {
	var all []lab.Iteration
	for n := range count {
		read := live(n + 1)
		read.Outside = 20 << 20
		all = append(all, lab.Iteration{
			Number: n + 1, Of: count, Requests: 10_000, Load: load.Result{Totals: totals(10_000), Elapsed: time.Second},
			Start: memory.Reading{Total: 90 << 20}, End: memory.Reading{Total: 90 << 20}, Live: &lab.Live{Live: read, Idle: -1},
		})
	}
	return all
}

// judged judges iterations with their sites.
func judged(iterations []lab.Iteration) *Judge {
	j := New(Plan{Options: verdict.Options{Tolerance: 4}, Sites: true})
	for _, i := range iterations {
		add(j, i)
	}
	return j
}

// leaking is a server that keeps 104 bytes a request, as an int[], and 24 in a list that holds it.
func leaking(number int) memory.Live {
	kept := int64(number) * 10_000
	return memory.Live{Bytes: 4<<20 + 128*kept, Sites: []memory.Site{
		{Class: "int[]", Bytes: 1<<20 + 104*kept, Objects: 100 + kept},
		{Class: "java.lang.Object[]", Bytes: 1<<10 + 24*kept, Objects: 20},
		{Class: "byte[]", Bytes: 1<<20 + int64(number%3)*700, Objects: 5000},
		{Class: fmt.Sprintf("Lambda%d", number), Bytes: 16, Objects: 1},
	}}
}

func TestSitesOfALeak(t *testing.T) {
	j := judged(lives(12, leaking))
	require.True(t, j.Grows())
	sites := j.Sites(nil, "it was interrupted")
	require.NotNil(t, sites)
	require.Len(t, sites.List, 2)
	first := sites.List[0]
	assert.Equal(t, "int[]", first.Class)
	assert.InDelta(t, 104, first.BytesPerRequest.Estimate, 0.01)
	assert.Less(t, first.BytesPerRequest.Low, 104.0)
	assert.Greater(t, first.BytesPerRequest.High, 104.0)
	assert.InDelta(t, 1, first.ObjectsPerRequest.Estimate, 0.01)
	assert.EqualValues(t, 1<<20+104*120_000, first.BytesEnd)
	assert.EqualValues(t, 100+120_000, first.ObjectsEnd)
	assert.Equal(t, "java.lang.Object[]", sites.List[1].Class)
	assert.Equal(t, 15, sites.LookedAt, "three, and one that comes with each iteration and goes")
	assert.Equal(t, 0.05, sites.FalseDiscoveryRate)
	require.NotNil(t, sites.Explained)
	assert.InDelta(t, 1, *sites.Explained, 0.01)
	assert.Equal(t, "it was interrupted", sites.Unnamed)
	assert.Equal(t, 12, sites.JudgedLast)
}

func TestNothingIsListedOfACleanServer(t *testing.T) {
	j := judged(lives(12, func(number int) memory.Live {
		return memory.Live{Bytes: 4<<20 + int64(number%4)*500, Sites: []memory.Site{{Class: "byte[]", Bytes: 1<<20 + int64(number%4)*500}}}
	}))
	assert.False(t, j.Grows())
	assert.Nil(t, j.Sites(nil, ""))
	assert.Nil(t, New(Plan{Sites: true}).Sites(nil, ""))
}

func TestSitesThatAreNotLookedAt(t *testing.T) {
	j := New(Plan{Options: verdict.Options{Tolerance: 4}})
	for _, i := range lives(12, leaking) {
		add(j, i)
	}
	sites := j.Sites(nil, "SITES=off")
	require.NotNil(t, sites, "it grows")
	assert.Empty(t, sites.List)
	assert.Equal(t, "SITES=off", sites.Unnamed)
	assert.Equal(t, noneTold, judged(lives(12, func(n int) memory.Live { return memory.Live{Bytes: int64(n) * 1e6} })).Sites(nil, "").Unnamed)
}

func TestSitesOfABaseline(t *testing.T) {
	suspect := judged(nil)
	p := NewPaired(suspect)
	for _, i := range lives(12, leaking) {
		p.Add(i, record.NewIteration(i))
	}
	sites := p.Sites("SITES=off")
	require.Len(t, sites.List, 2)
	assert.Equal(t, "int[]", sites.List[0].Class)
	assert.Equal(t, "SITES=off", sites.Unnamed)
}

// A class is exact, and its place and holders come from one more iteration.
func TestNamingTellsThePlaceOfAClass(t *testing.T) {
	naming := &Naming{
		Sites: []memory.Site{
			{Class: "int[]", Function: "JavaLeak.register", File: "JavaLeak.java", Line: 9, Callers: []string{"JavaLeak.handle JavaLeak.java:21\x1b[2J"}, Holders: []string{"static field JavaLeak.KEPT"}},
			{Class: "int[]", Function: "Other.register", File: "Other.java", Line: 1},
			{Class: "java.util.HashMap", Function: "Some.where"},
		},
		Requests: 30_000, Files: []record.ProfileFile{{Name: "sites.jfr", Open: "jfr print sites.jfr"}},
	}
	sites := judged(lives(12, leaking)).Sites(naming, "")
	require.Len(t, sites.List, 2)
	first := sites.List[0]
	assert.Equal(t, "int[] at JavaLeak.register (JavaLeak.java:9)", first.Name())
	assert.Equal(t, []string{"static field JavaLeak.KEPT"}, first.Holders)
	assert.Equal(t, []string{`JavaLeak.handle JavaLeak.java:21\x1b[2J`}, first.Callers)
	assert.InDelta(t, 104, first.BytesPerRequest.Estimate, 0.01)
	assert.False(t, first.OneIteration)
	assert.Empty(t, sites.List[1].Function)
	assert.EqualValues(t, 30_000, sites.NamingRequests)
	assert.Equal(t, naming.Files, sites.Files)
	assert.Empty(t, sites.Unnamed)

	sites = judged(lives(12, leaking)).Sites(&Naming{Sites: naming.Sites[2:], Requests: 30}, "")
	assert.Empty(t, sites.List[0].Where())
	assert.Equal(t, unseen, sites.Unnamed)
}

// Places that readings have told get the callers and the holders of the naming, but of the same line alone.
func TestNamingTellsTheHoldersOfAPlace(t *testing.T) {
	j := judged(lives(12, func(number int) memory.Live {
		kept := int64(number) * 1_000_000
		return memory.Live{Bytes: kept, Sites: []memory.Site{{Function: "main.keep", File: "main.go", Line: 12, Callers: []string{"main.main"}, Bytes: kept, Sampled: true}}}
	}))
	naming := &Naming{Sites: []memory.Site{{Function: "main.keep", File: "main.go", Line: 13, Holders: []string{"wrong"}}, {Function: "main.keep", File: "main.go", Line: 12, Holders: []string{"main.kept"}}}}
	sites := j.Sites(naming, "")
	require.Len(t, sites.List, 1)
	assert.Equal(t, []string{"main.kept"}, sites.List[0].Holders)
	assert.Equal(t, []string{"main.main"}, sites.List[0].Callers)
	assert.True(t, sites.List[0].Sampled)
	assert.Nil(t, sites.List[0].ObjectsPerRequest)
}

// A server that leaves a goroutine for each request keeps 2,048 bytes of its stack, and 500 bytes of the heap.
func TestStacksAreBesideTheHeap(t *testing.T) {
	j := judged(lives(12, func(number int) memory.Live {
		requests := int64(number) * 10_000
		return memory.Live{Bytes: 4<<20 + requests*2548, Sites: []memory.Site{
			{Class: memory.GoroutineStack, Function: "main.await", Line: 5, Bytes: requests * 2048, Objects: requests},
			{Function: "runtime.malg", Line: 7, Bytes: requests * 500, Objects: requests},
		}}
	}))
	sites := j.Sites(nil, "")
	require.Len(t, sites.List, 2)
	assert.InDelta(t, 1, *sites.Explained, 0.01)
}

// onlyLive is a server that keeps 100 bytes a request, of which its runtime tells nothing more.
func onlyLive(number int) memory.Live { return memory.Live{Bytes: 4<<20 + int64(number)*1_000_000} }

func TestNamingAlone(t *testing.T) {
	j := judged(lives(12, onlyLive))
	naming := &Naming{Requests: 10_000, SampledEvery: 16 << 10, Sites: []memory.Site{
		{Function: "small", Bytes: 16 << 10, Objects: 1, Sampled: true},
		{Function: "keep", File: "app.js", Line: 4, InFunction: true, Bytes: 800_000, Objects: 8_000, Sampled: true},
		{Function: "exact", Bytes: 100_000, Objects: 10_000},
		{Function: "little", Bytes: 2_000}, {Class: "dict", Function: "other", Bytes: 90_000, Objects: 10_000},
	}}
	sites := j.Sites(naming, "")
	require.Len(t, sites.List, 4)
	assert.Equal(t, "dict", sites.List[2].Class)
	keep := sites.List[0]
	assert.Equal(t, "keep", keep.Function)
	assert.True(t, keep.OneIteration && keep.Sampled && keep.InFunction)
	assert.InDelta(t, 80, keep.BytesPerRequest.Estimate, 1e-9)
	assert.InDelta(t, 0.8, keep.ObjectsPerRequest.Estimate, 1e-9)
	assert.InDelta(t, 59.2, keep.BytesPerRequest.Low, 0.2, "of 48.8 samples")
	assert.InDelta(t, 105.8, keep.BytesPerRequest.High, 0.2)
	assert.Equal(t, record.Interval{Estimate: 10, Low: 10 - 0.2048, High: 10 + 0.2048}, sites.List[1].BytesPerRequest)
	assert.Equal(t, "small", sites.List[3].Function, "one sample is more than none")
	assert.Zero(t, sites.FalseDiscoveryRate)
	assert.Equal(t, 5, sites.LookedAt)
	assert.Zero(t, sites.JudgedFirst)
	assert.InDelta(t, 1, *sites.Explained, 0.01)

	naming.SampledEvery = 0
	keep = j.Sites(naming, "").List[0]
	assert.Zero(t, keep.BytesPerRequest.Low, "it is not known how many samples there were")
	assert.GreaterOrEqual(t, keep.BytesPerRequest.High, 100.0)
}

// What is kept once in an iteration, and not for each request, is more than live memory grows by.
func TestNamingOfWhatIsKeptOnce(t *testing.T) {
	naming := &Naming{Requests: 10_000, Sites: []memory.Site{
		{Function: "connections", Bytes: 3_000_000}, {Function: "keep", Bytes: 900_000}, {Function: "buffers", Bytes: 800_000},
		{Class: "dict", Function: "too", Bytes: 90_000}, {Class: "list", Function: "once", Bytes: 60_000},
	}}
	sites := judged(lives(12, onlyLive)).Sites(naming, "")
	assert.Equal(t, []string{"keep", "dict at too"}, siteNames(sites), "a class has no room beside that of places")
	assert.InDelta(t, 0.99, *sites.Explained, 0.01)
}

func siteNames(sites *record.Sites) (names []string) {
	for _, s := range sites.List {
		names = append(names, s.Name())
	}
	return names
}

// One iteration may keep a little more a request than all together, of which each figure is almost exact.
func TestNamingOfALittleMoreThanLiveMemoryGrows(t *testing.T) {
	j := judged(lives(12, onlyLive))
	naming := &Naming{Requests: 1_000_000, Sites: []memory.Site{{Function: "keep", Bytes: 105_000_000}, {Function: "once", Bytes: 5_000_000}}}
	sites := j.Sites(naming, "")
	assert.Equal(t, []string{"keep"}, siteNames(sites))
	assert.InDelta(t, 1.05, *sites.Explained, 0.001)
	naming.Sites[0].Bytes = 120_000_000
	assert.Equal(t, []string{"once"}, siteNames(j.Sites(naming, "")), "too much to be kept for each request")
}

// Direct buffers of a JVM are no part of its live memory, and no reading tells them. What readings tell has their figures.
func TestNamingAddsWhatReadingsDoNotTell(t *testing.T) {
	const buffers = "java.nio.DirectByteBuffer, outside the heap"
	naming := &Naming{Requests: 30_000, Sites: []memory.Site{
		{Class: buffers, Function: "JavaLeak.direct", File: "JavaLeak.java", Line: 31, Bytes: 30_000 * 4096, Objects: 30_000, Outside: true},
		{Class: "int[]", Function: "JavaLeak.register", File: "JavaLeak.java", Line: 9},
		{Class: "byte[]", Function: "JavaLeak.once", Bytes: 30_000 * 50, Objects: 3_000},
		{Function: "keep", File: "worker.py", Line: 7, Bytes: 30_000 * 40, Objects: 30_000},
	}}
	j := judged(lives(12, func(number int) memory.Live {
		read := leaking(number)
		read.Bytes += int64(number) * 10_000 * 40 // in a process whose runtime tells no sites
		return read
	}))
	sites := j.Sites(naming, "")
	assert.Equal(t, []string{
		buffers + " at JavaLeak.direct (JavaLeak.java:31)", "int[] at JavaLeak.register (JavaLeak.java:9)", "keep (worker.py:7)", "java.lang.Object[]",
	}, siteNames(sites), "byte[] was read, and did not grow")
	outside := sites.List[0]
	assert.True(t, outside.Outside && outside.OneIteration)
	assert.InDelta(t, 4096, outside.BytesPerRequest.Estimate, 1e-9)
	assert.InDelta(t, 4096-2048.0/30_000, outside.BytesPerRequest.Low, 1e-9)
	assert.InDelta(t, 1, outside.ObjectsPerRequest.Estimate, 1e-9)
	assert.InDelta(t, 1, *sites.Explained, 0.01, "of live memory")
	assert.Equal(t, 17, sites.LookedAt, "15 that were read, and two")
	assert.Equal(t, 0.05, sites.FalseDiscoveryRate)
	assert.Equal(t, 12, sites.JudgedLast)

	naming.Sites[3].Bytes *= 3
	assert.NotContains(t, siteNames(j.Sites(naming, "")), "keep (worker.py:7)", "live memory has no room for it")
}

// The interval of what is sampled holds the truth in 95% of the iterations.
func TestIntervalOfASample(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 9))
	const runs, mean = 4000, 30.0
	holds := 0
	for range runs {
		count, at := 0.0, r.ExpFloat64()
		for ; at < mean; at += r.ExpFloat64() {
			count++
		}
		if low, high := garwood(count, 0.95); low <= mean && mean <= high {
			holds++
		}
	}
	assert.InDelta(t, 0.96, float64(holds)/runs, 0.015)
	low, high := garwood(0, 0.95)
	assert.Zero(t, low)
	assert.InDelta(t, 3.69, high, 0.01)
	low, high = garwood(10, 0.95)
	assert.InDelta(t, 4.80, low, 0.01, "as in his table")
	assert.InDelta(t, 18.39, high, 0.01)
}

// What is kept of the sites is bounded, and those that grow most are kept.
func TestSitesAreBounded(t *testing.T) {
	s := newSites()
	s.mostCells = 4000
	for number := 1; number <= 100; number++ {
		read := []memory.Site{{Class: "kept", Bytes: int64(number) * 1000, Objects: int64(number)}}
		for n := range 300 {
			read = append(read, memory.Site{Class: "quiet", Line: n, Bytes: int64(n)})
		}
		s.add(read)
		assert.LessOrEqual(t, s.cells, s.mostCells, number)
	}
	assert.Len(t, s.order, 301, "all were looked at")
	kept := s.order[0]
	require.False(t, kept.dropped)
	require.Len(t, kept.readings.Bytes, 100)
	assert.EqualValues(t, 1000, kept.readings.Bytes[0])
	cells := 0
	for _, h := range s.order {
		cells += len(h.readings.Bytes) + len(h.readings.Objects)
	}
	assert.Equal(t, cells, s.cells)

	s = newSites()
	for n := range mostSites + 5 {
		s.add([]memory.Site{{Line: n}})
	}
	assert.Len(t, s.order, mostSites)
	s = newSites()
	for n := range 100 {
		s.add([]memory.Site{{Line: n, Function: strings.Repeat("f", 1<<20)}})
	}
	assert.Len(t, s.order, mostSiteText>>20)
	s.add([]memory.Site{{Line: 0, Function: strings.Repeat("f", 1<<20), Callers: []string{strings.Repeat("c", 1<<20)}}})
	assert.Empty(t, s.order[0].Callers, "there is no room")
}

func TestSiteThatIsAbsentHoldsNothing(t *testing.T) {
	s := newSites()
	a, b := memory.Site{Class: "a", Bytes: 5, Objects: 1, Callers: []string{"old"}}, memory.Site{Class: "b", Bytes: 7}
	s.add([]memory.Site{b})
	s.add([]memory.Site{a})
	s.add(nil)
	a.Callers, a.Sampled = []string{"new"}, true
	s.add([]memory.Site{a, b})
	assert.Equal(t, []int64{7, 0, 0, 7}, s.order[0].readings.Bytes)
	assert.Equal(t, []int64{0, 5, 0, 5}, s.order[1].readings.Bytes)
	assert.Equal(t, []int64{0, 1, 0, 1}, s.order[1].readings.Objects)
	assert.Equal(t, []string{"new"}, s.order[1].Callers)
	assert.True(t, s.order[1].Sampled)
}
