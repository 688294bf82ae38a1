package verdict_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

// course is the bytes at the end of iteration i, from 1.
type course func(i float64) float64

// linear is a course from base, with a gain in each iteration.
func linear(base, gain float64) course { return func(i float64) float64 { return base + gain*i } }

// split makes n iterations of a server whose live memory, slack and memory outside the heap take the given courses.
func split(n int, requests uint64, live, slack, outside course) []verdict.Iteration {
	its := make([]verdict.Iteration, n)
	before := uint64(50e6)
	for i := range its {
		at := float64(i + 1)
		l, o := uint64(max(0, live(at))), uint64(max(0, outside(at)))/4096*4096
		held := (l + o + uint64(max(0, slack(at)))) / 4096 * 4096
		its[i] = verdict.Iteration{Requests: requests, StartBytes: before, EndBytes: held, Parts: map[verdict.Part]uint64{verdict.Live: l, verdict.Outside: o}}
		before = l + o
	}
	return its
}

func TestVerdictByParts(t *testing.T) {
	flat, slack := linear(30e6, 0), linear(40e6, 0)
	jumping := func(i float64) float64 { return 40e6 + 20e6*math.Mod(i*0.618, 1) } // a heap caught anywhere in its cycle
	tests := []struct {
		name string
		its  []verdict.Iteration
		kind verdict.Kind
		of   verdict.Part
		says []string
	}{
		{
			"48 bytes kept, to the byte, in 50 requests an iteration",
			split(10, 50, linear(2e6, 48*50), slack, flat), verdict.Leak, verdict.Live,
			[]string{"Leak: after a warm-up of 1 iteration, live memory grows by 48 bytes a request"},
		},
		{
			"nothing kept, in 100 requests an iteration",
			split(10, 100, linear(2e6, 0), slack, flat), verdict.NoLeak, verdict.Live,
			[]string{"live memory grows by less than 2.3 bytes a request (95%)", "Memory outside the heap grows by less than"},
		},
		{
			"104 bytes kept under a heap that jumps",
			split(10, 1000, linear(4e6, 104_000), jumping, flat), verdict.Leak, verdict.Live, nil,
		},
		{
			"nothing kept under a heap that jumps",
			split(10, 1000, linear(4e6, 0), jumping, flat), verdict.NoLeak, verdict.Live, nil,
		},
		{
			"slack alone",
			split(12, 3000, linear(4e6, 0), linear(40e6, 8e6), flat), verdict.NoLeak, verdict.Live,
			[]string{"Heap slack grows by", "garbage that was not collected yet", "The limit of -Xmx, 512 MiB, bounds it."},
		},
		{
			"a leak, and slack",
			split(12, 3000, linear(4e6, 300_000), linear(40e6, 8e6), flat), verdict.Leak, verdict.Live,
			[]string{"live memory grows by 100 bytes a request", "Heap slack grows by", "bounds it"},
		},
		{
			"outside the heap alone",
			split(10, 3000, linear(4e6, 0), slack, linear(30e6, 3e6)), verdict.Leak, verdict.Outside,
			[]string{"memory outside the heap grows by 1,000 bytes a request", "Live memory grows by less than"},
		},
		{
			"both, more of it live",
			split(10, 3000, linear(4e6, 6e6), slack, linear(30e6, 3e6)), verdict.Leak, verdict.Live,
			[]string{"Memory outside the heap grows as well, by 1,000 bytes a request"},
		},
		{
			"both, more of it outside",
			split(10, 3000, linear(4e6, 1e6), slack, linear(30e6, 3e6)), verdict.Leak, verdict.Outside,
			[]string{"Live memory grows by 333 bytes a request"},
		},
		{
			"outside the heap a cache fills",
			split(12, 3000, linear(4e6, 0), slack, func(i float64) float64 { return 30e6 + 10e6*math.Log(i) }), verdict.Inconclusive, verdict.Outside,
			[]string{"It may be a cache that fills.", "Live memory grows by less than"},
		},
		{
			"outside the heap it warms up, and levels off",
			split(12, 3000, linear(4e6, 0), slack, func(i float64) float64 { return 30e6 - 20e6*math.Exp(-i) }), verdict.NoLeak, verdict.Live, nil,
		},
		{
			"outside the heap it goes up and down by too much",
			split(10, 3000, linear(4e6, 0), slack, func(i float64) float64 { return 30e6 + 20e6*math.Mod(i*0.618, 1) }), verdict.Inconclusive, verdict.Outside,
			[]string{"fits as well"},
		},
		{
			"live memory fills a cache",
			split(12, 3000, func(i float64) float64 { return 4e6 + 5e6*math.Log(i) }, slack, flat), verdict.Inconclusive, verdict.Live,
			[]string{"live memory grows by"},
		},
		{
			"live memory shrinks",
			split(10, 3000, linear(40e6, -1e6), slack, flat), verdict.NoLeak, verdict.Live, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := fixed
			options.HeapLimit = verdict.HeapLimit{Bytes: 512 << 20, Of: "-Xmx"}
			v := verdict.Judge(tt.its, options)
			assert.Equal(t, tt.kind, v.Kind, v.Sentence)
			assert.Equal(t, tt.of, v.Of, v.Sentence)
			for _, text := range tt.says {
				assert.Contains(t, v.Sentence, text)
			}
			assert.Equal(t, v.Kind == verdict.Inconclusive, v.Advice != "")
			assert.NotContains(t, v.Sentence+v.Explanation, "resident memory")
			require.Len(t, v.Growths, 4)
			for _, g := range v.Growths {
				assert.LessOrEqual(t, g.Lower, g.Growth)
				assert.LessOrEqual(t, g.Growth, g.Upper)
				if g.Part == v.Of {
					assert.Equal(t, [3]float64{v.Growth, v.Lower, v.Upper}, [3]float64{g.Growth, g.Lower, g.Upper})
					assert.Equal(t, v.Judged, g.Judged)
				}
			}
		})
	}
}

// The parts are named as the metrics and run.json have them, and add up.
func TestPartsAddUp(t *testing.T) {
	v := verdict.Judge(split(10, 3000, linear(4e6, 60_000), linear(40e6, 90_000*4), linear(30e6, 4096*50)), fixed)
	growth := make(map[string]float64)
	for _, g := range v.Growths {
		growth[g.Part.Label()] = g.Growth
	}
	assert.InDelta(t, 20, growth["live"], 0.1)
	assert.InDelta(t, 120, growth["slack"], 1)
	assert.InDelta(t, 68.3, growth["outside"], 0.1)
	assert.InDelta(t, growth["live"]+growth["slack"]+growth["outside"], growth["held"], 1)

	alone := verdict.Judge(leaking(), fixed)
	assert.Equal(t, verdict.Resident, alone.Of)
	require.Len(t, alone.Growths, 1)
	assert.Equal(t, "held", alone.Growths[0].Part.Label())
	assert.Equal(t, alone.Growth, alone.Growths[0].Growth)
}

// Live memory that moves by itself has a wider interval.
func TestLiveMemoryThatMovesAtRest(t *testing.T) {
	its := split(10, 1000, linear(4e6, 0), linear(40e6, 0), linear(30e6, 0))
	calm := verdict.Judge(its, fixed)
	assert.InDelta(t, 2048.0/9000, calm.Upper, 0.01)
	its[0].Parts[verdict.LiveIdle] = 90_000
	moving := verdict.Judge(its, fixed)
	assert.Equal(t, verdict.Inconclusive, moving.Kind)
	assert.InDelta(t, 10, moving.Upper, 0.01)
}

// Live memory is judged only as far as it was read without a gap.
func TestGapsInLiveMemory(t *testing.T) {
	made := func(gaps ...int) []verdict.Iteration {
		its := split(14, 3000, linear(4e6, 300_000), linear(40e6, 0), linear(30e6, 0))
		for _, gap := range gaps {
			delete(its[gap-1].Parts, verdict.Live)
		}
		return its
	}
	early := verdict.Judge(made(3), fixed)
	assert.Equal(t, verdict.Leak, early.Kind)
	assert.Equal(t, verdict.Live, early.Of)
	assert.Equal(t, verdict.Range{First: 5, Last: 14}, early.Judged)
	assert.Contains(t, early.Sentence, "Live memory could not be read after iteration 3: only what came after is judged.")

	for _, gaps := range [][]int{{12}, {10, 11, 12, 13, 14}, {14}} {
		late := verdict.Judge(made(gaps...), fixed)
		assert.Equal(t, verdict.Resident, late.Of, gaps)
		assert.Contains(t, late.Sentence, fmt.Sprintf("Live memory could not be read after iteration %d: the verdict rests on resident memory.", gaps[len(gaps)-1]))
		require.Len(t, late.Growths, 1)
	}

	all := made(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
	assert.NotContains(t, verdict.Judge(all, fixed).Sentence, "Live memory")
}

// A full collection makes resident memory fall between iterations. That is no restart; live memory that falls is.
func TestACollectionIsNoRestart(t *testing.T) {
	heap := func(i float64) float64 { return 20e6 + 60e6*math.Exp(1-i) } // the first iteration leaves the most garbage
	its := split(12, 3000, linear(2e6, 300_000), heap, linear(10e6, 0))
	its[0].StartBytes = 12e6
	v := verdict.Judge(its, fixed)
	assert.Zero(t, v.RestartedBefore, v.Sentence)
	assert.Equal(t, verdict.Leak, v.Kind)

	bare := make([]verdict.Iteration, len(its))
	copy(bare, its)
	for i := range bare {
		bare[i].Parts = nil
	}
	assert.Equal(t, 2, verdict.Judge(bare, fixed).RestartedBefore, "resident memory alone cannot tell")

	fresh := split(10, 3000, linear(2e6, 900_000), linear(5e6, 0), linear(10e6, 0))
	again := split(10, 3000, linear(2e6, 900_000), linear(5e6, 0), linear(10e6, 0))
	fresh[0].StartBytes, again[0].StartBytes = 5e6, 5e6
	v = verdict.Judge(append(fresh, again...), fixed)
	assert.Equal(t, 11, v.RestartedBefore, v.Sentence)
	assert.Equal(t, verdict.Leak, v.Kind)
	assert.InDelta(t, 300, v.Growth, 1)
}

// Held memory is resident memory and what is swapped out, without what is lazily freed.
func TestHeldMemory(t *testing.T) {
	its := with(with(flat(), verdict.Swapped, steady(3)), verdict.LazyFree, steady(0))
	v := verdict.Judge(its, fixed)
	assert.Equal(t, verdict.Leak, v.Kind)
	assert.Equal(t, verdict.Held, v.Of)
	assert.InDelta(t, 60, v.Growth, 0.1)
	assert.Contains(t, v.Sentence, "held memory grows by 60 bytes a request")

	its = with(with(leaking(), verdict.Swapped, func(float64) float64 { return 0 }), verdict.LazyFree, steady(3))
	assert.Equal(t, verdict.NoLeak, verdict.Judge(its, fixed).Kind)

	zero := func(float64) float64 { return 0 }
	its = with(with(leaking(), verdict.Swapped, zero), verdict.LazyFree, zero)
	v, as := verdict.Judge(its, fixed), verdict.Judge(leaking(), fixed)
	v.Parts = nil
	assert.Equal(t, as, v, "nothing is swapped out: the same to the byte")
}

// Pages that fill a file or a segment of a known size are no leak; mappings that grow in size are.
func TestFilesThatFill(t *testing.T) {
	const size = 512 << 20
	mapping := verdict.Options{Tolerance: 4, Mapping: verdict.Mapping{Name: "a shared segment", Bytes: size}}
	file, fixedSize, growing := linear(5e6, 3e6), linear(size, 0), linear(size, 3e6)
	live := func(its []verdict.Iteration) []verdict.Iteration {
		return with(with(its, verdict.Live, steady(0)), verdict.Outside, steady(0))
	}
	for name, its := range map[string][]verdict.Iteration{"held": leaking(), "live": live(leaking())} {
		its := with(its, verdict.Shared, file)
		v := verdict.Judge(with(its, verdict.MappedSize, fixedSize), mapping)
		assert.Equal(t, verdict.NoLeak, v.Kind, "%s: %s", name, v.Sentence)
		assert.Regexp(t, "Of the growth(| of resident memory), 31.5 MiB fill a shared segment of 512 MiB that is mapped: no leak.", v.Sentence, name)
		held := v.Growths[len(v.Growths)-1]
		assert.InDelta(t, 60, held.Growth, 0.1, "%s: held memory is all of it", name)

		v = verdict.Judge(with(its, verdict.MappedSize, growing), mapping)
		assert.Equal(t, verdict.Leak, v.Kind, "%s: %s", name, v.Sentence)
		assert.InDelta(t, 60, v.Growth, 0.1, name)
		assert.NotContains(t, v.Sentence, "fill a")
	}
	old := verdict.Judge(with(leaking(), verdict.Shared, file), mapping)
	assert.Equal(t, verdict.Leak, old.Kind, "the size is unknown, as in old tables")

	// A file that is mapped in the second iteration, and then fills.
	late := with(with(leaking(), verdict.File, file), verdict.MappedSize, func(i float64) float64 { return size * min(1, i-1) })
	assert.Equal(t, verdict.NoLeak, verdict.Judge(late, fixed).Kind)

	// A heap that leaks beside a file that fills.
	both := with(with(trace(50000, 10, grow(13, 12, func(i float64) float64 { return 6 * i })...), verdict.File, file), verdict.MappedSize, fixedSize)
	v := verdict.Judge(both, fixed)
	assert.Equal(t, verdict.Leak, v.Kind)
	assert.InDelta(t, 60, v.Growth, 0.1)
}

// Pages of files are apart where each counts once. Tables from before that are judged as they were.
func TestFilePagesAreApart(t *testing.T) {
	read := 1.0
	programs := func(i float64) float64 { return read * i } // pages of programs and libraries that are read in
	its := func(heap float64) []verdict.Iteration {
		ends := grow(40, 12, func(i float64) float64 { return heap*i + programs(i) })
		all := with(trace(50000, 38, ends...), verdict.File, func(i float64) float64 { return (20 + programs(i)) * megabyte })
		return with(with(all, verdict.Shared, linear(0, 0)), verdict.MappedSize, linear(100e6, 0))
	}
	once := func(heap float64) []verdict.Iteration {
		return with(with(its(heap), verdict.HugeTLB, linear(0, 0)), verdict.Unmapped, linear(0, 0))
	}
	v := verdict.Judge(once(0), fixed)
	assert.Equal(t, verdict.NoLeak, v.Kind, v.Sentence)
	assert.Equal(t, verdict.Resident, v.Of)
	v = verdict.Judge(once(3), fixed)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.InDelta(t, 60, v.Growth, 0.1)

	// Files that are mapped ever anew are a leak of mappings.
	v = verdict.Judge(with(once(0), verdict.MappedSize, linear(100e6, 2*megabyte)), fixed)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.InDelta(t, megabyte/50000, v.Growth, 0.1)
	assert.Contains(t, v.Sentence, "Nearly all of it is pages of mapped files: no leak of the heap.")

	// So few pages were judged before.
	read = 0.02
	before, after := verdict.Judge(its(0), fixed), verdict.Judge(once(0), fixed)
	assert.InDelta(t, 0.4, before.Growth, 0.05)
	assert.InDelta(t, 0, after.Growth, 0.01)
}

// Files in memory that no process maps are outside the heap.
func TestUnmappedFilesAreOutsideTheHeap(t *testing.T) {
	its := split(12, 50000, linear(30e6, 0), linear(40e6, 0), linear(30e6, 0))
	its = with(with(its, verdict.HugeTLB, linear(0, 0)), verdict.Unmapped, linear(5e6, 3e6))
	v := verdict.Judge(its, fixed)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.Equal(t, verdict.Outside, v.Of)
	assert.InDelta(t, 60, v.Growth, 0.1)
	assert.Contains(t, v.Sentence, "Files in memory that no process maps (memfd, tmpfs) grow by 60 bytes a request")
	assert.InDelta(t, 60, v.GrowthOf(verdict.Held).Growth, 0.1)
	assert.InDelta(t, 0, v.GrowthOf(verdict.Slack).Growth, 0.1)
}

// Held memory is what was given back, wherever it was.
func TestUnmappedFilesThatAreGivenBack(t *testing.T) {
	its := with(with(flat(), verdict.HugeTLB, linear(0, 0)), verdict.Unmapped, linear(0, 3*megabyte))
	resident := float64(its[11].EndBytes)
	judge := func(unmapped float64) verdict.Verdict {
		return verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: &verdict.Rest{Seconds: 5, Bytes: uint64(resident + unmapped)}})
	}
	assert.Equal(t, verdict.Leak, judge(36*megabyte).Kind)
	gone := judge(0)
	assert.Equal(t, verdict.Inconclusive, gone.Kind)
	assert.EqualValues(t, 36*megabyte, gone.GivenBack)
}

// Only a server that collects garbage, and whose live memory is unknown, may have garbage in what grows.
func TestGarbageIsSpokenOfWhereThereIsAny(t *testing.T) {
	const garbage = "Resident memory cannot tell kept memory from garbage that was not collected yet."
	collects := verdict.Options{Tolerance: 4, Collects: true}
	assert.Contains(t, verdict.Judge(leaking(), collects).Sentence, garbage)
	assert.NotContains(t, verdict.Judge(leaking(), fixed).Sentence, garbage)
	assert.NotContains(t, verdict.Judge(flat(), collects).Sentence, garbage)
	its := split(10, 3000, linear(4e6, 300_000), linear(40e6, 0), linear(30e6, 0))
	assert.NotContains(t, verdict.Judge(its, collects).Sentence, garbage)
}

// Nothing that a server may tell makes the verdict fail, or a figure infinite.
func TestHostileParts(t *testing.T) {
	const most = math.MaxUint64
	huge := func(i float64) float64 { return math.Mod(i, 2) * 1.8e19 }
	for name, its := range map[string][]verdict.Iteration{
		"huge":            with(with(leaking(), verdict.Live, huge), verdict.Outside, huge),
		"more than held":  split(12, 50000, linear(1e15, 1e12), linear(0, 0), linear(1e15, -1e12)),
		"outside is 0":    split(12, 3000, linear(4e6, 0), linear(40e6, 0), linear(0, 0)),
		"no requests":     split(12, 0, linear(4e6, 3e6), linear(40e6, 0), linear(30e6, 0)),
		"four iterations": split(4, 3000, linear(4e6, 3e6), linear(40e6, 0), linear(30e6, 0)),
		"none":            nil,
	} {
		for i := range its {
			its[i].Parts[verdict.LiveIdle], its[i].Parts[verdict.MappedSize], its[i].Parts[verdict.Swapped] = most, most*uint64(i%2), most
		}
		v := verdict.Judge(its, fixed)
		assert.NotEmpty(t, v.Sentence, name)
		for _, x := range []float64{v.Growth, v.Lower, v.Upper, v.Early, v.Late, v.Resolution} {
			assert.False(t, math.IsNaN(x) || math.IsInf(x, 0), name)
		}
		assert.Equal(t, v, verdict.Judge(its, fixed), name)
		assert.False(t, strings.Contains(v.Sentence, "NaN"), name)
	}
}

// Memory outside the heap of a JVM, in KiB: its compilers and its allocator take and return memory in steps. The first
// server kept nothing, the other 104 bytes a request in its heap.
func TestStepsOutsideTheHeap(t *testing.T) {
	server := func(live func(requests float64) float64, outside ...float64) []verdict.Iteration {
		requests := []uint64{3097, 7749, 8342, 8803, 13367, 14227, 18291, 21372, 23792, 21729}
		its := split(len(outside), 0, linear(18e6, 0), linear(100e6, 0), linear(0, 0))
		sum := 0.0
		for i := range its {
			sum += float64(requests[i])
			its[i].Requests = requests[i]
			its[i].Parts[verdict.Live] += uint64(live(sum))
			its[i].Parts[verdict.Outside] = uint64(outside[i]) * 1024
		}
		return its
	}
	clean := server(func(float64) float64 { return 0 }, 34228, 35220, 37224, 51116, 51612, 51644, 51788, 42852, 42428, 42884)
	v := verdict.Judge(clean, fixed)
	assert.Equal(t, verdict.NoLeak, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "Memory outside the heap grows by less than 4 bytes a request from iteration 6 on, but for steps up or down.")

	kept := server(func(requests float64) float64 { return 104 * requests }, 23876, 37276, 37460, 37836, 37892, 53728, 54308, 54092, 58684, 58696)
	v = verdict.Judge(kept, fixed)
	assert.Equal(t, verdict.Leak, v.Kind)
	assert.Equal(t, verdict.Live, v.Of)
	assert.NotContains(t, v.Sentence, "Memory outside the heap", "it may well be warm-up")

	for i := range clean {
		clean[i].Parts[verdict.Outside] += uint64(i) * 1_000_000
	}
	assert.NotEqual(t, verdict.NoLeak, verdict.Judge(clean, fixed).Kind, "a leak between the steps")
}

// What two Java servers had outside the heap that keep nothing, in KiB, after iterations of 1 s: compilers take memory in
// steps, and give it back late.
func TestCompilersOutsideTheHeap(t *testing.T) {
	for name, series := range map[string]struct {
		requests, outside []uint64
		want              []verdict.Kind
	}{
		"late":  {[]uint64{3093, 4099, 6495, 5021, 3838, 5311, 7493, 8089, 4005, 5847}, []uint64{20684, 21276, 20991, 21185, 20944, 21092, 21161, 22723, 24472, 24480}, []verdict.Kind{verdict.NoLeak, verdict.Inconclusive}},
		"twice": {[]uint64{285, 2842, 7141, 10168, 9468, 8356, 8537, 7561, 9984, 10219}, []uint64{20627, 21286, 20828, 21391, 22887, 22749, 23018, 23053, 24505, 24049}, []verdict.Kind{verdict.NoLeak}},
	} {
		var iterations []verdict.Iteration
		for i := range series.requests {
			held := (series.outside[i] + 120_000) << 10
			iterations = append(iterations, verdict.Iteration{
				Requests: series.requests[i], StartBytes: held, EndBytes: held,
				Parts: map[verdict.Part]uint64{verdict.Live: 18_086_000 + uint64(i%3)*200, verdict.Outside: series.outside[i] << 10},
			})
		}
		v := verdict.Judge(iterations, verdict.Options{Tolerance: 4})
		assert.Contains(t, series.want, v.Kind, "%s: %s", name, v.Sentence)
	}
}

// What a Rust server had live that keeps 208 bytes a request, in KiB: it lies on a line, on which no warm-up can be seen.
func TestLiveMemoryOnALine(t *testing.T) {
	requests := []uint64{36562, 34786, 32495, 32534, 30204, 35262, 35286, 36154, 29577, 48254, 51790, 43909}
	kept := 80_000.0
	var iterations []verdict.Iteration
	for i, r := range requests {
		kept += 208 * float64(r)
		if i < 7 {
			kept += []float64{9000, 200, 400, 700, 100, 300, 900}[i]
		}
		held := uint64(kept) + 3<<20
		iterations = append(iterations, verdict.Iteration{
			Requests: r, StartBytes: held, EndBytes: held,
			Parts: map[verdict.Part]uint64{verdict.Live: uint64(kept), verdict.Outside: 1 << 20},
		})
	}
	v := verdict.Judge(iterations, verdict.Options{Tolerance: 4})
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.InDelta(t, 208, v.Growth, 0.5)
}

// Half a byte a request of a JVM, as it was recorded: classes and code of the first seven iterations move live memory by
// 60 KB, and hide what was kept meanwhile. After them it lies on a line.
func TestALineAfterANoisyWarmUp(t *testing.T) {
	requests := []uint64{1140, 2240, 3296, 2574, 3563, 3381, 2933, 5301, 5651, 6144, 4181, 5432, 3570, 3769, 4259, 3065, 2889, 4079, 3589, 2667}
	live := []uint64{18291824, 18296560, 18361088, 18329456, 18364928, 18370808, 18305848, 18308600, 18311408, 18314528,
		18316608, 18319312, 18321080, 18322952, 18325136, 18326592, 18328048, 18330128, 18331896, 18333248}
	its := split(len(live), 0, linear(0, 0), linear(40e6, 0), linear(30e6, 0))
	for i := range its {
		its[i].Requests, its[i].Parts[verdict.Live] = requests[i], live[i]
	}
	v := verdict.Judge(its, verdict.Options{Tolerance: 0.1})
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.InDelta(t, 0.5, v.Growth, 0.02)
}
