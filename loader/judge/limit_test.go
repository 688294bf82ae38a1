package judge

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// measured judges ten iterations of 1 s with 1,000 requests each, as change makes them.
func measured(plan Plan, change func(i *lab.Iteration, n int64)) *Judge {
	plan.Options = verdict.Options{Tolerance: 4}
	j := New(plan)
	for number := range 10 {
		i := lab.Iteration{
			Number: number + 1, Of: 10, Requests: 1000, Load: load.Result{Totals: totals(1000), Elapsed: time.Second},
			Start: memory.Reading{Total: 100 << 20}, End: memory.Reading{Total: 100 << 20, Processes: 1, Held: &memory.Held{}},
		}
		change(&i, int64(number+1))
		add(j, i)
	}
	return j
}

// keeps gives an iteration live memory that grows by 10,000 bytes a request, in a heap whose size the kernel sees unchanged.
func keeps(limit memory.Limit, processes int) func(i *lab.Iteration, n int64) {
	return func(i *lab.Iteration, n int64) {
		i.Live = &lab.Live{Live: memory.Live{Bytes: 10<<20 + n*10_000_000, Heap: 200 << 20, Limit: limit, Processes: processes, Outside: 10 << 20}, Idle: -1}
	}
}

func TestTheNearestLimitCounts(t *testing.T) {
	heap := memory.Limit{Bytes: 256 << 20, Of: "-Xmx"}
	left := float64(heap.Bytes) - 10<<20 - 100_000_000
	one := measured(Plan{}, keeps(heap, 1))
	assert.Equal(t, verdict.Leak, one.Verdict().Kind)
	assert.InEpsilon(t, left/10_000_000, one.TimeToLimit(), 0.01)
	assert.Equal(t, "Under this load the server reaches the limit of -Xmx, 256 MiB, in 15 s.", one.timeToLimit())
	assert.Equal(t, verdict.HeapLimit{Bytes: 256 << 20, Of: "-Xmx"}, one.options.HeapLimit)

	four := measured(Plan{}, keeps(heap, 4))
	assert.InEpsilon(t, (float64(heap.Bytes)-(10<<20+100_000_000)/4.0)/2_500_000, four.TimeToLimit(), 0.01, "each has a quarter of it")

	// The container is full before the heap. Held memory does not grow yet, but live memory does.
	near := measured(Plan{Limit: memory.Limit{Bytes: 120 << 20, Of: "its cgroup"}}, keeps(heap, 1))
	assert.InEpsilon(t, float64(20<<20)/10_000_000, near.TimeToLimit(), 0.01)
	assert.Equal(t, "Under this load the server reaches the limit of its cgroup, 120 MiB, in 2 s.", near.timeToLimit())

	full := measured(Plan{}, keeps(memory.Limit{Bytes: 1 << 20, Of: "-Xmx"}, 1))
	assert.Zero(t, full.TimeToLimit())
	assert.True(t, math.IsInf(measured(Plan{}, keeps(memory.Limit{}, 0)).TimeToLimit(), 1), "no limit")
}

// Heap slack that grows is collected before it fills the machine.
func TestHeapSlackNearsNoLimit(t *testing.T) {
	keep := keeps(memory.Limit{}, 1)
	j := measured(Plan{Limit: memory.Limit{Bytes: 1000 << 20, Of: "the machine"}}, func(i *lab.Iteration, n int64) {
		keep(i, n)
		i.End.Total += n * 40_000_000
		i.Live.Heap += n * 40_000_000
	})
	assert.Equal(t, verdict.Leak, j.Verdict().Kind)
	assert.InEpsilon(t, (900<<20-400_000_000)/10_000_000.0, j.TimeToLimit(), 0.01)
}

// Buffers outside the heap have a limit that the heap's does not tell.
func TestTheLimitOfBuffersCounts(t *testing.T) {
	direct := memory.Limit{Bytes: 256 << 20, Of: "its direct buffers (-XX:MaxDirectMemorySize)"}
	grow := func(buffers, processes int64, limit memory.Limit) func(i *lab.Iteration, n int64) {
		return func(i *lab.Iteration, n int64) {
			i.Live = &lab.Live{Live: memory.Live{
				Bytes: 10 << 20, Heap: 20 << 20, Limit: memory.Limit{Bytes: 512 << 20, Of: "-Xmx"}, Processes: int(processes),
				Outside: 30<<20 + n*10_000_000, Buffers: 20<<20 + n*buffers, BuffersLimit: limit,
			}, Idle: -1}
		}
	}
	j := measured(Plan{}, grow(10_000_000, 1, direct))
	assert.Equal(t, verdict.Outside, j.Verdict().Of)
	assert.InEpsilon(t, (float64(256<<20)-20<<20-100_000_000)/10_000_000, j.TimeToLimit(), 0.01)
	assert.Equal(t, "Under this load the server reaches the limit of its direct buffers (-XX:MaxDirectMemorySize), 256 MiB, in 14 s.", j.timeToLimit())

	two := measured(Plan{}, grow(10_000_000, 2, direct))
	assert.InEpsilon(t, (float64(256<<20)-(20<<20+100_000_000)/2.0)/5_000_000, two.TimeToLimit(), 0.01, "each has half of it")

	assert.True(t, math.IsInf(measured(Plan{}, grow(0, 1, direct)).TimeToLimit(), 1), "other memory outside the heap grows")
	assert.True(t, math.IsInf(measured(Plan{}, grow(10_000_000, 1, memory.Limit{})).TimeToLimit(), 1), "no limit")
}

// What is held beside resident memory counts too.
func TestWhatIsHeldBesideResidentMemoryNearsTheLimit(t *testing.T) {
	for name, held := range map[string]func(bytes int64) memory.Held{
		"swap":     func(bytes int64) memory.Held { return memory.Held{Swapped: bytes} },
		"huge":     func(bytes int64) memory.Held { return memory.Held{HugeTLB: bytes} },
		"unmapped": func(bytes int64) memory.Held { return memory.Held{Unmapped: bytes} },
	} {
		growing := measured(Plan{Limit: memory.Limit{Bytes: 300 << 20, Of: "the machine"}}, func(i *lab.Iteration, n int64) {
			*i.End.Held = held(n * 10_000_000)
		})
		assert.Equal(t, verdict.Held, growing.Verdict().Of, name)
		assert.InEpsilon(t, (float64(200<<20)-100_000_000)/10_000_000, growing.TimeToLimit(), 0.01, name)
	}
}

// Descriptors, threads and mappings run out without a leak of memory.
func TestLimitsOfOtherResources(t *testing.T) {
	limits := []Limit{
		{Part: verdict.OpenFiles, Most: 65_536, Of: "ulimit -n"}, {Part: verdict.Threads, Most: 30_000, Of: "its cgroup (pids.max)"},
		{Part: verdict.Mappings, Most: 65_530, Of: "vm.max_map_count"},
	}
	for name, tt := range map[string]struct {
		change  func(i *lab.Iteration, n int64)
		seconds float64
		limit   string
	}{
		"open files": {func(i *lab.Iteration, n int64) { i.End.OpenFiles = int(1000 * n) }, 55.536, "ulimit -n, 65536 open files"},
		"two processes": {func(i *lab.Iteration, n int64) { i.End.OpenFiles, i.End.Processes = int(1000*n), 2 },
			60.536 / 0.5, "ulimit -n, 65536 open files"},
		"threads":  {func(i *lab.Iteration, n int64) { i.End.Threads = int(500 * n) }, 50, "its cgroup (pids.max), 30000 threads"},
		"mappings": {func(i *lab.Iteration, n int64) { i.End.Held.Count = int(2000 * n) }, 22.765, "vm.max_map_count, 65530 mappings"},
		"both": {func(i *lab.Iteration, n int64) { i.End.OpenFiles, i.End.Threads = int(1000*n), int(2000*n) },
			5, "its cgroup (pids.max), 30000 threads"},
	} {
		j := measured(Plan{Limits: limits}, tt.change)
		assert.NotEqual(t, verdict.Leak, j.Verdict().Kind, name)
		assert.InEpsilon(t, tt.seconds, j.TimeToLimit(), 0.01, name)
		assert.Contains(t, j.timeToLimit(), "reaches the limit of "+tt.limit, name)
	}
	flat := measured(Plan{Limits: limits}, func(i *lab.Iteration, _ int64) { i.End.OpenFiles, i.End.Threads, i.End.Held.Count = 50, 10, 300 })
	assert.True(t, math.IsInf(flat.TimeToLimit(), 1))
	unknown := measured(Plan{Limits: []Limit{{Part: verdict.OpenFiles, Of: "ulimit -n"}}}, func(i *lab.Iteration, n int64) { i.End.OpenFiles = int(1000 * n) })
	assert.True(t, math.IsInf(unknown.TimeToLimit(), 1))
}

// The mapping whose pages have grown most is named.
func TestTheMappingThatFills(t *testing.T) {
	j := measured(Plan{}, func(i *lab.Iteration, n int64) {
		filled := n * 10_000_000
		i.End.Total += filled
		i.End.Parts = &memory.Parts{Anonymous: 100 << 20, File: filled}
		i.End.Held.MappedSize = 600 << 20
		i.End.Held.Mappings = []memory.Mapping{
			{Name: "/usr/lib/libc.so.6", Size: 2 << 20, Resident: 1 << 20},
			{Name: "/data/db", Size: 512 << 20, Resident: filled}, {Name: "/SYSV1", Size: 80 << 20, Resident: 80 << 20, Shared: true},
		}
	})
	assert.NotEqual(t, verdict.Leak, j.Verdict().Kind)
	assert.Contains(t, j.Verdict().Sentence, "MiB fill a file of 512 MiB that is mapped: no leak.")
	assert.Equal(t, verdict.Mapping{Name: "a file", Bytes: 512 << 20}, filled(j.iterations))
	assert.Zero(t, filled([]lab.Iteration{{}}), "mappings are unknown")
}
