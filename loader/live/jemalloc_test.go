package live

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseHeapV2(t *testing.T) {
	content, err := os.ReadFile("testdata/jemalloc/leak.heap")
	require.NoError(t, err)
	every, stacks, err := parseHeapV2(content)
	require.NoError(t, err)
	assert.Equal(t, int64(4096), every)
	all := slices.Collect(stacks)
	require.Len(t, all, 5)
	assert.Equal(t, int64(198), all[1].objects)
	assert.Equal(t, int64(1_033_819), all[1].bytes)
	assert.Equal(t, int64(1_434_874), unsampled(all[1], every).bytes, "as jeprof tells")
	assert.Equal(t, int64(198*16384-1_033_819+16384-4032), promoted(slices.Values(all), 16384), "two stacks have small objects")
	assert.True(t, strings.HasPrefix(all[1].addresses, " 0x7f8be78a2630 0x7f8be78a2d21 "), all[1].addresses)
	for _, wrong := range []string{"", "heap_v2/", "heap_v2/0\n", "heap_v2/-1\n", "heap_v2/99999999999999999999\n", "heap profile: 1: 8 [1: 8] @ heapprofile\n"} {
		_, _, err := parseHeapV2([]byte(wrong))
		assert.Error(t, err, "%q", wrong)
	}
}

func TestUnsampledObjects(t *testing.T) {
	// Objects of 4 KiB are sampled with a probability of 1 - 1/e where one in 4 KiB is.
	seen := 1 - 1/math.E
	held := unsampled(heldStack{1000, 1000 * 4096, ""}, 4096)
	assert.InEpsilon(t, 1000/seen, float64(held.objects), 0.001)
	assert.InEpsilon(t, 1000*4096/seen, float64(held.bytes), 0.001)
	held = unsampled(heldStack{3, 3 << 30, ""}, 512<<10)
	assert.Equal(t, int64(3), held.objects, "large ones are all sampled")
	held = unsampled(heldStack{1, 1, ""}, mostBytes)
	assert.Equal(t, int64(mostBytes), held.objects)
	assert.Equal(t, int64(mostBytes), unsampled(heldStack{mostBytes, mostBytes, ""}, 1).bytes)
}

// A profile may have as many stacks as fit into it, each in a place of its own.
func TestLargestProfileOfJemalloc(t *testing.T) {
	profile := []byte("heap_v2/4096\n")
	for n := 0; len(profile) < 16<<20; n++ {
		profile = fmt.Appendf(profile, "@ %#x\nt*:1:9[0:0]\n", 1<<20+n)
	}
	p := mappedProcess{process{Root: t.TempDir()}, parseMappings([]byte("100000-ffffffff r-xp 0 0:0 1 /srv/server\n"))}
	before := heapInUse()
	_, stacks, err := parseHeapV2(profile)
	require.NoError(t, err)
	var most int64
	booked := 0
	watched := func(yield func(heldStack) bool) {
		for held := range stacks {
			if booked++; booked%20_000 == 0 {
				most = max(most, heapInUse()-before)
			}
			if !yield(held) {
				return
			}
		}
	}
	symbols := newNativeSymbols()
	assert.Len(t, nativeSites(watched, p, symbols), mostSites)
	assert.Equal(t, mostNamed, symbols.named)
	assert.Less(t, booked, 2*mostNamed)
	assert.Positive(t, most)
	assert.Less(t, most, int64(64<<20))
}

func FuzzJemallocSites(f *testing.F) {
	content, err := os.ReadFile("testdata/jemalloc/leak.heap")
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add([]byte("heap_v2/1125899906842624\n@ 0x1 0xffffffffffffffff\nt*: 1125899906842624: 1 [0: 0]\n"))
	f.Fuzz(func(t *testing.T, profile []byte) {
		p := mappedProcess{process{Root: t.TempDir()}, parseMappings(profile)}
		if every, stacks, err := parseHeapV2(profile); err == nil {
			assertSane(t, jemallocSites(every, stacks, p, newNativeSymbols()))
			assert.GreaterOrEqual(t, promoted(stacks, 16384), int64(0))
		}
	})
}
