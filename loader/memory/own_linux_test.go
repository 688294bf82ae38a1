package memory

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnMemory(t *testing.T) {
	assert.Equal(t, int64(100+20+8-3)<<10, ownOf([]byte("00400000-7fff00000000 ---p 00000000 00:00 0    [rollup]\n"+
		"Rss:    500 kB\nPss_Anon:  50 kB\nAnonymous:  100 kB\nLazyFree:  3 kB\nShared_Hugetlb:  4 kB\nPrivate_Hugetlb:  8 kB\nSwap:  20 kB\nSwapPss:  10 kB\n")))
	assert.Zero(t, ownOf(nil))
}

// A forked process shares its pages with the one that forked it until one of the two writes to them, which is no growth.
func TestOwnMemoryOfAForkedProcess(t *testing.T) {
	parent := run(t, `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); eval "v$i=$i"; done; (echo ready; read x) 3<&0; true`).Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", parent))
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	shares, err := AnonymousOf(child)
	require.NoError(t, err)

	members := func(listens bool) []Member {
		var all []Member
		for _, pid := range []int{parent, child} {
			m, _, err := memberOf(pid)
			require.NoError(t, err)
			m.Listens = listens
			all = append(all, m)
		}
		readOwn(all)
		return all
	}
	own := members(true)
	assert.Greater(t, own[1].Own, shares*3/2)
	assert.InEpsilon(t, own[0].Own, own[1].Own, 0.2)
	for _, m := range members(false) {
		assert.Zero(t, m.Own, "no program that listens")
	}
	alone := own[:1]
	alone[0].Own = 0
	readOwn(alone)
	assert.Zero(t, alone[0].Own)
}
