package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	platform "runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// savedFiles keeps files in memory.
type savedFiles map[string][]byte

func (s savedFiles) save(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	s[name] = b.Bytes()
	return err
}

// call is a node of a profile in JSON.
func call(id int, function, url string, line int, children ...string) string {
	script := "7"
	if url == "" && function != "evaluated" {
		script = "0"
	}
	frame, _ := json.Marshal(map[string]any{"functionName": function, "scriptId": script, "url": url, "lineNumber": line, "columnNumber": 0})
	return fmt.Sprintf(`{"callFrame":%s,"selfSize":1,"id":%d,"children":[%s]}`, frame, id, strings.Join(children, ","))
}

// profileOf has a head and a number of samples of 1,000 bytes for each node, by its id.
func profileOf(head string, samples map[int]int) string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(samples)) {
		for range samples[id] {
			all = append(all, fmt.Sprintf(`{"size":1000,"nodeId":%d,"ordinal":1}`, id))
		}
	}
	return fmt.Sprintf(`{"head":%s,"samples":[%s]}`, head, strings.Join(all, ","))
}

// aNodeProfile has what is kept by the user, by Node.js for the user, by Node.js itself, and by V8.
func aNodeProfile() string {
	keep := call(6, "keep", "/srv/cache.js", 4, call(7, "push", "", -1), call(8, "add", "node:events", 551))
	uint8 := call(12, "FastBuffer", "node:internal/buffer", 959, call(13, "Uint8Array", "", -1))
	main := call(4, "", "file:///srv/my%20app/main.mjs", 9,
		call(5, "on", "node:events", 100, keep, call(9, "keep", "/srv/cache.js", 4)),
		call(10, "upload", "/srv/upload.js", 0, call(11, "alloc", "node:buffer", 380, uint8)),
		call(14, "page", "/srv/page.js", 6, call(15, "Float64Array", "", -1), call(16, "Array", "", -1)))
	root := call(1, "(root)", "", -1, call(2, "(V8 API)", "", -1), call(3, "onconnection", "node:net", 2167, main))
	return profileOf(root, map[int]int{2: 18, 3: 16, 4: 15, 6: 10, 7: 20, 8: 8, 9: 2, 12: 20, 13: 20, 15: 20, 16: 16})
}

func sitesOf(t *testing.T, profile string, outside int64) []memory.Site {
	t.Helper()
	p, err := readNodeProfile([]byte(profile))
	require.NoError(t, err)
	kept := make(nodeKept)
	kept.add(p, 1<<30, outside)
	return kept.sites()
}

func TestNodeSites(t *testing.T) {
	main := "(anonymous) /srv/my app/main.mjs:10"
	want := []memory.Site{
		{Function: "keep", File: "/srv/cache.js", Line: 5, InFunction: true, Callers: []string{main}, Bytes: 40000},
		{Class: "Buffer", Function: "upload", File: "/srv/upload.js", Line: 1, InFunction: true, Callers: []string{main}, Bytes: 40000},
		{Class: "ArrayBuffer", Function: "page", File: "/srv/page.js", Line: 7, InFunction: true, Callers: []string{main}, Bytes: 20000},
		{Function: "(V8 API)", Bytes: 18000},
		{Function: "page", File: "/srv/page.js", Line: 7, InFunction: true, Callers: []string{main}, Bytes: 16000},
		{Function: "onconnection", File: "node:net", Line: 2168, InFunction: true, Bytes: 16000},
	}
	assert.ElementsMatch(t, want, sitesOf(t, aNodeProfile(), 1000), "fifteen samples are too few")

	t.Run("Buffers get what is outside the heap", func(t *testing.T) {
		got := sitesOf(t, aNodeProfile(), 3<<20)
		require.Greater(t, len(got), 1)
		assert.Equal(t, "upload", got[0].Function)
		assert.Equal(t, int64(40000+2<<20), got[0].Bytes)
		assert.Equal(t, "page", got[1].Function)
		assert.Equal(t, int64(20000+1<<20), got[1].Bytes)
	})
	t.Run("a few large Buffers", func(t *testing.T) {
		got := sitesOf(t, profileOf(call(1, "few", "/srv/few.js", 0, call(2, "ArrayBuffer", "", -1)), map[int]int{2: 2}), 1<<30)
		require.Len(t, got, 1)
		assert.Equal(t, int64(1<<30+2000), got[0].Bytes)
	})
	t.Run("what is outside has no object", func(t *testing.T) {
		assert.Equal(t, []memory.Site{{Class: "memory outside V8's heap", Bytes: 1 << 20}}, sitesOf(t, profileOf(call(1, "", "", 0), nil), 1<<20))
	})
	t.Run("threads", func(t *testing.T) {
		p, err := readNodeProfile([]byte(aNodeProfile()))
		require.NoError(t, err)
		kept := make(nodeKept)
		kept.add(p, 1<<30, 0)
		kept.add(p, 1<<30, 0)
		assert.Equal(t, int64(80000), kept.sites()[0].Bytes)
	})
	t.Run("hostile names", func(t *testing.T) {
		got := sitesOf(t, profileOf(call(1, "a\nb\x1b[31m"+strings.Repeat("x", 1000), "\u202efile\t", -5), map[int]int{1: 16}), 0)
		require.Len(t, got, 1)
		assertPrintable(t, got)
		assert.True(t, strings.HasPrefix(got[0].Function, `a b\x1b[31mxxx`), got[0].Function)
		assert.Less(t, len(got[0].Function), 400)
		assert.Equal(t, `\u202efile `, got[0].File)
		assert.Equal(t, 1, got[0].Line)
	})
	t.Run("what eval has made", func(t *testing.T) {
		got := sitesOf(t, profileOf(call(1, "load", "/srv/a.js", 0, call(2, "evaluated", "", 3, call(3, "push", "", -1))), map[int]int{3: 16}), 0)
		want := memory.Site{Function: "evaluated", File: "(eval)", Line: 4, InFunction: true, Callers: []string{"load /srv/a.js:1"}, Bytes: 16000}
		assert.Equal(t, []memory.Site{want}, got)
	})
	t.Run("many callers", func(t *testing.T) {
		chain := call(1, "last", "/srv/a.js", 0)
		for i := 2; i < 50; i++ {
			chain = call(i, fmt.Sprint("f", i), "/srv/a.js", i, chain)
		}
		got := sitesOf(t, profileOf(chain, map[int]int{1: 16}), 0)
		require.Len(t, got, 1)
		require.Len(t, got[0].Callers, 8)
		assert.Equal(t, "f2 /srv/a.js:3", got[0].Callers[0])
	})
}

// assertPrintable asserts that the texts of sites are one line of printable text each.
func assertPrintable(t *testing.T, sites []memory.Site) {
	t.Helper()
	for _, s := range sites {
		for _, text := range append([]string{s.Class, s.Function, s.File}, s.Callers...) {
			assert.False(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }), "%q", text)
		}
	}
}

// The total is known exactly, but for V8's noise: it makes the estimate of samples better where it agrees with it.
func TestNodeSitesAreScaledToTheHeap(t *testing.T) {
	for name, test := range map[string]struct {
		samples int // of 1,000 bytes each
		heap    int64
		want    float64 // bytes
	}{
		"the sum of many varies by more than V8": {10000, 10_090_000, 10_087_647},
		"that of few varies by less":             {100, 90_000, 97_286},
		"a cache replaced its entries":           {10000, 0, 10_000_000},
		"the heap grew by more":                  {1000, 2_000_000, 1_000_000},
		"nothing is kept":                        {16, -30_000, 13_412},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readNodeProfile([]byte(profileOf(call(1, "f", "/srv/f.js", 0), map[int]int{1: test.samples})))
			require.NoError(t, err)
			kept := make(nodeKept)
			kept.add(p, test.heap, 0)
			assert.InDelta(t, test.want, kept.sites()[0].Bytes, 1e-3*test.want)
		})
	}
}

// Of a table that was copied into a larger one, only what it has grown by is kept.
func TestNodeSitesHaveNoCopiedTables(t *testing.T) {
	sample := func(bytes, number int) string {
		return strings.Repeat(fmt.Sprintf(`{"size":%d,"nodeId":1},`, bytes), number)
	}
	for name, test := range map[string]struct {
		samples string
		heap    int64
		want    float64 // bytes
	}{
		"a table of 400 kB replaced one of 200 kB": {sample(1000, 1000) + sample(400_000, 1), 1_200_000, 1_200_000},
		"and entries were replaced":                {sample(1000, 1000) + sample(400_000, 1), 200_000, 1_000_000},
		"large objects are kept":                   {sample(1000, 1000) + sample(100_000, 50), 5_000_000, 6_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readNodeProfile([]byte(`{"head":` + call(1, "f", "/srv/f.js", 0) + `,"samples":[` + strings.TrimSuffix(test.samples, ",") + `]}`))
			require.NoError(t, err)
			kept := make(nodeKept)
			kept.add(p, test.heap, 0)
			assert.InDelta(t, test.want, kept.sites()[0].Bytes, 1e-3*test.want)
		})
	}
}

func TestNodeProfileThatIsHostile(t *testing.T) {
	whole := aNodeProfile()
	deep := strings.Repeat(`{"children":[`, 1<<20)
	wide := `{"head":{"children":[` + strings.Repeat(`{},`, 1<<20)
	for name, test := range map[string]struct{ profile, want string }{
		"empty":           {"", "EOF"},
		"null":            {"null", "expected {"},
		"cut":             {whole[:len(whole)/2], "EOF"},
		"cut in the tree": {whole[:300], "EOF"},
		"not a tree":      {`{"head":[]}`, "expected {"},
		"not calls":       {`{"head":{"children":[1]}}`, "expected {"},
		"not a frame":     {`{"head":{"callFrame":1}}`, "cannot unmarshal"},
		"not samples":     {`{"samples":{}}`, "expected ["},
		"negative":        {`{"samples":[{"size":-1}]}`, "expected the size of a sample"},
		"endless":         {`{"samples":[{"size":1e300}]}`, "expected the size of a sample"},
		"deep":            {`{"head":` + deep, "expected at most"},
		"wide":            {wide, "expected at most"},
		"many samples":    {`{"samples":[` + strings.Repeat(`{},`, nodeProfileSamples+1), "too many samples"},
		"huge":            {strings.Repeat(" ", nodeProfileMost+1), "expected at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readNodeProfileUntil(time.Now().Add(time.Minute), []byte(test.profile)) // a slow machine reaches the limit first
			require.ErrorContains(t, err, test.want)
		})
	}
	t.Run("slow", func(t *testing.T) {
		_, err := readNodeProfileUntil(time.Now(), []byte(`{"samples":[`+strings.Repeat(`{},`, 5000)))
		require.ErrorIs(t, err, errNodeProfileSlow)
	})
}

// hostileNodeProfile has as many sites as a profile can have, each below callers with long names.
func hostileNodeProfile() string {
	var head, samples strings.Builder
	head.WriteString(`{"callFrame":{}`)
	long := strings.Repeat("x", nodeNameLength)
	for n := range nodeCallers {
		fmt.Fprintf(&head, `,"children":[{"callFrame":{"functionName":"%d%s","url":"%s"}`, n, long, long)
	}
	head.WriteString(`,"children":[`)
	for n := 1; head.Len()+samples.Len() < nodeProfileMost-1000; n++ {
		fmt.Fprintf(&head, `{"callFrame":{"functionName":"%d","url":"u"},"id":%d},`, n, n)
		samples.WriteString(strings.Repeat(fmt.Sprintf(`{"size":9999,"nodeId":%d},`, n), nodeSamples))
	}
	calls := strings.TrimSuffix(head.String(), ",") + "]" + strings.Repeat("}]", nodeCallers) + "}"
	return `{"head":` + calls + `,"samples":[` + strings.TrimSuffix(samples.String(), ",") + "]}"
}

func TestNodeProfileOfAHostileServerTakesLittleMemory(t *testing.T) {
	text := hostileNodeProfile()
	before := heapInUse()
	r := &nodeProfileReader{json: json.NewDecoder(strings.NewReader(text)), until: time.Now().Add(time.Hour)}
	require.NoError(t, r.profile())
	profile := r.nodeProfile
	kept := make(nodeKept)
	kept.add(profile, 1<<30, 0)
	sites := kept.sites()
	assert.Less(t, heapInUse()-before, int64(64<<20-4*inspectorMost))
	assert.Len(t, sites, nodeMostSites)
	assert.Len(t, sites[0].Callers, nodeCallers)
	for worker := range 2 {
		profile.calls[len(profile.calls)-1].Function = fmt.Sprint("of worker ", worker)
		kept.add(profile, 1<<30, 0)
	}
	assert.LessOrEqual(t, len(kept), nodeMostSites)
	platform.KeepAlive(profile)
	platform.KeepAlive(sites)
}

func FuzzReadNodeProfile(f *testing.F) {
	whole := aNodeProfile()
	for _, seed := range []string{whole, whole[:len(whole)/2], `{"head":{"children":[{},{"children":[]}]},"samples":[{"size":8,"nodeId":0}]}`} {
		f.Add([]byte(seed), int64(1<<10), int64(1<<20))
	}
	f.Fuzz(func(t *testing.T, data []byte, heap, outside int64) {
		p, err := readNodeProfile(data)
		if err != nil {
			return
		}
		for i, c := range p.calls {
			require.Less(t, c.caller, i)
		}
		kept := make(nodeKept)
		kept.add(p, heap, outside)
		sites := kept.sites()
		assertPrintable(t, sites)
		for _, s := range sites {
			require.GreaterOrEqual(t, s.Bytes, int64(0))
		}
	})
}

// namingResults are the results of an inspector that works and samples, with some of them replaced.
func namingResults(replaced ...string) map[string]string {
	return statistics(append([]string{
		"HeapProfiler.getSamplingProfile", "?V8 sampling heap profiler was not started.",
		"HeapProfiler.stopSampling", `{"profile":` + aNodeProfile() + `}`,
	}, replaced...)...)
}

func TestNodeNamingByAnInspectorThatWorks(t *testing.T) {
	o := fakeInspector(t, fakeVersion, fakeList, answersAsNode(namingResults()))
	files := make(savedFiles)
	finish, err := o.name(t.Context(), files.save)
	require.NoError(t, err)
	naming, err := finish(t.Context())
	require.NoError(t, err)
	assert.Len(t, naming.Sites, 6)
	name := fmt.Sprintf("node-%d.heapprofile", o.PID)
	assert.Equal(t, []ProfileFile{{Name: name, Open: nodeOpens}}, naming.Files)
	assert.JSONEq(t, aNodeProfile(), string(files[name]))
	_, err = finish(t.Context())
	require.ErrorContains(t, err, "closed", "it is named once")
}

func TestNodeNamingByAnInspectorThatIsHostile(t *testing.T) {
	for name, test := range map[string]struct {
		results        map[string]string
		starts, finish string // what is wrong, if anything
	}{
		"sampled by another": {namingResults("HeapProfiler.getSamplingProfile", "{}"), "by another program", ""},
		"no coverage":        {namingResults("Profiler.startPreciseCoverage", "?none"), "none", ""},
		"no sampling":        {namingResults("HeapProfiler.startSampling", "?none"), "none", ""},
		"no profile":         {namingResults("HeapProfiler.stopSampling", "{}"), "", "EOF"},
		"another profile":    {namingResults("HeapProfiler.stopSampling", `{"profile":{"head":7}}`), "", "expected {"},
		"ends":               {namingResults("HeapProfiler.stopSampling", `!{"method":"NodeRuntime.waitingForDisconnect"}`), "", "the program ends"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fakeInspector(t, fakeVersion, fakeList, answersAsNode(test.results))
			finish, err := o.name(t.Context(), make(savedFiles).save)
			if test.starts != "" {
				require.ErrorContains(t, err, test.starts)
				return
			}
			require.NoError(t, err)
			_, err = finish(t.Context())
			require.ErrorContains(t, err, test.finish)
			assert.Nil(t, o.naming, "its connection is closed")
		})
	}
	t.Run("a file that cannot be written", func(t *testing.T) {
		full := errors.New("disk full")
		o := fakeInspector(t, fakeVersion, fakeList, answersAsNode(namingResults()))
		finish, err := o.name(t.Context(), func(string, func(io.Writer) error) error { return full })
		require.NoError(t, err)
		naming, err := finish(t.Context())
		require.NoError(t, err)
		assert.Len(t, naming.Sites, 6)
		require.Len(t, naming.Files, 1)
		assert.Equal(t, "not written: disk full", naming.Files[0].Open)
	})
}

func TestNodeHeapSnapshotThatCannotBeWritten(t *testing.T) {
	for name, test := range map[string]struct{ answer, want string }{
		"refused":     {"?no memory", "not written: HeapProfiler.takeHeapSnapshot: no memory"},
		"not a piece": {`!{"method":"HeapProfiler.addHeapSnapshotChunk","params":[]}`, "not written: HeapProfiler.takeHeapSnapshot: json"},
		"ends":        {`!{"method":"NodeRuntime.waitingForDisconnect"}`, "not written: HeapProfiler.takeHeapSnapshot: the program ends"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fakeInspector(t, fakeVersion, fakeList, answersAsNode(namingResults("HeapProfiler.takeHeapSnapshot", test.answer)))
			o.snapshot = true
			finish, err := o.name(t.Context(), make(savedFiles).save)
			require.NoError(t, err)
			naming, err := finish(t.Context())
			require.NoError(t, err)
			assert.NotEmpty(t, naming.Sites)
			require.Len(t, naming.Files, 2)
			assert.Contains(t, naming.Files[1].Open, test.want)
		})
	}
}
