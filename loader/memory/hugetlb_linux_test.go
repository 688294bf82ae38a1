package memory

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hugePage is the size of the pages of hugetlbfs that the tests ask for.
const (
	hugePage     = 1 << hugePageBits
	hugePageBits = 21
)

// mapHuge maps pages of hugetlbfs and writes to each. It has the kernel lend some where none are reserved and the user may.
func mapHuge(t *testing.T, descriptor, pages, flags int) []byte {
	t.Helper()
	flags |= unix.MAP_HUGETLB | hugePageBits<<unix.MAP_HUGE_SHIFT
	mapped, err := unix.Mmap(descriptor, 0, pages*hugePage, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		lendHuge(t)
		if mapped, err = unix.Mmap(descriptor, 0, pages*hugePage, unix.PROT_READ|unix.PROT_WRITE, flags); err != nil {
			t.Skipf("this machine has no pages of hugetlbfs to give: %v", err)
		}
	}
	for n := range pages {
		mapped[n*hugePage] = 1
	}
	return mapped
}

// lendHuge lets pages of hugetlbfs be made on demand, until the test ends. That is a setting of the whole machine, so that
// only the long tests change it.
func lendHuge(t *testing.T) {
	t.Helper()
	if os.Getenv("LEAKLAB_LONG") != "1" {
		t.Skip("no pages of hugetlbfs are reserved; LEAKLAB_LONG=1 lets some be made")
	}
	const setting = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"
	before, err := os.ReadFile(setting)
	if err != nil {
		t.Skip("this kernel has no hugetlbfs with pages of 2 MiB")
	}
	pages, err := strconv.Atoi(strings.TrimSpace(string(before)))
	require.NoError(t, err)
	if err := os.WriteFile(setting, []byte(strconv.Itoa(pages+8)), 0o600); err != nil {
		t.Skipf("pages of hugetlbfs may not be made here: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(setting, before, 0o600)) })
}

// No process's resident memory has them.
func TestPagesOfHugetlbfsAreHeld(t *testing.T) {
	outside := func() int64 {
		sum, err := AnonymousOf(os.Getpid())
		require.NoError(t, err)
		return sum
	}
	before, anonymous := heldByItself(t), outside()
	mapped := mapHuge(t, -1, 3, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	during := heldByItself(t)
	assert.EqualValues(t, 3*hugePage, during.Held.HugeTLB-before.Held.HugeTLB)
	assert.Equal(t, before.Held.Unmapped, during.Held.Unmapped)
	assert.InDelta(t, before.Total, during.Total, hugePage)
	assert.InDelta(t, before.HeldBytes()+3*hugePage, during.HeldBytes(), hugePage)
	assert.InDelta(t, anonymous+3*hugePage, outside(), hugePage)
	require.NoError(t, unix.Munmap(mapped))
	assert.Equal(t, before.Held.HugeTLB, heldByItself(t).Held.HugeTLB)
}

// A file of such pages counts once, mapped or not.
func TestAFileOfHugetlbfsIsHeld(t *testing.T) {
	descriptor, err := unix.MemfdCreate("huge", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|hugePageBits<<unix.MFD_HUGE_SHIFT)
	if err != nil {
		t.Skipf("memfd_create of hugetlbfs: %v", err)
	}
	file := os.NewFile(uintptr(descriptor), "huge")
	require.NoError(t, file.Truncate(2*hugePage))
	before := heldByItself(t)
	mapped := mapHuge(t, descriptor, 2, unix.MAP_SHARED)
	during := heldByItself(t)
	assert.EqualValues(t, 2*hugePage, during.Held.HugeTLB-before.Held.HugeTLB)
	assert.Equal(t, before.Held.Unmapped, during.Held.Unmapped)

	require.NoError(t, unix.Munmap(mapped))
	unmapped := heldByItself(t)
	assert.Equal(t, before.Held.HugeTLB, unmapped.Held.HugeTLB)
	assert.EqualValues(t, 2*hugePage, unmapped.Held.Unmapped-before.Held.Unmapped)
	require.NoError(t, file.Close())
	assert.Equal(t, before.Held.Unmapped, heldByItself(t).Held.Unmapped)
}
