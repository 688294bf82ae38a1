package verdict_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"leaklab/loader/verdict"
)

// held is what a site holds after each iteration, in bytes; done is how many requests were made by then.
type held func(r *rand.Rand) func(iteration int, done float64) float64

// retains is a site that keeps that much of each request.
func retains(growth float64) held {
	return func(*rand.Rand) func(int, float64) float64 {
		return func(_ int, done float64) float64 { return growth * done }
	}
}

// moves is a site that moves by noise of that standard deviation: any level each time, or, where it walks, from where it was.
func moves(noise float64, walks bool) held {
	return func(r *rand.Rand) func(int, float64) float64 {
		level := 0.0
		return func(int, float64) float64 {
			if !walks {
				level = 0
			}
			level += noise * r.NormFloat64()
			return level
		}
	}
}

// samples is a site that holds the same always, as a heap profile estimates it: each of some objects, on average, stands for
// that many bytes.
func samples(bytes, average float64) held {
	return func(r *rand.Rand) func(int, float64) float64 {
		return func(int, float64) float64 {
			count := 0.0
			for at := r.ExpFloat64(); at < average; at += r.ExpFloat64() {
				count++
			}
			return bytes * count
		}
	}
}

// both is the sum of two.
func both(a, b held) held {
	return func(r *rand.Rand) func(int, float64) float64 {
		first, second := a(r), b(r)
		return func(i int, done float64) float64 { return first(i, done) + second(i, done) }
	}
}

// stops is a cache that fills, with that many bytes in all, and is about full after the given number of requests.
func stops(bytes, requests float64) held {
	return func(*rand.Rand) func(int, float64) float64 {
		return func(_ int, done float64) float64 { return bytes * (1 - math.Exp(-3*done/requests)) }
	}
}

const (
	sitesRequests = 10_000
	objectBytes   = 104
)

// sitesRun is a run whose live memory is the sum of its sites, beside noise of that standard deviation.
func sitesRun(r *rand.Rand, iterations int, noise float64, sites ...held) ([]verdict.Iteration, []verdict.SiteReadings) {
	all := make([]verdict.Iteration, iterations)
	readings := make([]verdict.SiteReadings, len(sites))
	for n := range all {
		requests := uint64(sitesRequests + r.IntN(500))
		all[n] = verdict.Iteration{Requests: requests, StartBytes: 1 << 30, EndBytes: 1 << 30, Parts: map[verdict.Part]uint64{verdict.Outside: 30 << 20}}
	}
	live := make([]float64, iterations)
	for s, site := range sites {
		at, base, done := site(r), 1e6+1e6*r.Float64(), 0.0
		for n := range all {
			done += float64(all[n].Requests)
			bytes := max(0, base+at(n, done))
			live[n] += bytes
			readings[s].Bytes = append(readings[s].Bytes, int64(bytes))
			readings[s].Objects = append(readings[s].Objects, int64(bytes/objectBytes))
		}
	}
	for n := range all {
		all[n].Parts[verdict.Live] = uint64(live[n] + 20e6 + noise*r.NormFloat64())
	}
	return all, readings
}

// judgeSites is JudgeSites with a tolerance of 4 bytes.
func judgeSites(iterations []verdict.Iteration, sites []verdict.SiteReadings) verdict.SitesVerdict {
	return verdict.JudgeSites(iterations, sites, 0, fixed)
}

func TestSiteThatKeepsIsFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 1))
	for _, n := range []int{6, 8, 12, 40} {
		iterations, sites := sitesRun(r, n, 2000, moves(300, false), retains(104), retains(24), moves(300, true), retains(0))
		v := judgeSites(iterations, sites)
		require.True(t, v.Grows, n)
		require.Len(t, v.Sites, 2, n)
		first := v.Sites[0]
		assert.Equal(t, 1, first.Site)
		assert.InDelta(t, 104, first.Bytes.Estimate, 0.1)
		require.NotNil(t, first.Objects)
		assert.InDelta(t, 1, first.Objects.Estimate, 0.01)
		assert.LessOrEqual(t, first.Objects.Lower, 1.0)
		assert.GreaterOrEqual(t, first.Objects.Upper, 1.0)
		assert.Equal(t, 2, v.Sites[1].Site)
		assert.Equal(t, 5, v.LookedAt)
		assert.InDelta(t, v.Live.Estimate, first.Bytes.Estimate+v.Sites[1].Bytes.Estimate, 1)
		assert.Equal(t, n, v.Judged.Last)
	}
}

// A planted growth lies in its interval in about 95% of the runs, whether the readings of the site are exact, noisy or walk.
func TestIntervalOfASiteHoldsTheTruth(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 40
	}
	for _, tt := range []struct {
		name  string
		noise held
		least float64 // share; a warm-up is cut from a walk where that looks more even
	}{{"exact", retains(0), 0.95}, {"white", moves(20_000, false), 0.95}, {"walk", moves(10_000, true), 0.92}} {
		for _, n := range []int{8, 12, 30} {
			r := rand.New(rand.NewPCG(22, uint64(n)))
			holds, found := 0, 0
			for range runs {
				iterations, sites := sitesRun(r, n, 2000, both(retains(104), tt.noise), moves(300, false))
				v := judgeSites(iterations, sites)
				if len(v.Sites) == 0 {
					continue
				}
				found++
				if b := v.Sites[0].Bytes; b.Lower <= 104 && 104 <= b.Upper {
					holds++
				}
			}
			assert.GreaterOrEqual(t, float64(found), 0.9*float64(runs), "%s, %d iterations", tt.name, n)
			assert.GreaterOrEqual(t, float64(holds)/float64(found), tt.least-2*math.Sqrt(0.05*0.95/float64(found)), "%s, %d iterations", tt.name, n)
		}
	}
}

// Four thousand sites that only move, by as much as would count if it were growth, add at most 5% of false discoveries.
func TestFalseDiscoveriesAmongManySites(t *testing.T) {
	runs := 10
	if testing.Short() {
		runs = 4
	}
	for _, walks := range []bool{false, true} {
		var shares []float64
		for _, n := range []int{5, 6, 10, 20} {
			r := rand.New(rand.NewPCG(22, uint64(n)))
			for range runs {
				planted := []held{retains(104), retains(60), retains(30), retains(12)}
				all := slices.Clone(planted)
				for range 4000 {
					all = append(all, moves(60_000, walks))
				}
				iterations, sites := sitesRun(r, n, 0, all...)
				setLive(iterations, sites[:len(planted)])
				v := judgeSites(iterations, sites)
				require.GreaterOrEqual(t, len(v.Sites), len(planted))
				wrong := len(v.Sites) - len(planted)
				shares = append(shares, float64(wrong)/float64(len(v.Sites)))
			}
		}
		mean, deviation := stat.MeanStdDev(shares, nil)
		assert.LessOrEqual(t, mean, verdict.FalseDiscoveryRate+2*deviation/math.Sqrt(float64(len(shares))), "walks: %v", walks)
		assert.Less(t, mean, 2*verdict.FalseDiscoveryRate, "walks: %v", walks)
	}
}

// setLive has live memory be the sum of these sites: others cancel out.
func setLive(iterations []verdict.Iteration, sites []verdict.SiteReadings) {
	for n := range iterations {
		live := int64(100e6)
		for _, s := range sites {
			live += s.Bytes[n]
		}
		iterations[n].Parts[verdict.Live] = uint64(live)
	}
}

// Hundreds of sites that hold about the same, by exact readings or by a sample, are no leak, nor is a cache that fills. One
// that keeps less than the tolerance is listed where chance has live memory seem to grow by more, and not else.
func TestSitesOfACleanServer(t *testing.T) {
	for name, site := range map[string]held{"white": moves(300, false), "walk": moves(300, true), "one sample in 32 KiB": samples(32<<10, 3), "few samples": samples(512<<10, 0.3)} {
		for _, n := range []int{5, 6, 8, 12} {
			r := rand.New(rand.NewPCG(22, uint64(n)))
			for run := range 4 {
				const less = 300
				all := append(slices.Repeat([]held{site}, less), retains(1), stops(3e5, 3*sitesRequests))
				iterations, sites := sitesRun(r, n, 2000, all...)
				v := judgeSites(iterations, sites)
				wrong := slices.DeleteFunc(v.Sites, func(s verdict.SiteGrowth) bool { return v.Grows && s.Site == less })
				assert.Empty(t, wrong, "%s, %d iterations, run %d", name, n, run)
			}
		}
	}
}

// A site whose growth has stopped, or slows down, is not listed beside one that goes on.
func TestSiteThatStopsIsNotListed(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 4))
	steps := func(*rand.Rand) func(int, float64) float64 {
		return func(i int, _ float64) float64 { return 4e6 * float64(min(i/2, 3)) }
	}
	for _, n := range []int{10, 14, 30} {
		iterations, sites := sitesRun(r, n, 2000, retains(104), stops(4e6, float64(n)*sitesRequests), steps)
		v := judgeSites(iterations, sites)
		require.Len(t, v.Sites, 1, n)
		assert.Equal(t, 0, v.Sites[0].Site)
	}
}

// Where live memory is too noisy to show growth, a site may: by more than the tolerance.
func TestSiteOfNoisyLiveMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 5))
	iterations, sites := sitesRun(r, 12, 30e6, retains(50), retains(2))
	v := judgeSites(iterations, sites)
	require.False(t, v.Grows)
	require.Len(t, v.Sites, 1)
	assert.Equal(t, 0, v.Sites[0].Site)
}

// Six readings of a warm-up that slows down look like a line: a site of live memory that does not leak has to show more.
func TestSitesOfAWarmUp(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 10))
	for run := range 20 {
		warming := both(stops(1e6+1e6*r.Float64(), 12*sitesRequests), moves(10_000, false))
		iterations, sites := sitesRun(r, 6, 2000, warming, warming, moves(300, false))
		v := judgeSites(iterations, sites)
		require.True(t, v.Grows, run)
		require.NotEqual(t, verdict.Leak, verdict.Judge(iterations, fixed).Kind, run)
		assert.Empty(t, v.Sites, run)
	}
}

func TestSitesThatAreNotJudged(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 6))
	iterations, sites := sitesRun(r, 12, 0, retains(104))
	assert.Zero(t, judgeSites(nil, nil))
	assert.Empty(t, judgeSites(iterations[:3], nil).Sites)
	v := judgeSites(iterations, nil)
	assert.True(t, v.Grows, "to be named")
	assert.Empty(t, v.Sites)
	assert.Equal(t, 9000, verdict.JudgeSites(iterations, sites, 9000, fixed).LookedAt)
	assert.Empty(t, verdict.JudgeSites(iterations, sites, 0, verdict.Options{Tolerance: 500}).Sites, "live memory grows by less than the tolerance")
	for _, it := range iterations {
		delete(it.Parts, verdict.Live)
	}
	assert.Zero(t, judgeSites(iterations, sites))
}

// At most ten are listed, and a share of live growth that is less than one percent is left out.
func TestLargestSitesAreListed(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 7))
	var all []held
	for n := range 15 {
		all = append(all, retains(float64(10+n)))
	}
	iterations, sites := sitesRun(r, 12, 0, append(all, retains(2))...)
	v := judgeSites(iterations, sites)
	require.Len(t, v.Sites, verdict.MostSites)
	for n, s := range v.Sites {
		assert.Equal(t, 14-n, s.Site)
	}
	iterations, sites = sitesRun(r, 12, 0, retains(1000), retains(9), retains(11))
	v = judgeSites(iterations, sites)
	require.Len(t, v.Sites, 2)
	assert.Equal(t, 2, v.Sites[1].Site)
}

// BenchmarkJudgeSites judges 4,096 sites in 1,000 iterations, of which many grow.
func BenchmarkJudgeSites(b *testing.B) {
	r := rand.New(rand.NewPCG(22, 8))
	for _, growing := range []int{3, 90} {
		var all []held
		for n := range 4096 {
			if n < growing {
				all = append(all, both(retains(10), moves(3000, true)))
			} else {
				all = append(all, moves(3000, true))
			}
		}
		iterations, sites := sitesRun(r, 1000, 0, all...)
		b.Run(fmt.Sprint(growing), func(b *testing.B) {
			for b.Loop() {
				judgeSites(iterations, sites)
			}
		})
	}
}
