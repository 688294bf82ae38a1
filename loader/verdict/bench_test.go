package verdict_test

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// BenchmarkJudge judges 1,000 iterations, of resident memory alone and of all parts that an iteration can have.
func BenchmarkJudge(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var ends []float64
	for i := range 1000 {
		ends = append(ends, 20+0.5*math.Min(float64(i), 300)+0.3*r.NormFloat64())
	}
	for _, run := range []struct {
		name       string
		iterations []verdict.Iteration
	}{
		{"resident", trace(30000, 12, ends...)},
		{"parts/clean", withAllParts(synthetic.Clean, r)},
		{"parts/leak", withAllParts(synthetic.List, r)},
	} {
		b.Run(run.name, func(b *testing.B) {
			for b.Loop() {
				verdict.Judge(run.iterations, fixed)
			}
		})
	}
}

// withAllParts are 1,000 iterations in which everything was read.
func withAllParts(live synthetic.LivePattern, r *rand.Rand) []verdict.Iteration {
	iterations := synthetic.MakeSplit(synthetic.SplitPlan{
		Live: live, Iterations: 1000, Requests: 30000, Object: 64, LiveNoise: 2000,
		Outside: synthetic.Plan{Pattern: synthetic.Flat, Noise: 1e5, Persistence: 0.5},
	}, r).Iterations
	for n := range iterations {
		it := &iterations[n]
		it.StartSecond, it.EndSecond = 4*float64(n), 4*float64(n)+3.5
		all := map[verdict.Part]uint64{}
		for _, part := range []verdict.Part{
			verdict.Anonymous, verdict.File, verdict.Shared, verdict.LiveHeap, verdict.PageCache, verdict.Sockets, verdict.OpenFiles,
			verdict.Threads, verdict.Swapped, verdict.LazyFree, verdict.HugePages, verdict.HugeTLB, verdict.Unmapped,
			verdict.MappedSize, verdict.Mappings,
		} {
			all[part] = 4096 * uint64(1000+r.IntN(100))
		}
		all[verdict.Committed] = it.Parts[verdict.Live] + 4096*uint64(r.IntN(1000))
		maps.Copy(all, it.Parts)
		it.Parts = all
	}
	return iterations
}
