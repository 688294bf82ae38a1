package live

import (
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
	// jeprof tells the same.
	assert.Equal(t, int64(275), all[1].objects)
	assert.Equal(t, int64(1_434_874), all[1].bytes)
	assert.True(t, strings.HasPrefix(all[1].addresses, " 0x7f8be78a2630 0x7f8be78a2d21 "), all[1].addresses)
	for _, wrong := range []string{"", "heap_v2/", "heap_v2/0\n", "heap_v2/-1\n", "heap_v2/99999999999999999999\n", "heap profile: 1: 8 [1: 8] @ heapprofile\n"} {
		_, _, err := parseHeapV2([]byte(wrong))
		assert.Error(t, err, "%q", wrong)
	}
}

func TestUnsampledObjects(t *testing.T) {
	// Objects of 4 KiB are sampled with a probability of 1 - 1/e where one in 4 KiB is.
	seen := 1 - 1/math.E
	held := unsampled(1000, 1000*4096, 4096, "")
	assert.InEpsilon(t, 1000/seen, float64(held.objects), 0.001)
	assert.InEpsilon(t, 1000*4096/seen, float64(held.bytes), 0.001)
	held = unsampled(3, 3<<30, 512<<10, "")
	assert.Equal(t, int64(3), held.objects, "large ones are all sampled")
	held = unsampled(1, 1, mostBytes, "")
	assert.Equal(t, int64(mostBytes), held.objects)
	assert.Equal(t, int64(mostBytes), unsampled(mostBytes, mostBytes, 1, "").bytes)
}

func FuzzJemallocSites(f *testing.F) {
	content, err := os.ReadFile("testdata/jemalloc/leak.heap")
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add([]byte("heap_v2/1125899906842624\n@ 0x1 0xffffffffffffffff\nt*: 1125899906842624: 1 [0: 0]\n"))
	f.Fuzz(func(t *testing.T, profile []byte) {
		p := mappedProcess{process{Root: t.TempDir()}, parseMappings(profile)}
		sites, _ := jemallocSites(profile, p, newNativeSymbols())
		assertSane(t, sites)
	})
}
