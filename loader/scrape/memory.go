package scrape

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Memory is what a page says of a server's resident memory.
type Memory struct {
	Bytes  float64
	Metric string // with the labels that chose its series
	Series int    // that were added up, such as those of several workers
	Lags   bool   // as figures from /proc/PID/stat do, see Lag of package memory
}

// memoryMetric is a metric of resident memory.
type memoryMetric struct {
	Selector
	ofOthers bool // it is of other processes than the one that serves the page
}

// memoryMetrics are the metrics of resident memory, the better known first. Where they come from: the client libraries of
// Prometheus; OpenTelemetry's process.memory.usage, as its JavaScript exporter writes it; prometheus-net, and .NET 9;
// the process exporter; cAdvisor, whose figure is the anonymous memory of a control group.
var memoryMetrics = []memoryMetric{
	{Selector: Selector{name: ResidentMemory.name}},
	{Selector: Selector{name: declare("process_memory_usage").name}},
	{Selector: Selector{name: declare("process_working_set_bytes").name}},
	{Selector: Selector{name: declare("dotnet_process_memory_working_set_bytes").name}},
	{Selector: Selector{name: declare("namedprocess_namegroup_memory_bytes").name, labels: []label{{"memtype", "resident"}}}, ofOthers: true},
	{Selector: Selector{name: declare("container_memory_rss").name}, ofOthers: true},
}

// distinct are labels in which the workers of one server do not differ: programs, control groups, kinds of memory.
var distinct = []string{
	"name", "container", "container_name", "groupname", "pod", "namespace", "id", "job", "exported_job", "service_name",
	"process_executable_name", "memtype", "type", "kind", "area", "state",
}

// Memory returns the resident memory that the page shows: of the series of chosen, or, if that is the zero Selector, of
// the first known metric. It never takes the memory of an exporter, which is a program beside the server. It fails if
// there is no such metric, or if its series are not of one server.
func (m Metrics) Memory(chosen Selector) (Memory, error) {
	if !chosen.IsZero() {
		return m.total(chosen)
	}
	exporter := m.exporter()
	for _, known := range memoryMetrics {
		if (exporter == "" || known.ofOthers) && len(m.series(known.Selector)) > 0 {
			return m.total(known.Selector)
		}
	}
	if exporter != "" && m[ResidentMemory] != nil {
		return Memory{}, fmt.Errorf("%s is the memory of %s, not the server's; choose another metric by METRICS_MEMORY", ResidentMemory, exporter)
	}
	return Memory{}, fmt.Errorf("%s is missing; choose another metric by METRICS_MEMORY", ResidentMemory)
}

// total adds up the series of a Selector, in bytes.
func (m Metrics) total(chosen Selector) (Memory, error) {
	all := m.series(chosen)
	if len(all) == 0 {
		return Memory{}, fmt.Errorf("%s is missing", chosen)
	}
	for _, name := range distinct {
		if values := valuesOf(all, name); len(values) > 1 {
			for i, value := range values {
				values[i] = chosen.with(name, value).String()
			}
			return Memory{}, fmt.Errorf("%s is not of one server; choose by METRICS_MEMORY: %s", chosen, list(values))
		}
	}
	found := Memory{Metric: chosen.String(), Series: len(all), Lags: !strings.HasPrefix(chosen.name, "container_")}
	for _, series := range all {
		value, known := valueOf(series)
		if !known || !(value >= 0 && value < 1<<62) {
			return Memory{}, notBytes(chosen, value, known)
		}
		found.Bytes += value
	}
	if found.Bytes == 0 || found.Bytes >= 1<<62 {
		return Memory{}, notBytes(chosen, found.Bytes, true)
	}
	return found, nil
}

func notBytes(chosen Selector, value float64, known bool) error {
	if !known {
		return fmt.Errorf("%s is a histogram or a summary; expected a number of bytes", chosen)
	}
	return fmt.Errorf("%s is %v; expected a number of bytes", chosen, value)
}

// valuesOf returns the different values of a label, in the order of the series.
func valuesOf(all []*dto.Metric, name string) []string {
	var values []string
	for _, series := range all {
		if value := labelOf(series, name); !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

// exporterSuffix ends the name of the metric in which exporters tell their version.
const exporterSuffix = "_exporter_build_info"

// exporterMetrics are shown by programs that report on others, beside their own process_resident_memory_bytes.
var exporterMetrics = []struct {
	metric Metric
	name   string
}{
	{declare("node_scrape_collector_success"), "the node exporter"},
	{declare("namedprocess_scrape_errors"), "the process exporter"},
	{declare("apache_up"), "the apache exporter"},
	{declare("nginx_up"), "the nginx exporter"},
	{declare("nginxexporter_build_info"), "the nginx exporter"}, // before its version 1.0
	{declare("haproxy_up"), "the haproxy exporter"},
	{declare("phpfpm_up"), "the php-fpm exporter"},
	{declare("cadvisor_version_info"), "cAdvisor"},
}

// exporter returns the name of the exporter that serves the page; empty if the server serves it. The Java agent of the JMX
// exporter is a part of the server.
func (m Metrics) exporter() string {
	for _, known := range exporterMetrics {
		if m[known.metric] != nil {
			return known.name
		}
	}
	var names []string
	for metric := range m {
		name, found := strings.CutSuffix(metric.name, exporterSuffix)
		agent := strings.Contains(strings.ToLower(m.Label(metric, "name")), "agent")
		if found && name != "" && !(name == "jmx" && agent) {
			names = append(names, "the "+name+" exporter")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// heapMetrics are the metrics of what is in use of a heap, garbage that was not collected yet included: of the client
// libraries of Prometheus, of OpenTelemetry with and without a unit, of Micrometer, and of the older Java client.
var heapMetrics = []Selector{
	{name: declare("nodejs_heap_size_used_bytes").name},
	{name: declare("v8js_memory_heap_used").name},
	{name: declare("v8js_memory_heap_used_bytes").name},
	{name: declare("jvm_memory_used_bytes").name, labels: []label{{"area", "heap"}}},
	{name: declare("jvm_memory_used_bytes").name, labels: []label{{"jvm_memory_type", "heap"}}},
	{name: declare("jvm_memory_bytes_used").name, labels: []label{{"area", "heap"}}},
	{name: GoHeapAlloc.name},
}

// Heap returns what is in use of the server's heap, in bytes, and the metric that tells it. Garbage that was not collected
// yet is in it, so it is not live memory. It is false if the page shows none, or if an exporter serves it.
func (m Metrics) Heap() (used float64, metric string, found bool) {
	if m.exporter() != "" {
		return 0, "", false
	}
	for _, known := range heapMetrics {
		all := m.series(known)
		for _, series := range all {
			value, _ := valueOf(series)
			used += value
		}
		if len(all) > 0 && used > 0 && used < 1<<62 {
			return used, known.String(), true
		}
		used = 0
	}
	return 0, "", false
}

// IsOfExporter is true if the page is served by an exporter, whose own figures are not the server's.
func (m Metrics) IsOfExporter() bool { return m.exporter() != "" }

// processorMetrics are how many processors a runtime uses: no more than the machine has, since a quota lowers them.
var processorMetrics = []Metric{
	declare("go_sched_gomaxprocs_threads"), declare("system_cpu_count"), declare("jvm_cpu_count"), declare("dotnet_process_cpu_count"),
}

// Processors returns how many processors the server's machine has at least; 0 if the page does not tell.
func (m Metrics) Processors() int {
	for _, metric := range processorMetrics {
		if value, found := m.Value(metric); found && value >= 1 && value < 1<<16 {
			return int(value)
		}
	}
	return 0
}
