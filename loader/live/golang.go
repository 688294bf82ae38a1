package live

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
	"leaklab/loader/scrape"
)

const (
	goTimeout = 30 * time.Second
	goSample  = 32 << 10        // bytes between two samples of the heap profile, on average
	goStart   = 2 * time.Second // how long a program may take until it listens
	// goStacksTimeout limits how long goroutines are waited for; 100,000 took 0.3 s.
	goStacksTimeout = 5 * time.Second
	goMaxCommand    = 2 << 20 // bytes of a command line: the most that Linux takes by default
	goMost          = 1 << 50 // bytes that a figure can have
	// goStackNoise is by how much the stacks in use differ without a change of the program. Spans of 32 KiB are partly free,
	// and stacks of the goroutines that serve open connections double and halve: 1.1 MB were seen with 100 connections.
	goStackNoise = 4 << 20
	// goCountNoise is by how much the number of goroutines differs, with what is asked at the moment.
	goCountNoise = 32
	// goThreadNoise is by how much the number of threads differs, with system calls that take long at the moment.
	goThreadNoise = 32
	// goCollections is how many collections a reading forces. Objects with finalizers, and what sync.Pool keeps, are free
	// after the second one.
	goCollections = 2
)

// goArenas are the addresses among which a Go program of a 64-bit Linux has its heap, stacks included, and nothing else:
// above those of a program that is linked to a fixed address, and below those of libraries, mapped files and programs
// that are not. Since Go 1.26 the runtime chooses at random among them (mallocinit of package runtime).
var goArenas = addressRange{low: 1 << 32, high: 1 << 46}

// golang reads the live memory of a Go program from net/http/pprof, which ends its heap profile as text with the fields
// of runtime.MemStats, and has the sites of what is live. They are estimated from a sample unless MemProfileRate is 1.
func golang() runtime {
	return runtime{
		kind:     Go,
		collects: true,
		runs: func(p process) bool {
			_, err := buildinfo.ReadFile(kernel.Path(p.PID, "exe"))
			return err == nil
		},
		launch: goEnvironment,
		open:   openGo,
		tells:  "the live heap and the stacks, by forced collections (set PPROF_URL)",
		// The collector stops the program at its beginning and its end alone.
		stopAtLeast: time.Millisecond, stopPerGiB: time.Millisecond,
	}
}

// goEnvironment has the runtime sample one allocation of goSample bytes, if it is known that the server is a Go program and
// shows its profiles. At Go's own 512 KiB, 6 MB that are kept are known with a standard error of 29%. A rate in GODEBUG
// stays, and a program that sets MemProfileRate itself is sampled as it wants.
func goEnvironment(environment []string, o Options) ([]string, error) {
	if o.NoSites || o.Kind != Go && o.PprofURL == "" {
		return nil, nil
	}
	value := "memprofilerate=" + strconv.Itoa(goSample)
	for _, variable := range slices.Backward(environment) { // the last one holds
		if set, found := strings.CutPrefix(variable, "GODEBUG="); found {
			switch {
			case strings.Contains(","+set, ",memprofilerate="):
				return nil, nil
			case set != "":
				value = set + "," + value
			}
			break
		}
	}
	return []string{"GODEBUG=" + value}, nil
}

// goProgram is a Go process, asked at url.
type goProgram struct {
	process
	base   *url.URL // of the profiles
	url    string   // of the heap profile
	silent bool     // true if it did not show its goroutines
	// noSites is true if sites are not asked for. calibration corrects them.
	noSites     bool
	calibration goCalibration
	limit       memory.Limit
	threads     goThreads
	// count is how many goroutines there were when they had last changed by more than goCountNoise.
	count int64
	// records are nil if they cannot be read, and ended is what they told last: bytes for goroutines that have ended.
	records *goRecords
	ended   int64
	// stacks is what stacks have in use beyond the least that each goroutine has, of the last reading in which it had changed
	// by more than goStackNoise.
	stacks int64
}

// openGo checks that the process is the one that answers at PPROF_URL, and that a reading succeeds.
func openGo(ctx context.Context, p process, o Options) (opened, error) {
	if o.PprofURL == "" {
		return nil, errors.New("a Go program is asked through net/http/pprof: set PPROF_URL")
	}
	base, err := url.Parse(o.PprofURL)
	if err != nil {
		return nil, fmt.Errorf("PPROF_URL: %s cannot be read", scrape.Public(o.PprofURL))
	}
	program := &goProgram{process: p, base: base, noSites: o.NoSites}
	program.url = program.at("heap", url.Values{"gc": {"1"}, "debug": {"1"}})
	if err := program.awaitFound(ctx, base); err != nil {
		return nil, err
	}
	program.limit = goLimit(p.environment("GOMEMLIMIT")) // unknown if the environment cannot be read
	program.records, _ = openGoRecords(p)                // of a program without symbols they are counted as live
	program.threads.of(p, program.records)
	if _, err := program.live(ctx); err != nil {
		return nil, err
	}
	if o.NoSites {
		return program, nil
	}
	if _, _, err := program.goroutinesOf(ctx, goLeakProfile, goStacksTimeout, false); err == nil {
		return goProver{program}, nil
	}
	return program, nil
}

// goHeap is what a process has in RAM, or swapped out, in the runtime's arenas, in bytes. It fails where the machine has
// shorter addresses, so that libraries are there as well.
func goHeap(pid int) (int64, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	mappings, err := process.ProcMaps()
	if err != nil {
		return 0, err
	}
	for _, m := range mappings {
		if m.Pathname == "[vdso]" && uint64(m.StartAddr) < goArenas.high {
			return 0, errors.New("the runtime's arenas cannot be told from libraries by their addresses")
		}
	}
	arenas, err := residentIn(pid, []addressRange{goArenas}, false)
	return arenas.held, err
}

// live forces two collections and reads the statistics after the second one. What is live is the heap, and the stacks of
// the goroutines that exist: the least that each has, and to goStackNoise what is beyond it. The records of goroutines that
// have ended are left out, and to goThreadNoise what the runtime keeps for threads that come and go. Stopped is the sum of
// the pauses of both. All is asked on one connection: chance would decide if the buffers of two, 8 KiB each, are there at
// once.
func (g *goProgram) live(ctx context.Context) (memory.Live, error) {
	ctx, cancel := context.WithTimeout(ctx, goTimeout)
	defer cancel()
	var stats goStats
	var sampled *goHeapRecords
	for n := range goCollections {
		last := n == goCollections-1
		if last && !g.noSites {
			sampled = newGoHeapRecords()
		}
		var err error
		if stats, err = readGoHeap(ctx, g.url, !last || !g.silent, sampled); err != nil {
			if hasEnded(g.PID) {
				err = fmt.Errorf("process %d: %w", g.PID, memory.ErrGone)
			}
			return memory.Live{}, err
		}
	}
	if !g.silent {
		g.threads.count(ctx, g)
	}
	goroutines := g.goroutines(ctx)
	if g.records != nil && !g.silent {
		if ended, err := g.records.ended(g.count); err == nil && ended <= stats.heapAlloc {
			g.ended = ended
		}
	}
	least := min(g.count*goLeastStack, stats.stackInuse)
	g.stacks = steady(g.stacks, stats.stackInuse-least, goStackNoise)
	read := stats.live(g.limit)
	read.Bytes += least + g.stacks - stats.stackInuse - g.ended - g.threads.bytes()
	if arenas, err := goHeap(g.PID); err == nil && arenas > 0 {
		read.Heap = max(read.Bytes, arenas+stats.mspanSys+stats.mcacheSys)
	}
	if sampled != nil {
		read.Sites = g.calibration.read(sampled, stats.heapAlloc, goroutines)
	}
	return read, nil
}

// readGoHeap asks for the heap profile at address, and reads its statistics, and its records unless those are nil. follows is
// goGet's.
func readGoHeap(ctx context.Context, address string, follows bool, records *goHeapRecords) (goStats, error) {
	body, err := goGet(ctx, address, follows)
	if err != nil {
		return goStats{}, err
	}
	defer body.Close()
	return body.readHeap(records)
}

// goroutines counts the goroutines, and returns their sites; none if the server does not show them, which may show its heap
// alone.
func (g *goProgram) goroutines(ctx context.Context) siteSum {
	if g.silent {
		return siteSum{}
	}
	sum, count, err := g.goroutinesOf(ctx, "goroutine", goStacksTimeout, false)
	if err != nil {
		g.silent = true
		return siteSum{}
	}
	g.count = steady(g.count, count, goCountNoise)
	return sum
}

// at is the address of a profile.
func (g *goProgram) at(profile string, query url.Values) string {
	address := g.base.JoinPath(profile)
	address.RawQuery = query.Encode()
	return address.String()
}

// steady is what is in use now if it differs by more than noise from what was before, or if there is none before; else that
// before.
func steady(before, now, noise int64) int64 {
	if before == 0 || now > before+noise || now < before-noise {
		return now
	}
	return before
}

func (g *goProgram) close(context.Context) error { return nil }

func (g *goProgram) said() string {
	said := "asks " + scrape.Public(g.url) + ", which forces collections"
	if g.records != nil {
		said += ", and reads the list of goroutines in its memory"
	}
	return said
}

// found fails unless the process is the one that answers at base: it listens there, or what answers tells its command
// line. The error is notYet if nothing listens there.
func (g *goProgram) found(ctx context.Context, base *url.URL) error {
	if listensAt(g.PID, base) {
		return nil
	}
	told, err := g.commandLine(ctx, base)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return notYet{err}
	}
	seen, unseen := os.ReadFile(kernel.Path(g.PID, "cmdline"))
	if err == nil && unseen == nil && len(seen) > 0 && bytes.Equal(bytes.Trim(told, "\x00"), bytes.Trim(seen, "\x00")) {
		return nil
	}
	if listensAt(g.PID, base) { // since a moment ago
		return nil
	}
	return fmt.Errorf("%s belongs to another process: one Go program is asked", scrape.Public(base.String()))
}

// commandLine is that of the process which answers at base.
func (g *goProgram) commandLine(ctx context.Context, base *url.URL) ([]byte, error) {
	body, err := goGet(ctx, base.JoinPath("cmdline").String(), false)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, goMaxCommand))
}

// awaitFound is found, which is tried again for goStart while nothing listens there.
func (g *goProgram) awaitFound(ctx context.Context, base *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, goTimeout)
	defer cancel()
	for until := time.Now().Add(goStart); ; {
		err := g.found(ctx, base)
		if !isNotYet(err) || time.Now().After(until) {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// goStats are fields of runtime.MemStats, in bytes.
type goStats struct {
	heapAlloc, heapSys, heapReleased int64
	stackInuse, mspanSys, mcacheSys  int64
	stopped                          time.Duration // by the last goCollections collections
}

// live returns the statistics as live memory. The heap includes what the runtime keeps to manage spans, which grows with
// the heap. Not all that is committed is in RAM.
func (s goStats) live(limit memory.Limit) memory.Live {
	bytes := s.heapAlloc + s.stackInuse
	heap := max(bytes, s.heapSys-s.heapReleased+s.stackInuse+s.mspanSys+s.mcacheSys)
	return memory.Live{
		Bytes: bytes, Heap: heap, Committed: heap, Limit: limit, Stopped: s.stopped, Forced: "/debug/pprof/heap?gc=1", Processes: 1,
	}
}

// goFields are the lines "# HeapAlloc = 361376" after the last "# runtime.MemStats" of a heap profile as text.
type goFields map[string]string

// add is for readRecords.
func (f goFields) add(line string) {
	if line == statsTitle {
		clear(f)
		f[line] = ""
	}
	name, value, _ := strings.Cut(strings.TrimPrefix(line, "# "), " = ")
	switch name {
	case "HeapAlloc", "HeapSys", "HeapReleased", "Stack", "MSpan", "MCache", "NumGC", "PauseNs":
		f[name] = value
	}
}

// readHeap reads a heap profile as text: its statistics, and its records unless those are nil.
func (b *goBody) readHeap(records *goHeapRecords) (goStats, error) {
	fields := make(goFields)
	var record func(string, []frame)
	if records != nil {
		record = records.add
	}
	if err := b.readRecords(record, fields.add); err != nil {
		return goStats{}, err
	}
	return fields.stats()
}

// stats fails unless each figure is there and sane. "# Stack = A / B" has the bytes in use, then those from the system.
func (fields goFields) stats() (goStats, error) {
	if _, found := fields[statsTitle]; !found {
		return goStats{}, errors.New("the heap profile has no runtime.MemStats")
	}
	var stats goStats
	for name, to := range map[string]*int64{
		"HeapAlloc": &stats.heapAlloc, "HeapSys": &stats.heapSys, "HeapReleased": &stats.heapReleased,
		"Stack": &stats.stackInuse, "MSpan": &stats.mspanSys, "MCache": &stats.mcacheSys,
	} {
		value := fields[name]
		inUse, system, pair := strings.Cut(value, " / ")
		switch {
		case pair && name == "Stack":
			value = inUse
		case pair:
			value = system
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > goMost {
			return goStats{}, fmt.Errorf("the heap profile has no valid %s: %.40q", name, fields[name])
		}
		*to = n
	}
	stats.stopped = goPauses(fields["NumGC"], fields["PauseNs"])
	return stats, nil
}

// goPauses is the sum of the last goCollections pauses: those of collection n are at (n+255)%256. It is 0 if unknown.
func goPauses(collections, pauses string) time.Duration {
	count, err := strconv.ParseUint(collections, 10, 32)
	ring := strings.Fields(strings.Trim(pauses, "[]"))
	if err != nil || len(ring) != 256 {
		return 0
	}
	var sum time.Duration
	for n := count; n > 0 && n+goCollections > count; n-- {
		pause, err := strconv.ParseUint(ring[(n+255)%256], 10, 40)
		if err != nil {
			return 0
		}
		sum += time.Duration(pause)
	}
	return sum
}

// goLimit reads a value of GOMEMLIMIT: a number of bytes, or one with the suffix B, KiB, MiB, GiB or TiB, as in the
// documentation of package runtime. There is no limit if it is off, empty or wrong.
func goLimit(value string) memory.Limit {
	number, scale := strings.TrimSuffix(value, "B"), 0
	if index := strings.IndexAny(number, "KMGT"); index >= 0 && number[index+1:] == "i" && number != value {
		scale = 10 * (1 + strings.IndexByte("KMGT", number[index]))
		number = number[:index]
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>scale || n<<scale == math.MaxInt64 {
		return memory.Limit{}
	}
	return memory.Limit{Bytes: n << scale, Of: "GOMEMLIMIT"}
}

// listensAt is true if the process has a socket that listens on the port of address.
func listensAt(pid int, address *url.URL) bool {
	port := address.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[address.Scheme]
	}
	sockets, _ := listenersOf(pid) // none are seen of a process of another user
	return slices.ContainsFunc(sockets, func(l listener) bool { return strconv.Itoa(l.at.port) == port })
}
