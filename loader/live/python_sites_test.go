package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	platform "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// sitesServer is a server of testdata/sites/python, and a connection to it that stays open.
type sitesServer struct {
	*pythonServer
	connection net.Conn
	answers    *bufio.Reader
}

// freeAddress is one of loopback at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	return free.Addr().String()
}

func startSitesServer(t *testing.T, program string, environment ...string) *sitesServer {
	t.Helper()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s := &sitesServer{pythonServer: startPython(t, append(environment, "PORT="+port), program, "testdata/sites/python/server.py")}
	require.Eventually(t, func() bool {
		var err error
		s.connection, err = net.Dial("tcp", address)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	t.Cleanup(func() { _ = s.connection.Close() })
	s.answers = bufio.NewReader(s.connection)
	return s
}

// get sends requests one after the other.
func (s *sitesServer) get(t *testing.T, requests int) {
	t.Helper()
	require.NoError(t, s.connection.SetDeadline(time.Now().Add(2*time.Minute)))
	for range requests {
		_, err := io.WriteString(s.connection, "GET / HTTP/1.1\r\nHost: sites\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(s.answers, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
	}
}

// names returns what is kept of requests, and the folder of what was saved.
func (s *sitesServer) names(t *testing.T, requests int) (Naming, string) {
	t.Helper()
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	folder := t.TempDir()
	finish, err := asked.(namer).name(t.Context(), func(name string, write func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(folder, name))
		require.NoError(t, err)
		return errors.Join(write(file), file.Close())
	})
	require.NoError(t, err)
	s.get(t, requests)
	naming, err := finish(t.Context())
	require.NoError(t, err)
	require.NoError(t, asked.close(t.Context()))
	return naming, folder
}

// plantedLine is the number of the line of the server that has a text.
func plantedLine(t *testing.T, text string) int {
	t.Helper()
	source, err := os.ReadFile("testdata/sites/python/server.py")
	require.NoError(t, err)
	before, _, found := strings.Cut(string(source), text)
	require.True(t, found)
	return strings.Count(before, "\n") + 1
}

func TestPythonNamesWhatIsKept(t *testing.T) {
	const requests = 400
	// short are the leaks, and their servers, that run without LEAKLAB_LONG.
	short := []string{"list/asyncio", "dict/asyncio", "library/asyncio", "record/threads", "closure/threads"}
	program := needPython(t, "/usr/bin/python3")
	for _, test := range []struct {
		leak, line, function string
		bytes, objects       float64 // a request: what pymalloc and malloc take for it
		holders              []string
	}{
		{"list", "KEPT.append(bytes(359))", "in_list", 400, 1, []string{"list", "__main__.KEPT"}},
		{"counter", "COUNT += 1", "in_counter", 32, 1, []string{"list", "__main__.KEPT"}},
		{"dict", "self.filling = bytes(1000)", "Session.__init__", 1056, 1, []string{"__main__.Session", "dict", "__main__.TABLE"}},
		{"object", "KEPT.append(Visit(number))", "in_object", 0, 0, []string{"list", "__main__.KEPT"}},
		// The table of a dict comes from a free list, where tracemalloc has it at the dict that had it before.
		{"record", `KEPT.append({"number": number})`, "in_record", 64 + 128, 2, []string{"list", "__main__.KEPT"}},
		{"closure", "data = bytes(367)", "in_closure", 400, 1, []string{"cell", "tuple", "function", "list", "__main__.CALLBACKS"}},
		{"cache", "return bytes(467)", "render", 512, 1, nil},
		{"thread", "LOCAL.kept.append(bytes(391))", "in_thread", 432, 1, nil},
		{"buffer", "KEPT.append(bytearray(4096))", "in_buffer", 64 + 4112, 2, []string{"list", "__main__.KEPT"}},
		{"library", "KEPT.append(json.loads(", "in_library", 64 + 128 + 160, 3, []string{"list", "__main__.KEPT"}},
		{"cycle", "node = [bytes(345)]", "in_cycle", 0, 0, nil},
		{"bounded", "KEPT.append(bytes(365))", "beside_a_bounded_cache", 400, 1, []string{"list", "__main__.KEPT"}},
	} {
		for _, server := range []string{"asyncio", "threads"} {
			if !long() && !slices.Contains(short, test.leak+"/"+server) {
				continue
			}
			t.Run(test.leak+"/"+server, func(t *testing.T) {
				s := startSitesServer(t, program, "LEAK="+test.leak, "SERVER="+server)
				s.get(t, requests)
				naming, folder := s.names(t, requests)
				require.NotEmpty(t, naming.Sites)
				first := naming.Sites[0]
				assert.Equal(t, "server.py", filepath.Base(first.File))
				assert.Equal(t, plantedLine(t, test.line), first.Line)
				assert.Equal(t, test.function, first.Function)
				assert.False(t, naming.Sampled)
				require.NotEmpty(t, first.Callers)
				if test.bytes > 0 {
					assert.InEpsilon(t, test.bytes*requests, first.Bytes, 0.05)
				}
				if test.objects > 0 {
					assert.InEpsilon(t, test.objects*requests, first.Objects, 0.05)
				}
				if class := map[string]string{"object": "__main__.Visit", "record": "dict"}[test.leak]; class != "" {
					assert.Equal(t, class, first.Class)
				}
				if test.holders != nil {
					assert.Equal(t, test.holders, first.Holders)
				}
				cache := plantedLine(t, "RECENT[number] = bytes(2000)")
				for _, site := range naming.Sites {
					assert.False(t, site.Line == cache && site.Bytes > 80<<10, "a full cache replaces its entries, 200 KiB: %+v", site)
				}
				require.Len(t, naming.Files, 1)
				show := exec.Command("sh", "-c", naming.Files[0].Open)
				show.Dir = folder
				shown, err := show.CombinedOutput()
				require.NoError(t, err, "%s", shown)
				assert.Contains(t, string(shown), fmt.Sprintf("server.py:%d: size=", first.Line))
				assert.Empty(t, s.err.String())
			})
		}
	}
	for _, server := range []string{"asyncio", "threads"} {
		t.Run("none/"+server, func(t *testing.T) {
			s := startSitesServer(t, program, "LEAK=none", "SERVER="+server)
			s.get(t, requests)
			naming, _ := s.names(t, requests)
			for _, site := range naming.Sites {
				assert.Less(t, site.Bytes, int64(4*requests), "%+v", site)
			}
		})
	}
}

// Each version has its own size of a table, and 3.11 its own place of an object.
func TestEveryPythonNamesTheDictThatIsKept(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startSitesServer(t, program, "LEAK=record", "SERVER=asyncio")
		s.get(t, 100)
		naming, _ := s.names(t, 200)
		require.NotEmpty(t, naming.Sites)
		first := naming.Sites[0]
		assert.Equal(t, []string{"in_record", "dict"}, []string{first.Function, first.Class}, program)
		table, err := exec.Command(program, "-c", "d = {'number': 1000}; print(dict.__sizeof__(d) - dict.__sizeof__({}))").Output()
		require.NoError(t, err)
		size, err := strconv.Atoi(strings.TrimSpace(string(table)))
		require.NoError(t, err)
		assert.InEpsilon(t, (64+(size+15)/16*16)*200, first.Bytes, 0.05, program)
	}
}

// CPython 3.12 does not survive it if the referents of the module _asyncio are asked for.
func TestPythonIsNotAskedForReferentsOfModules(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import gc, types; modules, others, asked = [], [], gc.get_referents")
	s.do(t, "gc.get_referents = lambda *all: ([(modules if isinstance(one, types.ModuleType) else others).append(1) for one in all], asked(*all))[1]")
	_, names := pythonNamer(t, s, s.Process.Pid)
	finish, err := names.name(t.Context(), noSave)
	require.NoError(t, err)
	s.do(t, "kept.extend(Node() for _ in range(100))")
	naming, err := finish(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, naming.Sites)
	assert.NotEmpty(t, naming.Sites[0].Holders)
	assert.Equal(t, "(0, True)", s.do(t, "answer = len(modules), len(others) > 1000"))
}

const pythonIsTracing = "import _tracemalloc; answer = _tracemalloc.is_tracing(), _tracemalloc.get_traceback_limit()"

func pythonNamer(t *testing.T, s *pythonServer, pid int) (opened, namer) {
	t.Helper()
	asked, err := s.open(t, pid)
	require.NoError(t, err)
	return asked, asked.(namer)
}

func noSave(string, func(io.Writer) error) error { return nil }

func TestPythonTracesOnlyALoad(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "-W", "error", "testdata/holder.py")
		s.do(t, "pass")
		asked, names := pythonNamer(t, s, s.Process.Pid)
		before := s.atRest(t, s.Process.Pid)
		finish, err := names.name(t.Context(), noSave)
		require.NoError(t, err)
		assert.Equal(t, "(True, 8)", s.do(t, pythonIsTracing))
		s.do(t, "kept.extend(Node() for _ in range(1000))")
		naming, err := finish(t.Context())
		require.NoError(t, err)
		assert.Contains(t, s.do(t, pythonIsTracing), "(False")
		require.NotEmpty(t, naming.Sites)
		assert.Equal(t, "Node.__init__", naming.Sites[0].Function)
		assert.Equal(t, 11, naming.Sites[0].Line)
		assert.Equal(t, "list", naming.Sites[0].Class)
		assert.Greater(t, naming.Sites[0].Bytes, int64(800*1000))
		_, err = finish(t.Context())
		assert.EqualError(t, err, "the server has stopped tracemalloc")

		// An end that does not come is made up for.
		_, err = names.name(t.Context(), noSave)
		require.NoError(t, err)
		require.NoError(t, asked.close(t.Context()))
		assert.Contains(t, s.do(t, pythonIsTracing), "(False")
		finish, err = names.name(t.Context(), noSave)
		require.NoError(t, err)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = finish(ended)
		require.ErrorIs(t, err, context.Canceled)
		assert.Contains(t, s.do(t, pythonIsTracing), "(False")
		assert.InDelta(t, before.Bytes+1000*1100, s.atRest(t, s.Process.Pid).Bytes, 400<<10)
		assert.Empty(t, s.err.String())
	}
}

func TestPythonThatTracesItself(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "testdata/holder.py")
		s.do(t, "import tracemalloc; tracemalloc.start(3); kept.extend(bytes(1000) for _ in range(5000))")
		asked, names := pythonNamer(t, s, s.Process.Pid)
		finish, err := names.name(t.Context(), noSave)
		require.NoError(t, err)
		s.do(t, "kept.extend(Node() for _ in range(1000))")
		naming, err := finish(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, naming.Sites)
		assert.Equal(t, "Node.__init__", naming.Sites[0].Function, "5,000 KB were there before")
		for _, site := range naming.Sites[1:] {
			assert.Less(t, site.Bytes, int64(200<<10), "%+v", site)
		}
		require.NoError(t, asked.close(t.Context()))
		assert.Equal(t, "(True, 3)", s.do(t, pythonIsTracing), "it goes on")

		finish, err = names.name(t.Context(), noSave)
		require.NoError(t, err)
		s.do(t, "tracemalloc.stop()")
		_, err = finish(t.Context())
		assert.EqualError(t, err, "the server has stopped tracemalloc")
	}
}

// Cycles that the collector does not free are held by its list, as by gc.DEBUG_SAVEALL.
func TestPythonGarbageThatIsKept(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import gc; gc.collect(); gc.set_debug(gc.DEBUG_SAVEALL)")
	_, names := pythonNamer(t, s, s.Process.Pid)
	finish, err := names.name(t.Context(), noSave)
	require.NoError(t, err)
	s.do(t, "for _ in range(500): Node()")
	naming, err := finish(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, naming.Sites)
	assert.Equal(t, "Node.__init__", naming.Sites[0].Function)
	require.NotEmpty(t, naming.Sites[0].Holders)
	assert.Equal(t, "gc.garbage", naming.Sites[0].Holders[len(naming.Sites[0].Holders)-1])
}

func TestPythonNamesInEachWorker(t *testing.T) {
	const requests = 600
	program := needPython(t, "/usr/bin/gunicorn")
	address := freeAddress(t)
	s := startPython(t, []string{"LEAK=list"}, program, "-w", "2", "-b", address, "--chdir", "testdata/sites/python", "server:wsgi")
	var pids []int
	require.Eventually(t, func() bool {
		var err error
		pids, err = memory.Processes(s.Process.Pid)()
		connection, dialled := net.Dial("tcp", address)
		if dialled == nil {
			_ = connection.Close()
		}
		return err == nil && dialled == nil && len(pids) == 3
	}, 20*time.Second, 50*time.Millisecond)
	get := func() {
		answer, err := http.Get("http://" + address)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	for range 20 {
		get()
	}
	var finish []func(context.Context) (Naming, error)
	for _, pid := range pids {
		s.atRest(t, pid)
		_, names := pythonNamer(t, s, pid)
		end, err := names.name(t.Context(), noSave)
		require.NoError(t, err)
		finish = append(finish, end)
	}
	for range requests {
		get()
	}
	sum := int64(0)
	for _, end := range finish {
		naming, err := end(t.Context())
		require.NoError(t, err)
		if len(naming.Sites) > 0 && naming.Sites[0].Line == plantedLine(t, "KEPT.append(bytes(359))") {
			sum += naming.Sites[0].Bytes
		}
	}
	assert.InEpsilon(t, 400*requests, sum, 0.05)
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	_ = s.Wait()
}

func TestPythonTracesThatCannotBeTold(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import _tracemalloc; get = _tracemalloc._get_traces")
	_, names := pythonNamer(t, s, s.Process.Pid)
	finish, err := names.name(t.Context(), noSave)
	require.NoError(t, err)
	s.do(t, "_tracemalloc._get_traces = None")
	_, err = finish(t.Context())
	require.EqualError(t, err, "what is traced cannot be told")
	assert.Contains(t, s.do(t, pythonIsTracing), "(False")
	s.do(t, "_tracemalloc._get_traces = get")
	finish, err = names.name(t.Context(), noSave)
	require.NoError(t, err)
	s.do(t, "kept.extend(Node() for _ in range(100))")
	naming, err := finish(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, naming.Sites)
}

func TestPythonForksWhileItIsTraced(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import os, time, _tracemalloc")
	_, names := pythonNamer(t, s, s.Process.Pid)
	finish, err := names.name(t.Context(), noSave)
	require.NoError(t, err)
	child, err := strconv.Atoi(s.do(t, "told, tell = os.pipe(); answer = os.fork(); "+
		"answer or (os.write(tell, b'%d' % _tracemalloc.is_tracing()), time.sleep(60), os._exit(0))"))
	require.NoError(t, err)
	assert.Equal(t, "b'0'", s.do(t, "answer = os.read(told, 1)"))
	_, ofChild := pythonNamer(t, s, child)
	ended, err := ofChild.name(t.Context(), noSave)
	require.NoError(t, err)
	_, err = ended(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
	s.do(t, "kept.extend(Node() for _ in range(100))")
	naming, err := finish(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, naming.Sites)
	assert.Equal(t, "Node.__init__", naming.Sites[0].Function)
}

// traces is an answer with two stacks: of the server's code that a library has called, and of a library.
const someTraces = `{"library":"/lib/python3","fields":4,"limit":8,"cut":false,
"texts":["","/app/a.py","/lib/python3/json/decoder.py","load","decode","/lib/python3/threading.py","/app/main.py","<string>","dict","list","a.KEPT"],
"frames":[[2,355,4],[1,12,3],[5,975,0],[6,80,0],[7,3,0]],
"traces":[[0,4,[4,0,1,2],[100,10,5000,1],8,[9,10]],[0,2,[0,3],[600,10],0,[]],[0,2,[0,3],[700,10],0,[]]]}`

func TestPythonSites(t *testing.T) {
	traced, err := pythonReply{sites: []byte(someTraces)}.traced()
	require.NoError(t, err)
	assert.Equal(t, []memory.Site{
		{
			Function: "decode", File: "/lib/python3/json/decoder.py", Line: 355, Callers: []string{"/app/main.py:80"},
			Bytes: 10*608 + 10*720, Objects: 20,
		},
		{
			Class: "dict", Function: "load", File: "/app/a.py", Line: 12, Callers: []string{"/lib/python3/threading.py:975"},
			Holders: []string{"list", "a.KEPT"}, Bytes: 10*112 + 5008, Objects: 11,
		},
	}, traced.sites(traced.stacks()))

	later, err := pythonReply{sites: []byte(strings.Replace(someTraces, "[100,10,5000,1]", "[100,15,200,1]", 1))}.traced()
	require.NoError(t, err)
	stacks := later.stacks()
	later.subtract(stacks, traced)
	sites := later.sites(stacks)
	require.Len(t, sites, 1)
	assert.Equal(t, int64(5*112+208), sites[0].Bytes)
	assert.Equal(t, int64(6), sites[0].Objects)
}

func TestPythonWithoutWhatIsReplaced(t *testing.T) {
	stacks := func() []pythonStack {
		traced, err := pythonReply{sites: []byte(someTraces)}.traced()
		require.NoError(t, err)
		return traced.stacks()
	}
	taken := func(stacks []pythonStack) (all []float64) {
		for _, stack := range stacks {
			for _, block := range stack.blocks {
				all = append(all, block.taken)
			}
		}
		return all
	}
	before := pythonHeap{used: map[int64]int64{112: 50, 96: 7}, chunks: 1 << 20}
	for _, test := range []struct {
		name          string
		blocks, bytes int64
		want          []float64
	}{
		{"all has grown", 10, pythonOwn + 20000, []float64{1120, 5008, 6080, 7200}},
		{"half of the small ones replace others", 5, pythonOwn + 5008 + 6080 + 7200, []float64{560, 5008, 6080, 7200}},
		{"small ones that malloc has", 0, pythonOwn + 5008 + 6080 + 7200 + 1120, []float64{1120, 5008, 6080, 7200}},
		{"a table has replaced a smaller one", 10, pythonOwn + 1000 + 6080 + 7200, []float64{1120, 1000, 6080, 7200}},
		{"so have large ones", 10, pythonOwn + (6080+7200)/2, []float64{1120, 0, 3040, 3600}},
		{"nothing has grown", -3, -5, []float64{0, 0, 0, 0}},
	} {
		after := pythonHeap{used: map[int64]int64{112: 50 + test.blocks, 96: 100}, chunks: before.chunks + test.bytes}
		of := stacks()
		withoutReplaced(of, before, after, 0)
		assert.InDeltaSlice(t, test.want, taken(of), 0.5, test.name)
	}
	of := stacks()
	withoutReplaced(of, before, pythonHeap{used: map[int64]int64{112: 60}, chunks: before.chunks + 1<<20}, 1<<19)
	assert.InDeltaSlice(t, []float64{1120, 5008, 6080, 7200}, taken(of), 0.5, "noise is less than what has grown")
	of = stacks()
	withoutReplaced(of, before, pythonHeap{used: map[int64]int64{112: 60}, chunks: before.chunks + pythonOwn + 5008 + 6080 + 7200}, 1<<20)
	assert.InDeltaSlice(t, []float64{1120, 0, 6080, 7200}, taken(of), 0.5, "a table may be noise of threads")
}

func TestPythonTracesThatCannotBe(t *testing.T) {
	for _, change := range [][2]string{
		{`[4,0,1,2]`, `[4,0,1,9]`}, {`[4,0,1,2]`, `[]`}, {`[4,0,1,2]`, `[-1]`}, {`[2,355,4]`, `[2,-1,4]`}, {`[2,355,4]`, `[22,1,4]`},
		{`[2,355,4]`, `[]`}, {`[2,355,4]`, `[2,355,4,5]`}, {`[100,10,5000,1]`, `[100]`}, {`[100,10,5000,1]`, `[100,-1]`},
		{`[100,10,5000,1]`, `[1000000000,10000000000]`}, {`[9,10]`, `[11]`}, {`"limit":8`, `"limit":-8`}, {`{"library"`, `{{"library"`},
	} {
		_, err := pythonReply{sites: []byte(strings.Replace(someTraces, change[0], change[1], 1))}.traced()
		assert.ErrorContains(t, err, "traces of tracemalloc: ", change[1])
	}
	_, err := pythonReply{sites: make([]byte, pythonTold+1)}.traced()
	assert.ErrorContains(t, err, "the most that is read is")
}

func TestPythonTracesOfAHostileServerTakeLittleMemory(t *testing.T) {
	short := `[0,1,[0],[],0,[]],`
	for _, text := range []string{
		`{"texts":[""],"frames":[[0,1,0]],"traces":[` + strings.Repeat(short, pythonStacks-1) + short[:len(short)-1] + `]}`,
		`{"traces":[` + strings.Repeat("[],", pythonTold/3-100) + `[]]}`,
		`{"frames":[` + strings.Repeat("[],", pythonTold/3-100) + `[]]}`,
		`{"texts":[` + strings.Repeat(`"",`, pythonTold/3-100) + `""]}`,
	} {
		require.LessOrEqual(t, len(text), pythonTold)
		before := heapInUse()
		traced, err := pythonReply{sites: []byte(text)}.traced()
		var stacks []pythonStack
		if err == nil {
			stacks = traced.stacks()
		}
		assert.Less(t, heapInUse()-before, int64(64<<20), "%.40s", text)
		platform.KeepAlive(traced)
		platform.KeepAlive(stacks)
	}
}

func heapInUse() int64 {
	platform.GC()
	var now platform.MemStats
	platform.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}

func FuzzPythonTraces(f *testing.F) {
	f.Add([]byte(someTraces))
	f.Fuzz(func(t *testing.T, text []byte) {
		traced, err := pythonReply{sites: text}.traced()
		if err != nil {
			return
		}
		stacks := traced.stacks()
		traced.subtract(stacks, traced)
		withoutReplaced(stacks, pythonHeap{}, pythonHeap{}, 0)
		for _, site := range traced.sites(traced.stacks()) {
			if site.Bytes < 0 || site.Objects < 0 || strings.ContainsAny(site.File+site.Function+site.Class, "\n\t\x1b") {
				t.Fatalf("%+v", site)
			}
		}
		if traced.snapshotSize() <= 1<<20 {
			if err := traced.writeSnapshot(io.Discard); err != nil {
				t.Fatal(err)
			}
		}
	})
}
