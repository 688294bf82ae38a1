package live

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// startGo builds testdata/golang, starts it, and returns its process and address.
func startGo(t *testing.T, environment ...string) (process, string) {
	t.Helper()
	command := exec.Command(buildGo(t, "./testdata/golang"))
	command.Env = append(os.Environ(), environment...)
	return startAddressed(t, command)
}

// startAddressed starts a server that prints its address, and returns its process and that.
func startAddressed(t *testing.T, command *exec.Cmd) (process, string) {
	t.Helper()
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return process{PID: command.Process.Pid, Exe: command.Path}, strings.TrimSpace(address)
}

func visit(t *testing.T, address string) {
	t.Helper()
	response, err := http.Get(address)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func readLive(t *testing.T, o opened) memory.Live {
	t.Helper()
	read, err := o.live(t.Context())
	require.NoError(t, err)
	return read
}

func TestGoIsReadToTheByte(t *testing.T) {
	p, address := startGo(t, "GOMEMLIMIT=300MiB")
	require.True(t, golang().runs(p))
	program, err := golang().open(t.Context(), p, Options{PprofURL: address + "/debug/pprof/"})
	require.NoError(t, err)
	visit(t, address+"/keep?n=1")
	before := readLive(t, program)
	assert.Equal(t, memory.Limit{Bytes: 300 << 20, Of: "GOMEMLIMIT"}, before.Limit)
	assert.Equal(t, 1, before.Processes)
	assert.Positive(t, before.Stopped)
	assert.Less(t, before.Stopped, 30*time.Second)

	const slack = 32 << 10 // what an idle Go program moves by itself
	visit(t, address+"/keep?n=20000")
	kept := readLive(t, program)
	assert.InDelta(t, 20_000*512, kept.Bytes-before.Bytes, slack)
	assert.Greater(t, kept.Heap, kept.Bytes)
	arenas, err := goHeap(p.PID)
	require.NoError(t, err)
	assert.Greater(t, arenas, kept.Bytes, "the arenas are found")
	again := readLive(t, program)
	assert.InDelta(t, kept.Bytes, again.Bytes, slack)

	visit(t, address+"/finalizers?n=20000")
	finalized := readLive(t, program)
	assert.InDelta(t, kept.Bytes, finalized.Bytes, slack+64<<10, "what a finalizer keeps for one collection is not live")

	visit(t, address+"/goroutines?n=5000")
	goroutines := readLive(t, program)
	assert.Greater(t, goroutines.Bytes-finalized.Bytes, int64(5_000*2048), "each has a stack of 2 KiB")
	assert.Less(t, goroutines.Bytes-finalized.Bytes, int64(5_000*4096))

	// What goroutines have at least is no noise, however few they are.
	few := readLive(t, program)
	for range 3 {
		visit(t, address+"/goroutines?n=500")
		more := readLive(t, program)
		assert.Greater(t, more.Bytes-few.Bytes, int64(500*2048))
		assert.Less(t, more.Bytes-few.Bytes, int64(500*4096))
		few = more
	}
	require.NoError(t, program.close(t.Context()))
}

// What is kept of goroutines that have ended is not live, also in a program that the kernel puts anywhere.
func TestGoroutinesThatHaveEndedAreNotLive(t *testing.T) {
	const slack = 64 << 10
	for name, flags := range map[string][]string{"as built by default": nil, "position-independent": {"-buildmode=pie"}, "without symbols": {"-ldflags=-s"}} {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(buildGo(t, "./testdata/golang", flags...))
			command.Env = append(os.Environ(), "GOMAXPROCS=2")
			p, address := startAddressed(t, command)
			program, err := golang().open(t.Context(), p, Options{PprofURL: address + "/debug/pprof/"})
			require.NoError(t, err)
			before := readLive(t, program)
			visit(t, address+"/ended?n=10000")
			grown := readLive(t, program).Bytes - before.Bytes
			if name == "without symbols" {
				assert.Greater(t, grown, int64(10_000*goSmallest))
				return
			}
			assert.Less(t, grown, int64(slack))
			visit(t, address+"/goroutines?n=5000")
			exist := readLive(t, program)
			assert.InDelta(t, 5_000*(2048+480), exist.Bytes-before.Bytes-grown, 5_000*512, "a stack and a record each, though the records were there before")
			visit(t, address+"/keep?n=20000")
			assert.InDelta(t, 20_000*512, readLive(t, program).Bytes-exist.Bytes, slack)
		})
	}
}

// A few threads come and go with what the program does at the moment. Many are kept.
func TestThreadsOfAGoProgram(t *testing.T) {
	const each = 2048 + 2*goUsual + 2*1152
	p, address := startGo(t, "GOMAXPROCS=2")
	program, err := golang().open(t.Context(), p, Options{PprofURL: address + "/debug/pprof/"})
	require.NoError(t, err)
	visit(t, address+"/threads?n=1")
	before := readLive(t, program)
	visit(t, address+"/threads?n=20")
	few := readLive(t, program)
	assert.InDelta(t, before.Bytes, few.Bytes, 32<<10)
	visit(t, address+"/threads?n=100")
	many := readLive(t, program)
	assert.Greater(t, many.Bytes-few.Bytes, int64((100-goThreadNoise)*each))
	assert.Less(t, many.Bytes-few.Bytes, int64(100*(each+4096)))
	visit(t, address+"/threads?n=20")
	assert.Greater(t, readLive(t, program).Bytes-many.Bytes, int64(20*each), "each beyond counts")
}

// A server that does not answer once leaves what was known.
func TestThreadsThatAreNotToldOnce(t *testing.T) {
	answers := []string{"10", "20", "", "50", "2"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers[0] == "" {
			http.NotFound(w, r)
		} else {
			fmt.Fprintf(w, "threadcreate profile: total %s\n", answers[0])
		}
		answers = answers[1:]
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	g := &goProgram{base: base}
	g.threads.of(process{PID: os.Getpid()}, nil)
	for _, want := range []int64{0, 10, 10, goThreadNoise, -8} {
		g.threads.count(t.Context(), g)
		assert.Equal(t, want*(2048+2*goUsual+2*1152), g.threads.bytes())
	}
	assert.Empty(t, answers)
}

// listOfGoroutines is read as if it were that of a Go program.
var listOfGoroutines [3]uint64

// The memory of a server is not believed.
func TestGoRecordsAreNotBelieved(t *testing.T) {
	r := &goRecords{pid: os.Getpid()}
	assert.ErrorContains(t, r.measure([]uint64{1 << 40, 1<<40 + 8, 1<<40 + 4096}), "not where they were expected")
	assert.ErrorContains(t, r.measure([]uint64{1 << 40, 2 << 40}), "not where they were expected")
	assert.Zero(t, r.size)
	require.NoError(t, r.measure([]uint64{5000, 1000, 1960}))
	assert.EqualValues(t, 960, r.size)
	require.NoError(t, r.measure([]uint64{1000, 1480}))
	require.NoError(t, r.measure([]uint64{1000, 3000}))
	assert.EqualValues(t, 480, r.size, "the least seen so far")

	r.all = int64(uintptr(unsafe.Pointer(&listOfGoroutines)))
	for _, bad := range [][]uint64{{1, 3, 8}, {1, 8, 4}, {1, 8, goMostAll + 1}, {1, 1 << 63, 1 << 63}, {1 << 63, 8, 8}, {8, 8, 8}} {
		copy(listOfGoroutines[:], bad)
		_, err := r.ended(0)
		assert.Error(t, err, bad)
	}
	_, err := (&goRecords{pid: 1 << 30}).ended(0)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestGoProgramThatEndedIsGone(t *testing.T) {
	g := &goProgram{process: process{PID: 1 << 22}, url: "http://127.0.0.1:1/debug/pprof/heap"} // above the largest PID
	_, err := g.live(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
}

func TestGoIsAskedWhereItListens(t *testing.T) {
	p, address := startGo(t)
	pprof := Options{PprofURL: address + "/debug/pprof/"}
	_, err := golang().open(t.Context(), p, Options{})
	assert.ErrorContains(t, err, "set PPROF_URL")
	_, err = golang().open(t.Context(), process{PID: os.Getpid()}, pprof)
	assert.ErrorContains(t, err, "belongs to another process")
	// Behind a proxy the command line shows which one it is.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := http.Get(address + r.URL.RequestURI())
		if assert.NoError(t, err) {
			defer response.Body.Close()
			_, _ = bufio.NewReader(response.Body).WriteTo(w)
		}
	}))
	defer proxy.Close()
	program, err := golang().open(t.Context(), p, Options{PprofURL: proxy.URL + "/debug/pprof/"})
	require.NoError(t, err)
	assert.Positive(t, readLive(t, program).Bytes)
	assert.NotContains(t, program.said(), "gc=1")
	assert.Contains(t, program.said(), proxy.URL)
}

// A server may open the port of net/http/pprof after that of its requests.
func TestGoIsAwaitedUntilItListens(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := reserved.Addr().String()
	require.NoError(t, reserved.Close())
	options := Options{PprofURL: "http://" + address + "/"}
	_, err = golang().open(t.Context(), process{PID: os.Getpid()}, options)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.True(t, isNotYet(err), "it is tried again at the next reading")

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goHeapText) })}
	defer server.Close()
	late := time.AfterFunc(100*time.Millisecond, func() {
		if listener, err := net.Listen("tcp", address); assert.NoError(t, err) {
			_ = server.Serve(listener)
		}
	})
	defer late.Stop()
	program, err := golang().open(t.Context(), process{PID: os.Getpid()}, options)
	require.NoError(t, err)
	assert.Positive(t, readLive(t, program).Bytes)
}

// The buffers of a second connection would come and go by chance.
func TestGoIsReadOnOneConnection(t *testing.T) {
	for name, goroutines := range map[string]string{"with goroutines": goRoutineText, "a heap profile alone": ""} {
		t.Run(name, func(t *testing.T) {
			var opened, closed atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/heap":
					fmt.Fprint(w, goHeapText)
				case goroutines == "" || r.URL.Path != "/goroutine":
					http.NotFound(w, r)
				default:
					fmt.Fprint(w, goroutines)
				}
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					opened.Add(1)
				case http.StateClosed:
					closed.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			program, err := golang().open(t.Context(), process{PID: os.Getpid()}, Options{PprofURL: server.URL + "/"})
			require.NoError(t, err)
			before := opened.Load()
			const readings = 3
			for range readings {
				readLive(t, program)
			}
			assert.Equal(t, int64(readings), opened.Load()-before)
			assert.Eventually(t, func() bool { return closed.Load() == opened.Load() }, time.Minute, time.Millisecond, "none stays open")
		})
	}
}

func TestGoOpenTakesNoNonsense(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"status":    func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"empty":     func(http.ResponseWriter, *http.Request) {},
		"no figure": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "# runtime.MemStats\n# HeapAlloc = 1\n") },
		"negative": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(goHeapText, "HeapAlloc = ", "HeapAlloc = -", 1))
		},
		"huge figure": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(goHeapText, "HeapSys = ", "HeapSys = 99999999999", 1))
		},
		"packed": func(w http.ResponseWriter, _ *http.Request) { // nothing unpacks it
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			_, _ = packed.Write(make([]byte, 256<<20))
			_ = packed.Close()
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, 1<<20); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			_, err := golang().open(t.Context(), process{PID: os.Getpid()}, Options{PprofURL: server.URL + "/"})
			assert.Error(t, err)
		})
	}
	t.Run("no answer", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		defer server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := golang().open(ctx, process{PID: os.Getpid()}, Options{PprofURL: server.URL + "/"})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// goHeapText is the end of a heap profile of Go 1.26.8; the ring of pauses is shortened below.
const goHeapText = `heap profile: 1: 8 [1: 9] @ heap/1048576

# runtime.MemStats
# Alloc = 361376
# Sys = 12351752
# HeapAlloc = 361376
# HeapSys = 7929856
# HeapIdle = 6651904
# HeapInuse = 1277952
# HeapReleased = 6119424
# HeapObjects = 1584
# Stack = 458752 / 459000
# MSpan = 34240 / 48960
# MCache = 4592 / 16072
# GCSys = 2008304
# NumGC = 257
`

func parseGoStats(text string) (goStats, error) { return bodyOf(text).readHeap(nil) }

// bodyOf is a profile that a server answers.
func bodyOf(text string) *goBody {
	return &goBody{body: io.NopCloser(strings.NewReader(text)), work: time.Hour}
}

func TestParseGoStats(t *testing.T) {
	ring := make([]string, 256)
	for n := range ring {
		ring[n] = "1000"
	}
	ring[0], ring[255] = "117450", "50" // of collections 257 and 256
	stats, err := parseGoStats(goHeapText + "# PauseNs = [" + strings.Join(ring, " ") + "]\n")
	require.NoError(t, err)
	assert.Equal(t, memory.Live{
		Bytes: 361376 + 458752, Heap: 7929856 - 6119424 + 458752 + 48960 + 16072, Committed: 7929856 - 6119424 + 458752 + 48960 + 16072,
		Stopped: 117500, Forced: "/debug/pprof/heap?gc=1", Processes: 1,
	}, stats.live(memory.Limit{}))
	stats, err = parseGoStats(goHeapText + "# PauseNs = [1 2]\n")
	require.NoError(t, err)
	assert.Zero(t, stats.stopped)
	// What the program printed before its statistics does not count.
	_, err = parseGoStats("# runtime.MemStats\n# HeapAlloc = 1\n" + goHeapText)
	assert.NoError(t, err)
}

func TestStacksAreSteady(t *testing.T) {
	const span = 32 << 10
	var stacks int64
	var seen []int64
	for _, inUse := range []int64{14 * span, 15 * span, 13 * span, 142 * span, 143 * span, 16 * span, 2 * span} {
		stacks = steady(stacks, inUse, goStackNoise)
		seen = append(seen, stacks/span)
	}
	assert.Equal(t, []int64{14, 14, 14, 14, 143, 143, 2}, seen)
}

func TestGoEnvironment(t *testing.T) {
	const rate = "memprofilerate=32768"
	for name, test := range map[string]struct {
		environment []string
		options     Options
		want        []string
	}{
		"unknown":    {nil, Options{Kind: Auto}, nil},
		"by LIVE":    {[]string{"HOME=/"}, Options{Kind: Go}, []string{"GODEBUG=" + rate}},
		"by address": {[]string{"GODEBUG="}, Options{Kind: Auto, PprofURL: "http://h/"}, []string{"GODEBUG=" + rate}},
		"more":       {[]string{"GODEBUG=madvdontneed=1"}, Options{Kind: Go}, []string{"GODEBUG=madvdontneed=1," + rate}},
		"its own":    {[]string{"GODEBUG=a=1,memprofilerate=1"}, Options{Kind: Go}, nil},
		"the last":   {[]string{"GODEBUG=memprofilerate=1", "GODEBUG=a=1"}, Options{Kind: Go}, []string{"GODEBUG=a=1," + rate}},
		"taken back": {[]string{"GODEBUG=memprofilerate=1", "GODEBUG="}, Options{Kind: Go}, []string{"GODEBUG=" + rate}},
		"no sites":   {nil, Options{Kind: Go, NoSites: true}, nil},
	} {
		got, err := goEnvironment(test.environment, test.options)
		require.NoError(t, err)
		assert.Equal(t, test.want, got, name)
	}
}

func TestGoLimit(t *testing.T) {
	for value, bytes := range map[string]int64{
		"1000": 1000, "1000B": 1000, "2KiB": 2 << 10, "3MiB": 3 << 20, "4GiB": 4 << 30, "1TiB": 1 << 40,
		"off": 0, "": 0, "-5": 0, "3MB": 0, "3Mi": 0, "MiB": 0, "9223372036854775807": 0, "9999999999GiB": 0,
	} {
		of := ""
		if bytes > 0 {
			of = "GOMEMLIMIT"
		}
		assert.Equal(t, memory.Limit{Bytes: bytes, Of: of}, goLimit(value), value)
	}
}

// A baseline shows its profiles at a port that is not known, as do the processes that it has started.
func TestProfilesOfAServerBeside(t *testing.T) {
	program, address := startGo(t)
	processes := func() ([]int, error) { return []int{program.PID}, nil }
	found, err := PprofBeside(t.Context(), processes, "http://me:secret@server.example:6060/debug/pprof/", "127.0.0.1", 6060)
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(address, "http://", "http://me:secret@", 1)+"/debug/pprof/", found)

	other, err := PprofBeside(t.Context(), func() ([]int, error) { return []int{child(t)}, nil }, "http://127.0.0.1:6060/debug/pprof/", "127.0.0.1", 6060)
	require.NoError(t, err)
	assert.Empty(t, other, "it does not run Go")
	_, err = PprofBeside(t.Context(), processes, "http://127.0.0.1:6060/elsewhere/", "127.0.0.1", 6060)
	require.EqualError(t, err, "it shows no /elsewhere at a port where it listens")
	_, err = PprofBeside(t.Context(), func() ([]int, error) { return nil, os.ErrPermission }, "http://127.0.0.1:6060/", "127.0.0.1", 6060)
	require.ErrorIs(t, err, os.ErrPermission)
}
