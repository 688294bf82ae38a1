package report

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// browser is a headless Chromium that remembers what its page asked for and complained about.
type browser struct {
	context.Context
	mu         sync.Mutex
	requests   []string
	complaints []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(lab.Need(t, "chromium")), chromedp.NoSandbox,
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
	t.Parallel()
	b := openBrowser(t)
	port := lab.FreePorts(t, 1)[0]
	r := lab.Start(t, []string{"TRIES=7", "DURATION=300ms", "LEAK=heap", "LEAK_BYTES=4096", lab.PprofAt(port)}, "sh", "-c", `exec "$0" "$@" # <b onclick=alert(1)></pre></code></title></style><script>alert(1)</script><img src=x onerror=alert(1)>`, "env", "METRICS_PORT="+port, lab.Server)
	r.ExitCode()
	file := r.RunFile(t)
	path, err := filepath.Abs(filepath.Join(r.Folder(t), "report.html"))
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
	// A bar is of live memory and what else the server holds, one upon the other, or of resident memory alone.
	heights := evaluate[[]float64](t, b, `Object.values([...document.querySelectorAll("#bars rect.bar")].map(bar => bar.getBoundingClientRect()).
		reduce((sums, box) => { sums["at " + box.left] = (sums["at " + box.left] || 0) + box.height; return sums }, {}))`)
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
	assertLiveMemoryIsDrawn(t, b, r.Rows(t))
	assertSitesAreShown(t, b, file)
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

// assertLiveMemoryIsDrawn checks that live memory comes first, and that its dots are as high as the rows of iterations.csv
// have it, all of which do.
func assertLiveMemoryIsDrawn(t *testing.T, b *browser, rows [][]string) {
	t.Helper()
	charts := evaluate[[]string](t, b, `[...document.querySelectorAll("svg")].map(svg => svg.id)`)
	assert.Equal(t, []string{"live", "bars", "course"}, charts)
	dots := evaluate[[]float64](t, b, `[...document.querySelectorAll("#live circle.end")].map(dot => -dot.getBoundingClientRect().top)`)
	require.Len(t, dots, len(rows))
	bytes := func(n int) float64 { return lab.Number(t, rows[n], lab.ColumnLive) }
	last := len(rows) - 1
	require.Greater(t, bytes(last), bytes(0), "the server leaks")
	scale := (dots[last] - dots[0]) / (bytes(last) - bytes(0)) // pixels a byte
	require.Positive(t, scale)
	for n := range rows {
		assert.InDelta(t, scale*(bytes(n)-bytes(0)), dots[n]-dots[0], 2, "dot %d", n+1)
	}
	parts := evaluate[[]string](t, b, `[...document.querySelectorAll("#growths tbody td.part")].map(cell => cell.innerText.split(",")[0])`)
	assert.Equal(t, []string{"live memory", "heap slack", "memory outside the heap", "held memory"}, parts)
}

// assertSitesAreShown checks that the table of sites has those of run.json, or that a sentence says why there are none.
func assertSitesAreShown(t *testing.T, b *browser, file lab.RunFile) {
	t.Helper()
	require.NotNil(t, file.Sites, "the server leaks")
	growth := evaluate[[]string](t, b, `[...document.querySelectorAll("#growing-sites tbody tr:not(.chain)")].map(row => row.cells[2].innerText)`)
	require.Len(t, growth, len(file.Sites.List))
	for n, site := range file.Sites.List {
		assert.Equal(t, strconv.FormatFloat(site.Growth.Estimate, 'f', 1, 64), growth[n])
	}
	if len(growth) == 0 {
		assert.Contains(t, evaluate[string](t, b, `document.body.innerText`), "No site ")
	}
}
