package live

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	platform "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
	"leaklab/loader/text"
)

// clients keep a connection open each.
type clients []*http.Client

func fourClients(t *testing.T) clients {
	var all clients
	for range 4 {
		transport := &http.Transport{MaxConnsPerHost: 1}
		t.Cleanup(transport.CloseIdleConnections)
		all = append(all, &http.Client{Transport: transport})
	}
	return all
}

// request sends count requests, which the clients share.
func (c clients) request(t *testing.T, address string, count int) {
	t.Helper()
	var all sync.WaitGroup
	for _, client := range c {
		all.Go(func() {
			for range count / len(c) {
				response, err := client.Get(address)
				if !assert.NoError(t, err) {
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed())
}

// grown is by how much each site grew for each request, the largest growth of bytes first.
type grown struct {
	memory.Site
	bytes, objects float64
}

// growth loads the server in iterations, reads it after each, and compares the last reading with the first.
func growth(t *testing.T, o opened, address string, iterations, requests int) []grown {
	t.Helper()
	load := fourClients(t)
	load.request(t, address, requests) // warm-up
	before := make(map[memory.SiteKey]memory.Site)
	for _, site := range readLive(t, o).Sites {
		before[site.Key()] = site
	}
	var read memory.Live
	for range iterations {
		load.request(t, address, requests)
		read = readLive(t, o)
	}
	var all []grown
	for _, site := range read.Sites {
		was := before[site.Key()]
		n := float64(iterations * requests)
		all = append(all, grown{site, float64(site.Bytes-was.Bytes) / n, float64(site.Objects-was.Objects) / n})
	}
	slices.SortFunc(all, func(a, b grown) int { return int(b.bytes - a.bytes) })
	return all
}

// startPlanted starts a server of testdata/sites, and returns its process and the address that it prints.
func startPlanted(t *testing.T, program string, environment ...string) (process, string) {
	t.Helper()
	c := exec.Command(program)
	c.Env = append(os.Environ(), append([]string{"PORT=0"}, environment...)...)
	return startAddressed(t, c)
}

func TestGoSitesArePlanted(t *testing.T) {
	program := buildGo(t, "./testdata/sites/go")
	const size = 64 << 10
	for leak, want := range map[string]struct {
		function, source string
		bytes            float64
	}{
		"map":       {"main.(*server).register", "make([]byte, s.size)", size},
		"closure":   {"main.(*server).subscribe", "buffer := make", size},
		"cache":     {"main.(*server).render", "strings.Repeat", size},
		"goroutine": {"main.(*server).await.func1", "<-never", goLeastStack},
		"none":      {},
	} {
		t.Run(leak, func(t *testing.T) {
			p, address := startPlanted(t, program, "LEAK="+leak, fmt.Sprint("LEAK_BYTES=", size))
			o, err := golang().open(t.Context(), p, Options{PprofURL: address + "/debug/pprof/"})
			require.NoError(t, err)
			sites := growth(t, o, address, 4, 500)
			if want.function == "" {
				for _, site := range sites {
					assert.Less(t, site.bytes, 0.02*size, "%+v", site)
				}
				return
			}
			require.NotEmpty(t, sites)
			first := sites[0]
			assert.Equal(t, want.function, first.Function)
			assert.Contains(t, sourceLine(t, first.Site), want.source)
			assert.InEpsilon(t, want.bytes, first.bytes, 0.05)
			assert.InEpsilon(t, 1, first.objects, 0.05)
			if leak == "goroutine" {
				assert.InEpsilon(t, 1, first.objects, 0.01, "goroutines are counted")
			} else {
				assert.Contains(t, strings.Join(first.Callers, "\n"), "main.main.func1 main.go:", "%q", first.Callers)
			}
		})
	}
}

// With the rate that a launched program gets, and what the heap has grown by, 10 MB that are kept in small objects are known
// to 5%. Samples alone have a standard error of 6%.
func TestGoSmallObjectsAreCounted(t *testing.T) {
	const size = 1024
	variables, err := goEnvironment(nil, Options{Kind: Go})
	require.NoError(t, err)
	p, address := startPlanted(t, buildGo(t, "./testdata/sites/go"), append(variables, "LEAK=map", fmt.Sprint("LEAK_BYTES=", size))...)
	o, err := golang().open(t.Context(), p, Options{PprofURL: address + "/debug/pprof/"})
	require.NoError(t, err)
	first := growth(t, o, address, 2, 5000)[0]
	assert.Equal(t, "main.(*server).register", first.Function)
	assert.InEpsilon(t, size, first.bytes, 0.05)
	assert.InEpsilon(t, 1, first.objects, 0.05)
}

// sourceLine is the line of a file that a site tells.
func sourceLine(t *testing.T, site memory.Site) string {
	t.Helper()
	source, err := os.ReadFile(site.File)
	require.NoError(t, err)
	lines := bytes.Split(source, []byte("\n"))
	require.Greater(t, len(lines), site.Line)
	return string(lines[site.Line-1])
}

// buildGo compiles a program of testdata.
func buildGo(t *testing.T, folder string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	output, err := exec.Command("go", slices.Concat([]string{"build", "-o", program}, flags, []string{folder})...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// goProfileText is a heap profile of Go 1.26.8, shortened: MemProfileRate is 524288.
const goProfileText = "heap profile: 3: 557120 [9: 9] @ heap/1048576\n" +
	"1: 64 [7: 448] @ 0x1 0x2 0x3 0x4\n" +
	"#\t0x46b1e5\tstrings.(*Builder).grow+0x44\t\t/usr/local/go/src/strings/builder.go:70\n" +
	"#\t0x46c0a1\tmain.(*server).render+0x21\t\t/srv/a b/main.go:44\n" +
	"#\t0x46c0b1\tnet/http.(*conn).serve+0x21\t/usr/local/go/src/net/http/server.go:2102\n" +
	"\n" +
	"1: 524288 [1: 524288] @ 0x5\n" +
	"#\t0x46c0a2\tmain.(*server).render+0x22\t\t/srv/a b/main.go:44\n" +
	"#\t0x46c0b2\tmain.\x1b[2Jcaller+0x22\t\t/srv/main.go:9\n" +
	"\n" +
	"0: 0 [1: 524288] @ 0x6\n" +
	"#\t0x46c0a2\tmain.freed+0x22\t\t/srv/main.go:1\n" +
	"\n" +
	"1: 32768 [1: 32768] @ 0x7\n" +
	"#\t0x46c0a2\truntime.mallocgc+0x22\t/usr/local/go/src/runtime/malloc.go:1150\n" +
	"#\t0x46c0a3\truntime.malg+0x22\t\t/usr/local/go/src/runtime/proc.go:5\n" +
	"\n# runtime.MemStats\n"

const goRoutineText = "goroutine profile: total 5\n" +
	"2 @ 0x1 0x2\n" +
	"# labels: {\"user\":\"a\"}\n" +
	"#\t0x46c0a4\tsync.(*Mutex).Lock+0x22\t/usr/local/go/src/sync/mutex.go:46\n" +
	"#\t0x46c0a5\tgithub.com/x/y%2ez.wait+0x22\t/go/pkg/mod/github.com/x/y.z/wait.go:8\n" +
	"\n" +
	"3 @ 0x3\n" +
	"#\t0x46c0a6\tinternal/poll.runtime_pollWait+0x84\t/usr/local/go/src/runtime/netpoll.go:351\n" +
	"#\t0x46c0a7\tnet/http.(*persistConn).readLoop+0x84\t/usr/local/go/src/net/http/transport.go:2325\n"

// readGo returns the sites of a heap profile and of a goroutine profile, both as text, where the heap has so many bytes.
func (c *goCalibration) readGo(profile []byte, heap int64, goroutines []byte) []memory.Site {
	records := newGoHeapRecords()
	_, _ = bodyOf(string(profile)).readHeap(records) // these have no statistics
	stacks, _, _ := bodyOf(string(goroutines)).readGoroutines("goroutine")
	return c.read(records, heap, stacks)
}

// goSites are the sites of a first reading.
func goSites(profile, goroutines []byte) []memory.Site {
	var first goCalibration
	return first.readGo(profile, 1, goroutines)
}

func TestGoSitesAreRead(t *testing.T) {
	sites := goSites([]byte(goProfileText), []byte(goRoutineText))
	// One of 524288 bytes stands for 1 / (1 - 1/e) of them, one of 64 bytes for 524320 bytes.
	assert.Equal(t, []memory.Site{
		{Function: "main.(*server).render", File: "/srv/a b/main.go", Line: 44, Callers: []string{`main.\x1b[2Jcaller main.go:9`},
			Bytes: 829411 + 524320, Objects: 2 + 8193, Sampled: true},
		{Function: "runtime.malg", File: "/usr/local/go/src/runtime/proc.go", Line: 5, Bytes: 540843, Objects: 17, Sampled: true},
		{Class: "goroutine stack", Function: "net/http.(*persistConn).readLoop", File: "/usr/local/go/src/net/http/transport.go",
			Line: 2325, Bytes: 3 * 2048, Objects: 3},
		{Class: "goroutine stack", Function: "github.com/x/y%2ez.wait", File: "/go/pkg/mod/github.com/x/y.z/wait.go", Line: 8,
			Bytes: 2 * 2048, Objects: 2},
	}, sites)

	exact := strings.Replace(goProfileText, "heap/1048576", "heap/2", 1)
	sites = goSites([]byte(exact), nil)
	require.Len(t, sites, 2)
	assert.Equal(t, int64(524288+64), sites[0].Bytes)
	assert.False(t, sites[0].Sampled)
	off := strings.Replace(goProfileText, "heap/1048576", "heap/0", 1)
	sites = goSites([]byte(off), nil)
	assert.Empty(t, sites)
}

// sampledSite is a simulated site whose objects are sampled.
type sampledSite struct {
	name          string
	size          int // of an object
	inUse, made   int // sampled objects
	live, allocs  int // objects
	keeps, evicts int // objects that an iteration adds, and that it replaces
}

// allocate adds and frees objects, one after the other.
func (s *sampledSite) allocate(random *rand.Rand, rate float64, keeps, evicts int) {
	share := 1 - math.Exp(-float64(s.size)/rate)
	for n := range keeps + evicts {
		if n < evicts && random.IntN(s.live) < s.inUse {
			s.inUse--
		}
		if random.Float64() < share {
			s.inUse, s.made = s.inUse+1, s.made+1
		}
	}
	s.live, s.allocs = s.live+keeps, s.allocs+keeps+evicts
}

// goTextOf is the heap profile of sites.
func goTextOf(rate int, sites []*sampledSite) []byte {
	text := fmt.Sprintf("heap profile: 0: 0 [0: 0] @ heap/%d\n", 2*rate)
	for _, s := range sites {
		text += fmt.Sprintf("%d: %d [%d: %d] @ 0x1\n#\t0x1\tmain.%s+0x1\t/srv/main.go:1\n\n", s.inUse, s.inUse*s.size, s.made, s.made*s.size, s.name)
	}
	return []byte(text)
}

// What the heap has grown by is exact: a leak is known better by it than by its samples.
func TestGoSamplesAreCorrectedByTheHeap(t *testing.T) {
	const rate, noise, runs, objects = 32 << 10, 16 << 10, 60, 100
	// off is the standard error of the growth of a leak over ten iterations, as a share of it. The server has a heap that does
	// not change, a cache that replaces entries, and hidden bytes that are not sampled.
	off := func(correct bool, keeps, evicts int, hidden int64) (share float64) {
		random := rand.New(rand.NewPCG(1, 2))
		for range runs {
			static, cache := &sampledSite{name: "static", size: 1024}, &sampledSite{name: "cache", size: 512, evicts: evicts}
			leak := &sampledSite{name: "leak", size: objects, keeps: keeps}
			sites := []*sampledSite{static, cache, leak}
			static.allocate(random, rate, 20<<10, 0)
			cache.allocate(random, rate, 8<<10, 0)
			var calibration goCalibration
			var first, last float64
			for n := range 11 {
				heap := hidden + int64(random.IntN(noise))
				for _, s := range sites {
					s.allocate(random, rate, s.keeps, s.evicts)
					heap += int64(s.live * s.size)
				}
				if !correct {
					calibration = goCalibration{}
				}
				for _, site := range calibration.readGo(goTextOf(rate, sites), heap, nil) {
					if site.Function == "main.leak" {
						last = float64(site.Bytes)
						assert.InDelta(t, last/objects, site.Objects, 2)
					}
				}
				if n == 0 {
					first = last
				}
			}
			share += math.Pow((last-first)/float64(10*keeps*objects)-1, 2) / runs
		}
		return math.Sqrt(share)
	}
	// 5 MB are 153 samples, whose number has a standard deviation of 8%; 0.5 MB are 15.
	for name, test := range map[string]struct {
		keeps, evicts int
		hidden        int64
		raw, want     float64
	}{
		"much":                              {5000, 0, 0, 0.06, 0.02},
		"little":                            {500, 0, 0, 0.2, 0.08},
		"beside memory that is not sampled": {5000, 0, 1 << 30, 0.06, 0.02},
		"beside a cache that is replaced":   {5000, 1 << 10, 0, 0.06, 0.075},
		"beside a cache, little":            {500, 1 << 10, 0, 0.2, 0.26},
	} {
		raw, corrected := off(false, test.keeps, test.evicts, test.hidden), off(true, test.keeps, test.evicts, test.hidden)
		t.Logf("%s: %.3f, corrected %.3f", name, raw, corrected)
		assert.Greater(t, raw, test.raw, name)
		assert.Less(t, corrected, test.want, name)
	}
}

// What is too large for an error of sampling is none: memory that was allocated before MemProfileRate was set, and is freed.
func TestGoSamplesAreNotCorrectedByWhatIsNotSampled(t *testing.T) {
	for name, test := range map[string]struct {
		rate, grown int
		corrected   bool
	}{
		"an error of sampling": {32 << 10, 800 << 10, true},
		"freed":                {32 << 10, -100 << 20, false},
		"not sampled":          {32 << 10, 100 << 20, false},
		"all are sampled":      {1, 50 << 10, false},
	} {
		few, more := &sampledSite{name: "leak", size: 1024, inUse: 10, made: 10}, &sampledSite{name: "leak", size: 1024, inUse: 40, made: 40}
		before, after := goTextOf(test.rate, []*sampledSite{few}), goTextOf(test.rate, []*sampledSite{more})
		var calibration goCalibration
		calibration.readGo(before, 200<<20, nil)
		got := calibration.readGo(after, int64(200<<20+test.grown), nil)
		assert.Equal(t, test.corrected, got[0].Bytes != goSites(after, nil)[0].Bytes, "%s: %+v", name, got)
	}
}

// The error of what is freed as a whole is not that of the sites that are left.
func TestGoSitesThatAreGone(t *testing.T) {
	dropped, leak := &sampledSite{name: "dropped", size: 1024, inUse: 1000, made: 1000}, &sampledSite{name: "leak", size: 1024, inUse: 10, made: 10}
	var calibration goCalibration
	before := calibration.readGo(goTextOf(32<<10, []*sampledSite{dropped, leak}), 100<<20, nil)
	leak.inUse, leak.made = 40, 40
	after := goTextOf(32<<10, []*sampledSite{leak})
	want := goSites(after, nil)[0].Bytes
	heap := 100<<20 - before[0].Bytes - before[1].Bytes + want + 800<<10
	assert.InDelta(t, want, calibration.readGo(after, heap, nil)[0].Bytes, 50<<10)
}

func FuzzGoSites(f *testing.F) {
	f.Add([]byte(goProfileText), []byte(goRoutineText))
	f.Add([]byte(goProfileText[:300]), []byte(goRoutineText[:100]))
	f.Add([]byte("heap profile: 1: 1 [1: 1] @ heap/2\n1: 1125899906842624 [1: 1] @\n#\t0x1\ta+0\tb:1\n"), []byte(nil))
	f.Fuzz(func(t *testing.T, heap, goroutines []byte) {
		var calibration goCalibration
		for n := range int64(3) {
			assertSane(t, calibration.readGo(heap, 1+n<<14, goroutines))
			heap = bytes.Replace(heap, []byte("["), []byte("1["), 1)
		}
	})
}

// assertSane checks what holds for all sites, whatever the server tells.
func assertSane(t *testing.T, sites []memory.Site) {
	t.Helper()
	assert.LessOrEqual(t, len(sites), mostSites)
	seen := make(map[memory.SiteKey]bool)
	for i, site := range sites {
		assert.False(t, seen[site.Key()], "%+v is there twice", site.Key())
		seen[site.Key()] = true
		assert.GreaterOrEqual(t, site.Bytes, int64(0))
		assert.LessOrEqual(t, site.Bytes, int64(mostBytes))
		assert.True(t, i == 0 || sites[i-1].Bytes >= site.Bytes, "the largest are first")
		assert.LessOrEqual(t, len(site.Callers), mostCallers)
		for _, told := range append([]string{site.Class, site.Function, site.File}, site.Callers...) {
			assert.Equal(t, text.Printable(told), told)
			assert.NotContains(t, told, "\n")
		}
	}
}

// endless is a heap profile that goes on with ever new records.
type endless struct {
	record func(n int) string
	left   []byte
	n      int
}

func (e *endless) Read(into []byte) (int, error) {
	for len(e.left) == 0 {
		e.n++
		e.left = []byte(e.record(e.n))
	}
	n := copy(into, e.left)
	e.left = e.left[n:]
	return n, nil
}

func TestGoProfilesWithoutEnd(t *testing.T) {
	for name, record := range map[string]func(n int) string{
		"sites": func(n int) string { return fmt.Sprintf("1: 1 [1: 1] @\n#\t0\ta+0\tb:%d\n", n) },
		"names": func(n int) string {
			return fmt.Sprintf("1: 1 [1: 1] @\n#\t0\t%s%d+0\tb:1\n", strings.Repeat("a", 350), n)
		},
		"frames": func(int) string { return "#\t0\ta+0\tb:1\n" },
		"a line": func(int) string { return strings.Repeat("1", 4096) },
		"fields": func(n int) string {
			return fmt.Sprintf("# runtime.MemStats\n# %d = %s\n", n, strings.Repeat("1", 4096))
		},
	} {
		t.Run(name, func(t *testing.T) {
			records := newGoHeapRecords()
			stream := &endless{record: record, left: []byte("heap profile: 1: 1 [1: 1] @ heap/2\n")}
			before := heapInUse()
			body := &goBody{body: io.NopCloser(stream), work: goMaxWork}
			_, err := body.readHeap(records)
			assert.ErrorContains(t, err, "answered more than 64 MiB")
			var calibration goCalibration
			sites := calibration.read(records, 1, siteSum{})
			assert.Less(t, heapInUse()-before, int64(64<<20))
			assert.LessOrEqual(t, len(sites), mostSites)
			platform.KeepAlive(records)
		})
	}
}

// A profile that takes too long to read tells live memory all the same.
func TestGoRecordsThatTakeTooLongAreLeftOut(t *testing.T) {
	text := goProfileText[:strings.Index(goProfileText, "\n# runtime")] + goHeapText[strings.Index(goHeapText, "\n# runtime"):]
	for work, want := range map[time.Duration]int{time.Hour: 2, -time.Hour: 0} {
		records := newGoHeapRecords()
		body := bodyOf(strings.Repeat("\n", 300) + text)
		body.work = work
		stats, err := body.readHeap(records)
		require.NoError(t, err)
		assert.Positive(t, stats.heapAlloc)
		assert.Len(t, records.sum.sites, want)
	}
}

// Goroutines of an answer that is cut do not count.
func TestGoroutinesThatAreCut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/heap" {
			fmt.Fprint(w, goHeapText)
			return
		}
		w.Header().Set("Content-Length", "1000000")
		fmt.Fprint(w, goRoutineText)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	g := &goProgram{process: process{PID: os.Getpid()}, base: base}
	g.url = g.at("heap", nil)
	assert.Empty(t, readLive(t, g).Sites)
	assert.Zero(t, g.count)
}

func TestGoLeakedGoroutinesAreNamed(t *testing.T) {
	const profile = "goroutineleak profile: total %d\n%d @ 0x1\n#\t0x46c0a5\tmain.await.func1+0x22\t/srv/main.go:8\n" +
		"\n2 @ 0x2\n#\t0x46c0a6\tmain.old+0x22\t/srv/main.go:9\n"
	count := 5
	mux := http.NewServeMux()
	mux.HandleFunc("/goroutineleak", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("debug") == "" {
			fmt.Fprint(w, "packed")
			return
		}
		fmt.Fprintf(w, profile, count+2, count)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	g := goProver{&goProgram{process: process{PID: 7}, base: base}}
	saved := make(map[string]string)
	name, err := g.name(t.Context(), func(name string, write func(io.Writer) error) error {
		var b strings.Builder
		err := write(&b)
		saved[name] = b.String()
		return err
	})
	require.NoError(t, err)
	count = 1005
	naming, err := name(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Naming{
		Sites: []memory.Site{{Class: "goroutine stack", Function: "main.await.func1", File: "/srv/main.go", Line: 8,
			Holders: []string{goLeakHolder}, Bytes: 1000 * goLeastStack, Objects: 1000}},
		Files: []ProfileFile{{Name: "goroutineleak-7.pb.gz", Open: "go tool pprof goroutineleak-7.pb.gz"}},
	}, naming)
	assert.Equal(t, map[string]string{"goroutineleak-7.pb.gz": "packed"}, saved)

	g.base = base.JoinPath("elsewhere")
	_, err = g.name(t.Context(), nil)
	assert.ErrorContains(t, err, "404")
}

// One more iteration is made for a program alone that was built with that profile.
func TestGoNamesWhatTheProgramProves(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string // at any address but that of the heap
		noSites bool
		names   bool
	}{
		"proves":         {answer: "goroutineleak profile: total 0\n", names: true},
		"no sites":       {answer: "goroutineleak profile: total 0\n", noSites: true},
		"any other page": {answer: "welcome\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/heap" {
					fmt.Fprint(w, goHeapText)
					return
				}
				fmt.Fprint(w, test.answer)
			}))
			defer server.Close()
			o, err := golang().open(t.Context(), process{PID: os.Getpid()}, Options{PprofURL: server.URL + "/", NoSites: test.noSites})
			require.NoError(t, err)
			_, names := o.(namer)
			assert.Equal(t, test.names, names)
		})
	}
}

// A server may show its heap alone, and is not asked for its goroutines and threads again.
func TestGoWithoutGoroutines(t *testing.T) {
	asked := make(map[string]int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/heap" {
			fmt.Fprint(w, strings.TrimSuffix(goProfileText, "\n# runtime.MemStats\n"), "\n", goHeapText[strings.Index(goHeapText, "\n# runtime"):])
			return
		}
		asked[r.URL.Path]++
		http.NotFound(w, r)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	g := &goProgram{process: process{PID: os.Getpid()}, base: base}
	g.url = g.at("heap", nil)
	for range 3 {
		read := readLive(t, g)
		require.Len(t, read.Sites, 2)
		assert.Equal(t, "main.(*server).render", read.Sites[0].Function)
		assert.True(t, read.Sites[0].Sampled)
	}
	assert.Equal(t, map[string]int{"/goroutine": 1, "/threadcreate": 1}, asked)
}
