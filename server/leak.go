package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// mode is a demonstration, chosen by LEAK.
type mode struct {
	name  leakMode
	leaks bool   // false: memory grows for a while or goes up and down, but nothing leaks
	help  string // what it does with LEAK_BYTES, in one line
	shape string // the plainest SHAPE of the loader's load that finds the leak; empty if there is none
	// protocol is the PROTOCOL of that load; empty for any of HTTP.
	protocol string
	// start makes the function that is called once a request, from many goroutines at a time.
	start func(amounts) leak
}

// amounts are how much a demonstration takes.
type amounts struct {
	size    int           // bytes for each request
	ttl     time.Duration // of expire
	entries int           // of cache
}

// leak is what a demonstration does in a request, before the response.
type leak func(http.ResponseWriter, *http.Request)

// each does the same in each request, whatever it is.
func each(do func()) leak {
	return func(http.ResponseWriter, *http.Request) { do() }
}

// always leaks in each request, whatever it is. size is in bytes.
func always(start func(size int) func()) func(amounts) leak {
	return func(a amounts) leak { return each(start(a.size)) }
}

// sized is a demonstration that depends on the size alone, in bytes.
func sized(start func(size int) leak) func(amounts) leak {
	return func(a amounts) leak { return start(a.size) }
}

// modeNamed returns the mode of that name; false if there is none.
func modeNamed(name leakMode) (mode, bool) {
	all := leakModes()
	n := slices.IndexFunc(all, func(m mode) bool { return m.name == name })
	if n < 0 {
		return mode{}, false
	}
	return all[n], true
}

// leakModeNames returns the names of all modes, sorted.
func leakModeNames() []string {
	var names []string
	for _, m := range leakModes() {
		names = append(names, string(m.name))
	}
	slices.Sort(names)
	return names
}

// newLeak starts the demonstration that name chooses, and exports it as a metric. It panics if there is no such mode;
// parseConfig accepts none.
func newLeak(name leakMode, a amounts, metrics prometheus.Registerer) leak {
	m, known := modeNamed(name)
	if !known {
		panic(fmt.Sprintf("no LEAK mode %q", name))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "leaklab_demo_info",
		Help:        "Always 1; the labels name the demonstration leak that the server under test runs.",
		ConstLabels: prometheus.Labels{"leak": string(name), "leak_bytes": strconv.Itoa(a.size)},
	})
	info.Set(1)
	metrics.MustRegister(info)
	return m.start(a)
}

// writeLeakTable prints all modes as a Markdown table. The documentation contains it.
func writeLeakTable(w io.Writer) {
	fmt.Fprintln(w, "| mode | leaks | what it does | found by `SHAPE` |\n|---|---|---|---|")
	for _, m := range leakModes() {
		load := ""
		if m.shape != "" {
			load = "`" + m.shape + "` "
		}
		if m.protocol != "" {
			load += "with `PROTOCOL=" + m.protocol + "` "
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s|\n", m.name, yesNo(m.leaks), m.help, load)
	}
}

// writeLeakHelp prints all modes in columns for a terminal.
func writeLeakHelp(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  LEAK\tleaks\tfound by SHAPE\twhat it does")
	for _, m := range leakModes() {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", m.name, yesNo(m.leaks), strings.TrimSpace(m.shape+" "+m.protocol), strings.ReplaceAll(m.help, "`", ""))
	}
	return table.Flush()
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
