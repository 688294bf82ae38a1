package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

// with sets a part of each iteration to at(i), i from 1.
func with(its []verdict.Iteration, part verdict.Part, at func(i float64) float64) []verdict.Iteration {
	for i := range its {
		if its[i].Parts == nil {
			its[i].Parts = map[verdict.Part]uint64{}
		}
		its[i].Parts[part] = uint64(at(float64(i + 1)))
	}
	return its
}

// leaking grows by 60 bytes a request, 3 MB an iteration of 50,000 requests.
func leaking() []verdict.Iteration {
	return trace(50000, 10, grow(13, 12, func(i float64) float64 { return 3 * i })...)
}

func flat() []verdict.Iteration {
	return trace(50000, 10, grow(13, 12, func(float64) float64 { return 0 })...)
}

func steady(megabytes float64) func(float64) float64 {
	return func(i float64) float64 { return 5*megabyte + megabytes*megabyte*i }
}

func TestPartsAreNamed(t *testing.T) {
	tests := []struct {
		name     string
		its      []verdict.Iteration
		kind     verdict.Kind
		says     []string
		saysNone []string
	}{
		{
			name:     "no part is known",
			its:      leaking(),
			kind:     verdict.Leak,
			saysNone: []string{"anonymous", "live heap", "garbage"},
		},
		{
			name:     "heap",
			its:      with(with(leaking(), verdict.Anonymous, steady(3)), verdict.File, steady(0)),
			kind:     verdict.Leak,
			says:     []string{"Nearly all of it is anonymous memory: heap or stacks."},
			saysNone: []string{"files"},
		},
		{
			name: "mapped files",
			its:  with(with(leaking(), verdict.Anonymous, steady(0.75)), verdict.File, steady(2.25)),
			kind: verdict.Leak,
			says: []string{"About 25% of it is anonymous memory", "About 75% of it is pages of mapped files: no leak of the heap."},
		},
		{
			name: "shared memory",
			its:  with(leaking(), verdict.Shared, steady(3)),
			kind: verdict.Leak,
			says: []string{"Nearly all of it is shared memory or tmpfs"},
		},
		{
			name:     "half of what a runtime holds is live",
			its:      with(leaking(), verdict.LiveHeap, steady(1.5)),
			kind:     verdict.Leak,
			says:     []string{"The live heap, which the garbage collector found in use, grows by 30 bytes a request", "the rest is garbage not yet collected, and pages that the runtime keeps"},
			saysNone: []string{"cannot tell kept memory"},
		},
		{
			name: "stacks",
			its:  with(leaking(), verdict.LiveHeap, steady(0)),
			kind: verdict.Leak,
			says: []string{"The live heap does not grow (less than", "such as stacks"},
		},
		{
			name: "burst: resident memory is inconclusive, the live heap is flat",
			its: with(trace(50000, 10, 20, 14, 27, 19, 25, 13, 28, 17, 24, 15, 26, 18), verdict.LiveHeap,
				steady(0)),
			kind: verdict.Inconclusive,
			says: []string{"what goes up and down are pages that the runtime keeps for a while"},
		},
		{
			name: "connections that stay open, and a thread for each",
			its: with(with(flat(), verdict.OpenFiles, func(i float64) float64 { return 10 + 500*i }), verdict.Threads,
				func(i float64) float64 { return 500 * i }),
			kind: verdict.NoLeak,
			says: []string{"Open files and connections grow by 10 per 1,000 requests: they are not closed.", "Threads grow by 10 per 1,000 requests"},
		},
		{
			name:     "a pool that varies",
			its:      with(flat(), verdict.OpenFiles, func(i float64) float64 { return 100 + float64(int(7*i)%13) }),
			kind:     verdict.NoLeak,
			saysNone: []string{"Open files"},
		},
		{
			name: "uploads that stay in a tmpfs",
			its:  with(with(with(flat(), verdict.Unmapped, steady(3)), verdict.HugeTLB, steady(0)), verdict.PageCache, steady(0)),
			kind: verdict.Leak,
			says: []string{"held memory grows by 60 bytes a request",
				"Files in memory that no process maps (memfd, tmpfs) grow by 60 bytes a request: the kernel cannot take them back."},
			saysNone: []string{"page cache"},
		},
		{
			name: "pages of hugetlbfs",
			its:  with(with(flat(), verdict.HugeTLB, steady(3)), verdict.Unmapped, steady(0)),
			kind: verdict.Leak,
			says: []string{"held memory grows by 60 bytes a request", "Nearly all of it is pages of hugetlbfs."},
		},
		{
			name: "a heap in huge pages",
			its:  with(with(leaking(), verdict.Anonymous, steady(3)), verdict.HugePages, steady(2.4)),
			kind: verdict.Leak,
			says: []string{"About 80% of it is in huge pages, which are resident as a whole once a byte of them is used."},
		},
		{
			name:     "a few huge pages",
			its:      with(with(leaking(), verdict.Anonymous, steady(3)), verdict.HugePages, steady(0.9)),
			kind:     verdict.Leak,
			saysNone: []string{"huge"},
		},
		{
			name: "a log file that grows, and sockets",
			its:  with(with(flat(), verdict.PageCache, steady(5)), verdict.Sockets, steady(2)),
			kind: verdict.NoLeak,
			says: []string{"The page cache of its control group grows by 100 bytes a request", "Socket buffers grow by 40 bytes a request"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verdict.Judge(tt.its, fixed)
			assert.Equal(t, tt.kind, v.Kind)
			for _, text := range tt.says {
				assert.Contains(t, v.Sentence, text)
			}
			for _, text := range tt.saysNone {
				assert.NotContains(t, v.Sentence, text)
			}
		})
	}
}

func TestAPartThatIsMissingOnceIsNotJudged(t *testing.T) {
	its := with(with(leaking(), verdict.Anonymous, steady(3)), verdict.OpenFiles, func(float64) float64 { return 7 })
	delete(its[5].Parts, verdict.Anonymous)
	v := verdict.Judge(its, fixed)
	require.Len(t, v.Parts, 1)
	assert.Equal(t, verdict.OpenFiles, v.Parts[0].Part)
	assert.Zero(t, v.Parts[0].Growth)
	assert.Negative(t, v.Parts[0].Lower)
	assert.Positive(t, v.Parts[0].Upper)
}

func TestPartsAreJudgedAfterARestart(t *testing.T) {
	its := append(with(leaking(), verdict.Anonymous, steady(9)), with(leaking(), verdict.Anonymous, steady(3))...)
	v := verdict.Judge(its, fixed)
	assert.Equal(t, 13, v.RestartedBefore)
	require.Len(t, v.Parts, 1)
	assert.InDelta(t, 60, v.Parts[0].Growth, 0.1)
}

func TestRest(t *testing.T) {
	its := leaking() // 13 + 36 MB in the end, of which 33 MB after the first iteration
	judge := func(rest float64) verdict.Verdict {
		return verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: &verdict.Rest{Seconds: 5, Bytes: uint64(rest * megabyte)}})
	}
	kept := judge(49)
	assert.Equal(t, verdict.Leak, kept.Kind)
	assert.Zero(t, kept.GivenBack)
	assert.Contains(t, kept.Sentence, "Of the 31.5 MiB gained nothing was given back in 5 s of rest.")

	half := judge(33)
	assert.Equal(t, verdict.Leak, half.Kind)
	assert.EqualValues(t, 16*megabyte, half.GivenBack)
	assert.Contains(t, half.Sentence, "Of the 31.5 MiB gained, 15.3 MiB were given back in 5 s of rest.")

	all := judge(17)
	assert.Equal(t, verdict.Inconclusive, all.Kind, "the allocator kept it for a while")
	assert.Contains(t, all.Sentence, "but it does not stay")
	assert.Contains(t, all.Advice, "SETTLE")
	assert.Zero(t, all.MoreIterations)

	grown := judge(60)
	assert.Equal(t, verdict.Leak, grown.Kind)
	assert.EqualValues(t, -11*megabyte, grown.GivenBack)

	calm := verdict.Judge(flat(), verdict.Options{Tolerance: 4, Rest: &verdict.Rest{Seconds: 5, Bytes: 9 * megabyte}})
	assert.Equal(t, verdict.NoLeak, calm.Kind)
	assert.NotContains(t, calm.Sentence, "gained", "nothing was")
}

// Most clean servers give nothing back in a few seconds of rest: the sentence says what that proves of their allocator.
func TestWhatARestProves(t *testing.T) {
	for name, test := range map[string]struct {
		allocator verdict.Allocator
		seconds   float64
		want      string
	}{
		"unknown": {verdict.Allocator{}, 5, "That proves little: most allocators give nothing back at rest."},
		"at no time": {
			verdict.Allocator{Name: "glibc's malloc", AtRest: "gives nothing back at rest"}, 15,
			"That proves little: glibc's malloc gives nothing back at rest.",
		},
		"later": {
			verdict.Allocator{Name: "Erlang", AtRest: "gives memory back within 10 s", Seconds: 15}, 5,
			"That proves little: Erlang gives memory back within 10 s (RELEASE=15s shows it).",
		},
		"in time": {
			verdict.Allocator{Name: "jemalloc", AtRest: "gives memory back within 10 s", Seconds: 15}, 15,
			"Jemalloc gives memory back within 10 s: what stays is in use or fragmented.",
		},
	} {
		v := verdict.Judge(leaking(), verdict.Options{Tolerance: 4, Allocator: test.allocator, Rest: &verdict.Rest{Seconds: test.seconds, Bytes: 49 * megabyte}})
		assert.Contains(t, v.Sentence, " s of rest. "+test.want, name)

		v = verdict.Judge(leaking(), verdict.Options{Tolerance: 4, Allocator: test.allocator, Rest: &verdict.Rest{Seconds: test.seconds, Bytes: 33 * megabyte}})
		assert.NotContains(t, v.Sentence, test.want, "%s: some was given back", name)
	}
}
