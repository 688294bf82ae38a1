package e2e

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folder is the one that the run has written to.
func (r *run) folder(t *testing.T) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(r.results, "*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	return folders[0]
}

// content is a file of the run's folder.
func (r *run) content(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.folder(t), name))
	require.NoError(t, err)
	return string(content)
}

// runFile is what these tests need of run.json.
type runFile struct {
	Format     int
	Version    string `json:"leaklab_version"`
	State      string
	Reason     string
	Reproduce  string
	Settings   []struct{ Name, Value, Default string }
	Iterations []struct {
		Iteration   int
		RSSEndBytes int64 `json:"rss_end_bytes"`
	}
	Profiles *struct {
		Files    []string
		Requests int
		Sites    []callSite
	}
	Verdict  struct{ Kind, Sentence string }
	Baseline struct {
		Command    string
		Iterations []struct {
			RSSEndBytes int64 `json:"rss_end_bytes"`
		}
		Verdict    struct{ Kind string }
		Difference struct{ Change, Sentence string }
	}
	Environment struct {
		Kernel string
		Server struct {
			Image     *serverImage
			Go        struct{ Version string }
			Variables map[string]string
		}
	}
}

type serverImage struct{ Reference, Digest string }

func (r *run) runFile(t *testing.T) runFile {
	t.Helper()
	return readRunFile(t, r.folder(t))
}

func readRunFile(t *testing.T, folder string) runFile {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	var file runFile
	require.NoError(t, json.Unmarshal(content, &file))
	return file
}

// assertPictures checks that memory.svg and memory.png can be read from the first byte to the last.
func (r *run) assertPictures(t *testing.T) {
	t.Helper()
	vector := xml.NewDecoder(strings.NewReader(r.content(t, "memory.svg")))
	for {
		_, err := vector.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	_, err := png.Decode(strings.NewReader(r.content(t, "memory.png")))
	assert.NoError(t, err)
}

func TestReportOfARun(t *testing.T) {
	r := start(t, []string{"TRIES=6", "DURATION=400ms", "LEAK=heap", "HEADERS=X-Key: hunter2", "BASIC_AUTH=me:hunter2", "BODY=hunter2", "METHOD=POST",
		"GOGC=50", "PASSWORD=hunter2"})
	code := r.exitCode()
	file := r.runFile(t)
	assert.Equal(t, 1, file.Format)
	assert.Equal(t, "complete", file.State)
	assert.Equal(t, code, map[string]int{"no leak": 0, "leak": 1, "inconclusive": 125}[file.Verdict.Kind])
	rows := r.rows(t)
	require.Len(t, file.Iterations, 6)
	for n, i := range file.Iterations {
		assert.EqualValues(t, number(t, rows[n], columnEnd), i.RSSEndBytes)
	}
	assert.Contains(t, file.Environment.Kernel, "linux")
	assert.NotEmpty(t, file.Environment.Server.Go.Version)
	assert.Equal(t, map[string]string{"GOGC": "50"}, file.Environment.Server.Variables)
	assert.Contains(t, file.Reproduce, "TRIES=6 ")
	assert.Contains(t, file.Reproduce, " DURATION=400ms ")
	assert.Contains(t, file.Reproduce, " ./test-me.sh env METRICS_PORT=")
	assert.Contains(t, r.content(t, "report.md"), file.Reproduce)
	assert.Contains(t, r.content(t, "report.md"), "| 6 | ")
	r.assertPictures(t)

	entries, err := os.ReadDir(r.folder(t))
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		assert.NotContains(t, r.content(t, entry.Name()), "hunter2", entry.Name())
	}
	assert.Equal(t, []string{"iterations.csv", "memory.png", "memory.svg", "report.html", "report.md", "run.json", "samples.csv", "server.log"}, names)

	require.NoError(t, os.Remove(filepath.Join(r.folder(t), "memory.png")))
	drawing := exec.Command("../.build/draw", r.folder(t))
	output, err := drawing.CombinedOutput()
	require.NoError(t, err, string(output))
	r.assertPictures(t)
	drawing = exec.Command("../.build/draw", t.TempDir())
	output, _ = drawing.CombinedOutput()
	assert.Equal(t, 2, drawing.ProcessState.ExitCode())
	assert.Contains(t, string(output), "run.json: no such file")
}

func TestSamplesTellLoadFromRest(t *testing.T) {
	r := start(t, []string{"TRIES=2", "DURATION=500ms", "SETTLE=300ms", "LEAK=none"})
	r.exitCode()
	rows, err := csv.NewReader(strings.NewReader(r.content(t, "samples.csv"))).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes", strings.Join(rows[0], ","))
	during := map[string]int{}
	var last time.Time
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[0])
		require.NoError(t, err)
		assert.False(t, at.Before(last))
		last = at
		during[row[1]]++
		assert.Equal(t, number(t, row, 2), number(t, row, 3)+number(t, row, 4)+number(t, row, 5))
	}
	assert.Len(t, during, 3, "idle, and each iteration: %v", during)
	assert.Positive(t, during[""])
	assert.Positive(t, during["1"])
	assert.Positive(t, during["2"])
}

func TestRunKilledInIterationSixLeavesAReportOfFive(t *testing.T) {
	r := start(t, []string{"TRIES=10", "DURATION=1s", "LEAK=heap"})
	require.Eventually(t, func() bool {
		samples, _ := filepath.Glob(filepath.Join(r.results, "*", "samples.csv"))
		return len(samples) == 1 && strings.Contains(r.content(t, "samples.csv"), "Z,6,")
	}, 5*time.Minute, 10*time.Millisecond, "%s%s", &r.out, &r.err)
	require.NoError(t, r.Process.Kill())
	r.exitCode()

	assert.Len(t, r.rows(t), 5)
	file := r.runFile(t)
	assert.Equal(t, "running", file.State)
	assert.Len(t, file.Iterations, 5)
	assert.NotEmpty(t, file.Verdict.Sentence)
	markdown := r.content(t, "report.md")
	assert.Contains(t, markdown, "5 of 10 iterations so far. If the run is not going on any more, it was killed.")
	assert.Contains(t, markdown, "\n| 5 | ")
	assert.NotContains(t, markdown, "\n| 6 | ")
	page := r.content(t, "report.html")
	assert.Equal(t, 5, strings.Count(page, `<rect class="bar`))
	assert.True(t, strings.HasSuffix(page, "</html>\n"))
	r.assertPictures(t)
}

func TestReportOfAServerThatDies(t *testing.T) {
	r := start(t, []string{"TRIES=10000", "DURATION=200ms", "LEAK=none"})
	r.awaitOutput(t, "Iteration: 2 of 10000")
	require.NoError(t, syscall.Kill(r.serverPID(t), syscall.SIGKILL))
	assert.Equal(t, 125, r.exitCode())
	file := r.runFile(t)
	assert.Equal(t, "ended early", file.State)
	assert.Regexp(t, `^iteration \d+ of 10000: the server was killed by SIGKILL`, file.Reason)
	assert.NotContains(t, file.Reason, "last output", "what the server prints is in server.log alone")
	assert.Contains(t, r.content(t, "report.md"), "the server was killed by SIGKILL")
	assert.Len(t, file.Iterations, len(r.rows(t)))
}

// browser is a headless Chromium that remembers what its page asked for and complained about.
type browser struct {
	context.Context
	mu         sync.Mutex
	requests   []string
	complaints []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(need(t, "chromium")), chromedp.NoSandbox,
		chromedp.WindowSize(1040, 900), chromedp.WSURLReadTimeout(2*time.Minute))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{Context: ctx}
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch event := event.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, event.Request.URL)
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, event.Entry.Text)
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	return b
}

// evaluate returns what the script says of the page.
func evaluate[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	result, err := chromedp.Run(b, chromedp.Evaluate[T](script))
	require.NoError(t, err, script)
	return result
}

func TestReportIsDrawnInChromiumFromDebian(t *testing.T) {
	b := openBrowser(t)
	r := start(t, []string{"TRIES=7", "DURATION=300ms", "LEAK=heap"}, "sh", "-c", `exec "$0" "$@" # <b onclick=alert(1)></pre></code></title></style><script>alert(1)</script><img src=x onerror=alert(1)>`, "env", "METRICS_PORT="+freePorts(t, 1)[0], server)
	r.exitCode()
	file := r.runFile(t)
	path, err := filepath.Abs(filepath.Join(r.folder(t), "report.html"))
	require.NoError(t, err)
	address := (&url.URL{Scheme: "file", Path: path}).String()
	require.NoError(t, chromedp.Do(b, chromedp.Navigate(address)))

	verdict := evaluate[string](t, b, `document.querySelector("#verdict").innerText`)
	text := evaluate[string](t, b, `document.body.innerText`)
	assert.True(t, strings.HasPrefix(verdict, "Verdict: "+file.Verdict.Kind), verdict)
	assert.Contains(t, text, file.Verdict.Sentence)
	assert.Contains(t, text, "# <b onclick=alert(1)>", "what comes from outside is text")
	injected := evaluate[int](t, b, `document.querySelectorAll("b, script, img, a, iframe, object, embed, form, base, link, [onclick], [onerror]").length`)
	assert.Zero(t, injected, "and no element")

	// What is drawn, in pixels.
	heights := evaluate[[]float64](t, b, `[...document.querySelectorAll("#bars rect.bar")].map(bar => bar.getBoundingClientRect().height)`)
	require.Len(t, heights, 7)
	for n, i := range file.Iterations {
		assert.InEpsilon(t, float64(i.RSSEndBytes)/float64(file.Iterations[0].RSSEndBytes), heights[n]/heights[0], 0.02, "bar "+strconv.Itoa(n+1))
	}
	outside := evaluate[int](t, b, `[...document.querySelectorAll("svg")].flatMap(svg => {
		const box = svg.getBoundingClientRect()
		return [...svg.querySelectorAll("text, :scope > rect, circle")].map(e => e.getBoundingClientRect())
			.filter(e => e.left < box.left - 1 || e.right > box.right + 1 || e.top < box.top - 1 || e.bottom > box.bottom + 1)
	}).length`)
	assert.Zero(t, outside, "nothing is cut off")
	overlapping := evaluate[[]string](t, b, `[...document.querySelectorAll("svg")].flatMap(svg => {
		const texts = [...svg.querySelectorAll("text")].map(e => ({box: e.getBoundingClientRect(), text: e.textContent}))
		return texts.flatMap(({box: a, text}, i) => texts.slice(i + 1).filter(({box: b}) =>
			a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).map(other => text + " over " + other.text))
	})`)
	assert.Empty(t, overlapping, "no text lies over another")
	fits := evaluate[int](t, b, `document.querySelectorAll("#course .fit, #course .interval").length`)
	assert.Equal(t, 2, fits, "the growth and its interval")
	shades := evaluate[int](t, b, `document.querySelectorAll("#course rect.load").length`)
	assert.Equal(t, 7, shades)
	rows := evaluate[int](t, b, `document.querySelectorAll("#iterations tbody tr").length`)
	assert.Equal(t, 7, rows)

	background := func(scheme string) string {
		_, err := chromedp.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		require.NoError(t, err)
		return evaluate[string](t, b, `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color`)
	}
	assert.NotEqual(t, background("light"), background("dark"))

	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Equal(t, []string{address}, b.requests, "nothing but the page itself is asked for")
	assert.Empty(t, b.complaints)
}
