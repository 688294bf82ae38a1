package live

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/jfr"
	"leaklab/loader/memory"
)

// atATime is how many requests are sent at a time.
const atATime = 4

// leaking is a running testdata/sites/jvm/Leaks.java.
type leaking struct {
	*program
	url    string
	client *http.Client // whose connections stay open
}

// leaks runs the server with a kind of leak.
func leaks(t *testing.T, folder, kind string, options ...string) leaking {
	t.Helper()
	return leaksOf(t, "java", folder, kind, options...)
}

// leaksOf runs it with a program of Java.
func leaksOf(t *testing.T, java, folder, kind string, options ...string) leaking {
	t.Helper()
	return serving(t, exec.Command(java, append(options, "-Dsun.net.httpserver.nodelay=true", "-cp", folder, "Leaks")...), kind)
}

// serving starts a command that is the server.
func serving(t *testing.T, cmd *exec.Cmd, kind string) leaking {
	t.Helper()
	port := freePort(t)
	// The recorder's own folder is left by a JVM that is killed.
	own := t.TempDir()
	require.NoError(t, os.Chmod(own, 0o777))
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=-Djava.io.tmpdir="+own, "LEAK="+kind, "PORT="+port)
	return leaking{program: started(t, cmd), url: "http://127.0.0.1:" + port + "/", client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atATime}}}
}

// load sends requests from that many clients.
func (l leaking) load(requests int) {
	l.t.Helper()
	var all sync.WaitGroup
	for range atATime {
		all.Go(func() {
			for range requests / atATime {
				response, err := l.client.Get(l.url)
				if !assert.NoError(l.t, err) {
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	all.Wait()
}

// folders are those of recordings in the server's /tmp.
func (l leaking) folders() []string {
	l.t.Helper()
	found, err := filepath.Glob(fmt.Sprintf("/tmp/leaklab-%d-*", l.pid))
	require.NoError(l.t, err)
	return found
}

// compiledLeaks returns a folder with the compiled server.
func compiledLeaks(t *testing.T) string {
	t.Helper()
	need(t, "javac")
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	output, err := exec.Command("javac", "-d", folder, "testdata/sites/jvm/Leaks.java").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return folder
}

// lineWith is the number of the line of the server's source that has a text.
func lineWith(t *testing.T, text string) int {
	t.Helper()
	source, err := os.ReadFile("testdata/sites/jvm/Leaks.java")
	require.NoError(t, err)
	before, _, found := strings.Cut(string(source), text)
	require.True(t, found, text)
	return strings.Count(before, "\n") + 1
}

// classGrowth is what classes have grown by from one reading to another, the most first.
func classGrowth(before, after memory.Live) []memory.Site {
	was := make(map[memory.SiteKey]memory.Site)
	for _, site := range before.Sites {
		was[site.Key()] = site
	}
	var grown []memory.Site
	for _, site := range after.Sites {
		site.Bytes -= was[site.Key()].Bytes
		site.Objects -= was[site.Key()].Objects
		grown = append(grown, site)
	}
	slices.SortFunc(grown, func(a, b memory.Site) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return grown
}

// savedIn is a Save that keeps the files.
func savedIn(files map[string][]byte) Save {
	return func(name string, write func(io.Writer) error) error {
		var file bytes.Buffer
		err := write(&file)
		files[name] = file.Bytes()
		return err
	}
}

// named lets the server name what it keeps of requests.
func (l leaking) named(o opened, save Save, requests int) Naming {
	l.t.Helper()
	end, err := o.(namer).name(l.t.Context(), save)
	require.NoError(l.t, err)
	l.load(requests)
	naming, err := end(l.t.Context())
	require.NoError(l.t, err)
	return naming
}

// namedWith has it name until a class is among the sites, three times at most, as a run does: chance decides what is sampled, and
// on a busy machine there are few samples. It returns that site too.
func (l leaking) namedWith(o opened, save Save, requests int, class string) (Naming, memory.Site) {
	l.t.Helper()
	var naming Naming
	for range 3 {
		naming = l.named(o, save, requests)
		if at := slices.IndexFunc(naming.Sites, func(site memory.Site) bool { return site.Class == class }); at >= 0 {
			return naming, naming.Sites[at]
		}
	}
	require.Fail(l.t, "not sampled", "%s: %+v", class, naming.Sites)
	return Naming{}, memory.Site{}
}

// TestHotSpotNamesWhatIsKept has planted leaks. -count=20 shows how often the right line is named.
func TestHotSpotNamesWhatIsKept(t *testing.T) {
	folder := compiledLeaks(t)
	list := []string{"java.lang.Object[]", "java.util.ArrayList.elementData"}
	for _, test := range []struct {
		kind, class string
		bytes       float64 // a request
		function    string
		at          string // in its line
		holders     []string
	}{
		{"static", "int[]", 104, "Leaks.register", "new int[22]", append(list[:2:2], "static field Leaks.KEPT")},
		{"listener", "char[]", 216, "Leaks.listen", "new char[100]", append(append([]string{"Leaks$$Lambda.arg$1"}, list...), "static field Leaks.LISTENERS")},
		{"cache", "byte[]", 1016, "Leaks.lambda$lookUp$2", "new byte[1000]", []string{"java.util.HashMap$Node.value", "java.util.HashMap$Node[]", "java.util.HashMap.table", "static field Leaks.CACHE"}},
		{"thread", "long[]", 416, "Leaks.remember", "new long[50]", append(list[:2:2], "java.lang.ThreadLocal$ThreadLocalMap$Entry.value")},
		{"direct", directBuffer, 64, "Leaks.buffer", "allocateDirect(", append(list[:2:2], "static field Leaks.BUFFERS")},
	} {
		if !long() && test.kind != "static" && test.kind != "direct" {
			continue
		}
		t.Run(test.kind, func(t *testing.T) {
			p := leaks(t, folder, test.kind, trackNative)
			const requests = 2000
			p.load(requests)
			o, err := p.attach()
			require.NoError(t, err)
			before := reading(t, o)
			p.load(requests)
			grown := classGrowth(before, reading(t, o))
			require.Equal(t, test.class, grown[0].Class)
			assert.InEpsilon(t, test.bytes, float64(grown[0].Bytes)/requests, 0.05)
			assert.InEpsilon(t, requests, grown[0].Objects, 0.05)

			files := make(map[string][]byte)
			naming, site := p.namedWith(o, savedIn(files), requests, test.class)
			assert.Equal(t, test.function, site.Function)
			assert.Equal(t, lineWith(t, test.at), site.Line)
			require.GreaterOrEqual(t, len(site.Holders), len(test.holders), site.Holders)
			assert.Equal(t, test.holders, site.Holders[:len(test.holders)])
			if test.kind == "thread" {
				assert.Contains(t, site.Holders[len(site.Holders)-1], "pool-1-thread-")
			} else {
				assert.Len(t, site.Holders, len(test.holders))
			}
			last := naming.Sites[len(naming.Sites)-1]
			if test.kind == "direct" {
				assert.Equal(t, "java.nio.DirectByteBuffer, outside the heap", last.Class)
				assert.True(t, last.Outside)
				assert.Equal(t, test.function, last.Function)
				assert.InEpsilon(t, requests*8192, last.Bytes, 0.05)
			} else {
				assert.Zero(t, last.Bytes)
			}
			require.Len(t, naming.Files, 1)
			assert.Equal(t, "jfr print --events OldObjectSample "+naming.Files[0].Name, naming.Files[0].Open)
			recording, err := jfr.Read(files[naming.Files[0].Name])
			require.NoError(t, err)
			assert.NotEmpty(t, recording.Samples)
		})
	}
}

// A JVM with small buffers (TLAB) names the line, though only G1 can make its heap small, and threads' buffers with it. ZGC
// and Shenandoah give too few samples to name it each time.
func TestHotSpotNamesUnderOtherCollectors(t *testing.T) {
	if !long() {
		t.Skip("takes long; LEAKLAB_LONG=1 runs it")
	}
	folder := compiledLeaks(t)
	for _, collector := range []string{"-XX:+UseSerialGC", "-XX:+UseParallelGC"} {
		t.Run(collector, func(t *testing.T) {
			p := leaks(t, folder, "cache", buffersKept, "-XX:TLABSize=16k", collector)
			p.load(400)
			o, err := p.attach()
			require.NoError(t, err)
			_, site := p.namedWith(o, savedIn(make(map[string][]byte)), 6000, "byte[]")
			assert.Equal(t, "Leaks.lambda$lookUp$2", site.Function)
			assert.Equal(t, lineWith(t, "new byte[1000]"), site.Line)
			assert.Equal(t, "static field Leaks.CACHE", site.Holders[len(site.Holders)-1])
		})
	}
}

func TestHotSpotHasNoSiteThatGrowsWithoutALeak(t *testing.T) {
	p := leaks(t, compiledLeaks(t), "none")
	const requests, tolerance = 2000, 4
	p.load(requests)
	o, err := p.attach()
	require.NoError(t, err)
	before := reading(t, o)
	p.load(requests)
	most := classGrowth(before, reading(t, o))[0]
	assert.Less(t, most.Bytes, int64(requests*tolerance), most.Class)
}

// TestHotSpotIsLeftAsItWas whatever becomes of the iteration.
func TestHotSpotIsLeftAsItWas(t *testing.T) {
	p := leaks(t, compiledLeaks(t), "static", "-XX:MinHeapFreeRatio=33", "-XX:MaxHeapFreeRatio=66", "-XX:+UseG1GC")
	o, err := p.attach()
	require.NoError(t, err)
	left := func(t *testing.T) {
		t.Helper()
		h := o.(*hotSpot)
		recordings, err := h.ask(t.Context(), "JFR.check")
		require.NoError(t, err)
		assert.NotContains(t, recordings, "leaklab-")
		assert.Empty(t, p.folders())
		ratios, err := h.ratios(t.Context())
		require.NoError(t, err)
		assert.Equal(t, heapRatios{least: "33", most: "66"}, ratios)
	}
	none := savedIn(make(map[string][]byte))
	t.Run("named", func(t *testing.T) {
		p.named(o, none, 40)
		left(t)
	})
	t.Run("closed", func(t *testing.T) {
		_, err := o.(namer).name(t.Context(), none)
		require.NoError(t, err)
		assert.Len(t, p.folders(), 1)
		p.load(40)
		require.NoError(t, o.close(t.Context()))
		left(t)
	})
	t.Run("interrupted", func(t *testing.T) {
		end, err := o.(namer).name(t.Context(), none)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = end(ctx)
		require.ErrorIs(t, err, context.Canceled)
		left(t)
	})
	t.Run("not saved", func(t *testing.T) {
		end, err := o.(namer).name(t.Context(), func(string, func(io.Writer) error) error { return os.ErrPermission })
		require.NoError(t, err)
		_, err = end(t.Context())
		require.ErrorIs(t, err, os.ErrPermission)
		left(t)
	})
	t.Run("interrupted at the start", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := o.(namer).name(ctx, none)
		require.ErrorIs(t, err, context.Canceled)
		left(t)
	})
}

// TestHotSpotWithoutARecorder goes on as before, and a few words say why no line is named.
func TestHotSpotWithoutARecorder(t *testing.T) {
	need(t, "jlink")
	folder := compiledLeaks(t)
	runtime := filepath.Join(t.TempDir(), "runtime")
	output, err := exec.Command("jlink", "--add-modules", "jdk.httpserver", "--output", runtime).CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, test := range []struct{ name, java, option, want string }{
		{"a runtime without the module", filepath.Join(runtime, "bin/java"), "-Xshare:auto", "its Java has no JDK Flight Recorder: jlink --add-modules jdk.jfr adds it"},
		{"an option", "java", "-XX:-FlightRecorder", "-XX:-FlightRecorder turns JDK Flight Recorder off"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := leaksOf(t, test.java, folder, "static", test.option)
			o, err := p.attach()
			require.NoError(t, err)
			_, err = o.(namer).name(t.Context(), savedIn(nil))
			require.EqualError(t, err, test.want)
			assert.Empty(t, p.folders())
			p.load(40)
			assert.NotEmpty(t, reading(t, o).Sites)
		})
	}
	_, err = (&hotSpot{}).name(t.Context(), savedIn(nil))
	assert.ErrorContains(t, err, "it has no JDK Flight Recorder", "a JVM whose help has no JFR.start")
}

func TestHotSpotOfAnotherUserIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a program as another user")
	}
	const nobody = 65534
	folder := compiledLeaks(t)
	cmd := exec.Command("java", "-Dsun.net.httpserver.nodelay=true", "-cp", folder, "Leaks")
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	p := serving(t, cmd, "cache")
	_ = os.Remove(p.socket()) // of a JVM of root that had this number and was killed
	p.load(400)               // the first requests keep bytes of the JDK's, of dates and of how it joins strings
	o, err := p.attach()
	require.NoError(t, err)
	_, site := p.namedWith(o, savedIn(make(map[string][]byte)), 2000, "byte[]")
	assert.Equal(t, "Leaks.lambda$lookUp$2", site.Function)
	assert.Empty(t, p.folders())
}

// The recording of the user goes on. What it holds, such as the environment, is not saved.
func TestHotSpotThatIsRecordedAlready(t *testing.T) {
	p := leaks(t, compiledLeaks(t), "cache")
	o, err := p.attach()
	require.NoError(t, err)
	_, err = o.(*hotSpot).ask(t.Context(), "JFR.start name=own settings=profile")
	require.NoError(t, err)
	p.load(1000)
	files := make(map[string][]byte)
	naming, site := p.namedWith(o, savedIn(files), 2000, "byte[]")
	assert.Empty(t, naming.Files)
	assert.Empty(t, files)
	assert.Equal(t, "static field Leaks.CACHE", site.Holders[len(site.Holders)-1])
	recordings, err := o.(*hotSpot).ask(t.Context(), "JFR.check")
	require.NoError(t, err)
	assert.Contains(t, recordings, "name=own")
	assert.NotContains(t, recordings, "leaklab-")
}
