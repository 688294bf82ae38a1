// Package config holds the one list of settings. It reads them from flags, the environment and an env file, and reports
// everything that is wrong with them at once. It knows nothing about runs: others translate a Config into their plans.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v10"

	"leaklab/loader/external"
	"leaklab/loader/load"
	"leaklab/loader/scrape"
)

// Config is what the settings say. Its tags are the one list of them, see Setting.
type Config struct {
	Tries        Tries     `env:"TRIES" envDefault:"auto" group:"Run" help:"iterations, or auto: as many as it takes to decide, at most MAX_TRIES; with BASELINE or ALIGN by default 10"`
	MaxTries     Count     `env:"MAX_TRIES" envDefault:"40" group:"Run" help:"most iterations of TRIES=auto"`
	Tolerance    Tolerance `env:"TOLERANCE" envDefault:"4" group:"Run" help:"growth, in bytes per request, that still counts as \"no leak\""`
	Host         Host      `env:"HOST" envDefault:"127.0.0.1" group:"Server" help:"where the server listens" docker:"the IP address of this machine where the lab is published" compose:"server" movable:"true"`
	Port         Port      `env:"PORT" envDefault:"3030" group:"Server" help:"port on which the server listens" docker:"the port of this machine where the server is published" compose:"3030" movable:"true"`
	AllowRemote  bool      `env:"ALLOW_REMOTE" default:"false" group:"Server" help:"load a HOST that is neither this machine, nor on a private network, nor a Compose service" machine:"true"`
	Duration     Burst     `env:"DURATION" envDefault:"auto" group:"Run" help:"length of an iteration's load; auto: 3s, and less at first with TRIES=auto where live memory is read"`
	Workers      Workers   `env:"WORKERS" envDefault:"100" group:"Load" help:"connections that load the server, each with one request at a time, or STREAMS with HTTP/2"`
	Requests     uint64    `env:"REQUESTS" envDefault:"0" group:"Run" help:"requests in an iteration instead of DURATION, for the same run on any machine; 0: DURATION decides"`
	Settle       Rest      `env:"SETTLE" envDefault:"auto" group:"Run" help:"idle time before each reading of memory; auto: 500ms, less where live memory is read, and 15s after each load of an Erlang server"`
	Release      Rest      `env:"RELEASE" envDefault:"auto" group:"Run" help:"idle time after the last iteration, before a reading of what is given back; 0: none; auto: where it can change the verdict"`
	Timeout      Duration  `env:"TIMEOUT" envDefault:"10s" group:"Load" help:"limit for connecting and for a request; the run ends after TIMEOUT and 2s without any response"`
	StartTimeout Duration  `env:"START_TIMEOUT" envDefault:"30s" group:"Server" help:"how long the server may take to answer for the first time"`
	Shapes       Shapes    `env:"SHAPE" envDefault:"keepalive" group:"Load" help:"load pattern; several, separated by commas, are a run each"`
	Unique       Unique    `env:"UNIQUE" envDefault:"path,header" group:"Load" help:"parts of a request that SHAPE=unique makes new each time, one or several"`
	Protocol     Protocol  `env:"PROTOCOL" envDefault:"http1" group:"Load" help:"HTTP/1.1, HTTP/1.1 over TLS, HTTP/2 with prior knowledge, HTTP/2 over TLS, gRPC, gRPC over TLS, WebSocket, WebSocket over TLS, or server-sent events; no HTTP/3 (docs/performance.md)"`
	TLSInsecure  bool      `env:"TLS_INSECURE" default:"false; true for the demo server" group:"Load" help:"accept any server certificate (skip verification)" compose:"${TLS_INSECURE:-true}"`
	Streams      Streams   `env:"STREAMS" envDefault:"10" group:"Load" help:"requests at a time on each connection, with HTTP/2 and the shapes keepalive, upload, unique and idle"`
	Connections  Reuse     `env:"CONNECTIONS" default:"kept" group:"Load" help:"connections stay open from one iteration to the next where the server allows it, or are opened anew in each"`
	Rate         Rate      `env:"RATE" envDefault:"0" group:"Load" help:"requests per second over all workers; 0: as fast as they are answered"`
	RequestPath  Path      `env:"REQUEST_PATH" envDefault:"/hello/warp" group:"Request" help:"path and query to request"`
	ReadyPath    Path      `env:"READY_PATH" default:"the load's own request" group:"Request" help:"path to request by GET, before the load, until the status is below 400"`
	URLFile      File      `env:"URL_FILE" group:"Request" help:"file with a URL or a path in each line, in place of REQUEST_PATH; a line may have a weight, a method and a body" docker:"not available" compose:"-" movable:"true"`
	Method       Method    `env:"METHOD" envDefault:"GET" group:"Request" help:"HTTP method"`
	Headers      Headers   `env:"HEADERS" group:"Request" help:"header lines: Accept: text/html|X-Color: blue; a Host may be among them" secret:"true"`
	BasicAuth    BasicAuth `env:"BASIC_AUTH" group:"Request" help:"user:password" secret:"true"`
	Body         string    `env:"BODY" group:"Request" help:"request body" secret:"true"`
	BodyFile     File      `env:"BODY_FILE" group:"Request" help:"file with the request body" docker:"not available" compose:"-" movable:"true"`
	Protoset     File      `env:"PROTOSET" group:"Request" help:"file with the descriptor set of a gRPC service, for a body in JSON; by default the server is asked, by reflection" docker:"not available" compose:"-" movable:"true"`
	BodyBytes    Size      `env:"BODY_BYTES" envDefault:"65536" group:"Request" help:"size of the body that SHAPE=upload sends without BODY or BODY_FILE"`
	LoadCommand  Command   `env:"LOAD_COMMAND" group:"Load" help:"load tool that makes the load of each iteration instead of the loader: hey -z {duration} -c {workers} {url}" secret:"true"`
	Align        bool      `env:"ALIGN" default:"false" group:"Load" help:"start iterations together with other loaders that have the same settings"`
	Baseline     Server    `env:"BASELINE" group:"Baseline" help:"command of another server to compare with, loaded in turns with the server" docker:"its image, with compose/baseline.yml" compose:"-"`
	BaselineHost Host      `env:"BASELINE_HOST" group:"Baseline" help:"where a baseline listens that runs already; compose/baseline.yml sets it" compose:"-" flag:"-"`
	BaselinePort Port      `env:"BASELINE_PORT" default:"PORT + 1" group:"Baseline" help:"port on which the baseline listens" docker:"by default that of the server" compose:"-" movable:"true"`
	ScrapeWait   Pause     `env:"SCRAPE_WAIT" envDefault:"0s" group:"Results" help:"how long to wait, before the first iteration, for the first scrape by Prometheus" docker:"by default 15s" compose:"${SCRAPE_WAIT:-15s}" machine:"true"`
	Results      File      `env:"RESULTS" envDefault:"results" group:"Results" help:"folder for the files of each run" compose:"/results" machine:"true"`
	GrafanaURL   URL       `env:"GRAFANA_URL" group:"Results" help:"address of a Grafana with the dashboard of leaklab; it is printed for each run whose metrics Prometheus scrapes" docker:"by default that of the lab's" compose:"http://${HOST:-127.0.0.1}:${GRAFANA_PORT:-3000}" machine:"true" redact:"true"`
	MetricsPort  Port      `env:"METRICS_PORT" default:"9102, or a free one if that is taken" group:"Results" help:"port of the loader's own metrics" compose:"9102" machine:"true"`
	ServerPID    PID       `env:"SERVER_PID" group:"Server" help:"process of a running server; by default the one that listens on HOST:PORT" docker:"shared: the process of the server's container" compose:"shared" machine:"true"`
	MetricsURL   URL       `env:"METRICS_URL" group:"Server" help:"Prometheus endpoint of the server: its resident memory if no process is visible, its requests, the heap of its runtime" compose:"http://server:9101/metrics" movable:"true" redact:"true"`
	PprofURL     URL       `env:"PPROF_URL" group:"Server" help:"where a Go server shows /debug/pprof/; found by itself for the demo server" movable:"true" redact:"true"`
	Live         Live      `env:"LIVE" default:"auto for a server that is started for the run, off for one that runs already" group:"Server" help:"runtime that tells live memory, which is what the server still holds after a full collection"`
	Sites        Sites     `env:"SITES" default:"auto" group:"Server" help:"name what live memory that grows belongs to, with one more iteration of load at the end where the runtime needs it"`
	LiveSnapshot bool      `env:"LIVE_SNAPSHOT" default:"false" group:"Server" help:"write a heap snapshot of a Node server whose live memory grows; it takes minutes, and as much memory again"`
	ServerImage  string    `env:"SERVER_IMAGE" group:"Docker" help:"any image in place of the demo server, with compose/image.yml" compose:"-" flag:"-"` // here only for the report

	HostResults File `env:"HOST_RESULTS" group:"Docker" help:"what the host calls the folder that the loader's container has in RESULTS; docker-compose.yml sets it" compose:"${RESULTS:-results}" machine:"true" flag:"-"`

	MetricsMemory   scrape.Selector `env:"METRICS_MEMORY" group:"Server" help:"metric at METRICS_URL that is the resident memory of a server elsewhere, with labels if it has several series; by default it is found" docker:"not available" compose:"-"`
	MetricsRequests scrape.Selector `env:"METRICS_REQUESTS" group:"Server" help:"metric at METRICS_URL that counts the answered requests, with labels if it has others too; by default it is found"`

	// The demo server's settings: here only to notice what is wrong with them, and that it runs with others. To another
	// server they may mean another thing.
	Leak        string `env:"LEAK" default:"heap" group:"Demo server" help:"what the demo server leaks"`
	LeakBytes   string `env:"LEAK_BYTES" default:"64" group:"Demo server" help:"bytes per request that LEAK takes"`
	LeakTTL     string `env:"LEAK_TTL" default:"10s" group:"Demo server" help:"how long LEAK=expire keeps them"`
	LeakEntries string `env:"LEAK_ENTRIES" default:"32768" group:"Demo server" help:"most entries of LEAK=cache"`
}

// fixedTries is how many iterations a run has that cannot end when it is decided, if TRIES is not set.
const fixedTries Tries = 10

// Iterations is how many iterations the run has, or, with TRIES=auto, how many it may have.
func (c Config) Iterations() int {
	if c.Tries == Auto {
		return int(c.MaxTries)
	}
	return int(c.Tries)
}

// Address is where the server listens, as host:port.
func (c Config) Address() string {
	return net.JoinHostPort(string(c.Host), strconv.Itoa(int(c.Port)))
}

// OfBaseline returns the settings as they are for the baseline, which has another address, and no metrics or profiles.
func (c Config) OfBaseline() Config {
	if c.BaselineHost != "" {
		c.Host = c.BaselineHost
	}
	c.Port, c.MetricsURL, c.PprofURL = c.BaselinePort, "", ""
	c.MetricsMemory, c.MetricsRequests = scrape.Selector{}, scrape.Selector{}
	return c
}

// defaultMetricsPort is where Prometheus looks for the loader's own metrics.
const defaultMetricsPort Port = 9102

// MetricsAddress is where the loader's own metrics are served, as host:port: on loopback if the server is
// there, else on all addresses, since Prometheus then comes from another machine or container.
func (c Config) MetricsAddress() string {
	port := c.MetricsPort
	if port == 0 && c.Port != defaultMetricsPort && c.BaselinePort != defaultMetricsPort {
		port = defaultMetricsPort
	}
	return c.metricsAddress(port)
}

// SpareMetricsAddress is a free port for the same, if MetricsAddress is taken; empty if METRICS_PORT is set.
func (c Config) SpareMetricsAddress() string {
	if c.MetricsPort != 0 {
		return ""
	}
	return c.metricsAddress(0)
}

func (c Config) metricsAddress(port Port) string {
	host := ""
	if ip := net.ParseIP(string(c.Host)); c.Host == "localhost" || ip.IsLoopback() {
		host = string(c.Host)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// FromEnvironment reads the settings of this process.
func FromEnvironment() (Config, error) {
	return Parse(env.ToMap(os.Environ()))
}

// Parse reads the settings from environment; an empty value counts as not set. The error names every wrong
// setting with its value and what is expected, a line each; those that are right are returned with it.
func Parse(environment map[string]string) (Config, error) {
	var c Config
	var wrong []error
	err := env.ParseWithOptions(&c, env.Options{Environment: environment})
	var all env.AggregateError
	switch {
	case errors.As(err, &all):
		for _, one := range all.Errors {
			wrong = append(wrong, explain(one, environment))
		}
	case err != nil:
		wrong = append(wrong, err)
	}
	if environment["TRIES"] == "" && (c.Align || c.Baseline != nil) {
		c.Tries = fixedTries
	}
	wrong = append(wrong, c.together()...)
	if c.LoadCommand != nil {
		wrong = append(wrong, c.besideLoadCommand()...)
	}
	if c.Align {
		wrong = append(wrong, c.besideAlign()...)
	}
	if c.Baseline != nil {
		if c.BaselinePort == 0 {
			c.BaselinePort = c.Port + 1
		}
		wrong = append(wrong, c.besideBaseline()...)
	} else if c.BaselineHost != "" {
		wrong = append(wrong, fmt.Errorf("BASELINE_HOST=%q: expected BASELINE as well, which names what runs there", string(c.BaselineHost)))
	}
	return c, errors.Join(wrong...)
}

// mostRequests keeps what a run sums up far below the numbers that a table holds exactly.
const mostRequests = 1_000_000_000

// together names the settings that do not go with another, or are too large for it.
func (c Config) together() (wrong []error) {
	requests := strconv.FormatUint(c.Requests, 10)
	if c.Port == c.MetricsPort && c.Port != 0 {
		wrong = append(wrong, fmt.Errorf("METRICS_PORT=%q: expected another port than the server's PORT", strconv.Itoa(int(c.MetricsPort))))
	}
	wrong = append(wrong, c.besideMetrics()...)
	wrong = append(wrong, c.besideGRPC()...)
	wrong = append(wrong, c.besideStreams()...)
	if c.Body != "" && c.BodyFile != "" {
		wrong = append(wrong, fmt.Errorf("BODY_FILE=%q: expected nothing beside BODY; give one of the two", c.BodyFile))
	}
	if c.BasicAuth != "" && slices.ContainsFunc(c.Headers, func(f load.Field) bool { return strings.EqualFold(f.Name, "Authorization") }) {
		wrong = append(wrong, errors.New("HEADERS: expected no Authorization beside BASIC_AUTH; give one of the two"))
	}
	if c.Unique.isChosen() && c.LoadCommand == nil && c.Shapes != nil && !slices.Contains(c.Shapes, "unique") {
		wrong = append(wrong, fmt.Errorf("UNIQUE=%q: expected SHAPE=unique as well", strings.Join(c.Unique, ",")))
	}
	switch least := float64(c.Requests) / longestDuration.Seconds(); {
	case c.Requests > mostRequests:
		wrong = append(wrong, fmt.Errorf("REQUESTS=%q: expected at most %d in an iteration", requests, mostRequests))
	case c.Rate > 0 && float64(c.Rate) < least:
		wrong = append(wrong, fmt.Errorf("RATE=%q: expected at least %.3f, so that REQUESTS=%s take no longer than %s", decimal(c.Rate), least, requests, longestDuration))
	}
	return wrong
}

func decimal(rate Rate) string { return strconv.FormatFloat(float64(rate), 'f', -1, 64) }

// containsAll is true if each of some is one of all.
func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

var methodPath = regexp.MustCompile(`^/[^/?]+/[^/?]+$`)

// besideGRPC names the settings that a call of gRPC cannot have, and those of calls without PROTOCOL=grpc.
func (c Config) besideGRPC() (wrong []error) {
	if !load.Protocol(c.Protocol).Calls() {
		if c.Protoset != "" {
			wrong = append(wrong, fmt.Errorf("PROTOSET=%q: expected nothing, or PROTOCOL=grpc or grpcs", string(c.Protoset)))
		}
		return wrong
	}
	if c.URLFile == "" && !methodPath.MatchString(string(c.RequestPath)) {
		wrong = append(wrong, fmt.Errorf("REQUEST_PATH=%q: expected \"/package.Service/Method\" with PROTOCOL=%s", string(c.RequestPath), c.Protocol))
	}
	if c.Unique.isChosen() && !containsAll(load.CallDimensions(), c.Unique) {
		wrong = append(wrong, fmt.Errorf("UNIQUE=%q: expected some of %s with PROTOCOL=%s", strings.Join(c.Unique, ","), strings.Join(load.CallDimensions(), ", "), c.Protocol))
	}
	if c.Method != "GET" && c.Method != "POST" {
		wrong = append(wrong, fmt.Errorf("METHOD=%q: expected nothing with PROTOCOL=%s: each call is a POST", string(c.Method), c.Protocol))
	}
	return wrong
}

// besideMetrics names the metrics that are chosen without a page to read them at, or though a process is read.
func (c Config) besideMetrics() (wrong []error) {
	for _, chosen := range []struct {
		name string
		scrape.Selector
	}{{"METRICS_MEMORY", c.MetricsMemory}, {"METRICS_REQUESTS", c.MetricsRequests}} {
		if !chosen.IsZero() && c.MetricsURL == "" {
			wrong = append(wrong, fmt.Errorf("%s=%q: expected METRICS_URL as well, where that metric is", chosen.name, chosen.String()))
		}
	}
	if !c.MetricsMemory.IsZero() && c.ServerPID != 0 {
		wrong = append(wrong, fmt.Errorf("METRICS_MEMORY=%q: expected none with SERVER_PID: the memory of that process is read", c.MetricsMemory.String()))
	}
	return wrong
}

// besideLoadCommand names the settings of the loader's own load that LOAD_COMMAND would ignore.
func (c Config) besideLoadCommand() (wrong []error) {
	ignored := func(name, value, expected string) {
		wrong = append(wrong, fmt.Errorf("%s=%q: expected %s: LOAD_COMMAND is the load", name, value, expected))
	}
	requests := external.Uses(c.LoadCommand, "{requests}")
	if c.Requests > 0 && !requests {
		ignored("REQUESTS", strconv.FormatUint(c.Requests, 10), "{requests} in LOAD_COMMAND, or 0")
	}
	if c.Requests == 0 && requests {
		wrong = append(wrong, errors.New("REQUESTS=\"0\": expected more than 0, since LOAD_COMMAND has {requests}"))
	}
	if c.Rate > 0 && !external.Uses(c.LoadCommand, "{rate}") {
		ignored("RATE", decimal(c.Rate), "{rate} in LOAD_COMMAND, or 0")
	}
	if len(c.Shapes) > 0 && !slices.Equal(c.Shapes, Shapes{"keepalive"}) {
		ignored("SHAPE", strings.Join(c.Shapes, ","), "nothing")
	}
	if c.Unique.isChosen() {
		ignored("UNIQUE", strings.Join(c.Unique, ","), "nothing")
	}
	if c.URLFile != "" {
		ignored("URL_FILE", string(c.URLFile), "nothing")
	}
	if c.Connections != "" {
		ignored("CONNECTIONS", string(c.Connections), "nothing")
	}
	return wrong
}

// besideAlign names the settings with which loaders on other machines could not keep in step.
func (c Config) besideAlign() (wrong []error) {
	not := func(name, value, expected string) {
		wrong = append(wrong, fmt.Errorf("%s=%q: expected %s with ALIGN=true: all loaders begin and end together", name, value, expected))
	}
	if c.Requests > 0 {
		not("REQUESTS", strconv.FormatUint(c.Requests, 10), "0")
	}
	if c.Tries == Auto {
		not("TRIES", "auto", "a number")
	}
	if len(c.Shapes) > 1 {
		not("SHAPE", strings.Join(c.Shapes, ","), "one shape")
	}
	if c.LoadCommand != nil {
		wrong = append(wrong, errors.New("LOAD_COMMAND: expected none with ALIGN=true: all loaders begin and end together"))
	}
	if c.MetricsURL == "" {
		not("METRICS_URL", "", "where the server counts its requests")
	}
	return wrong
}

// besideBaseline names the settings with which two servers could not be loaded in turns.
func (c Config) besideBaseline() (wrong []error) {
	not := func(name, value, expected string) {
		wrong = append(wrong, fmt.Errorf("%s=%q: expected %s", name, value, expected))
	}
	elsewhere := c.BaselineHost != "" && c.BaselineHost != c.Host
	if port := c.BaselinePort; port == 0 || !elsewhere && (port == c.Port || port == c.MetricsPort) {
		not("BASELINE_PORT", strconv.Itoa(int(port)), "a port from 1 to 65535 that is neither PORT nor METRICS_PORT (it is PORT+1 if it is not set)")
	}
	if c.Tries == Auto {
		not("TRIES", "auto", "a number with BASELINE: it is one comparison, when all iterations are there")
	}
	if c.Align {
		not("ALIGN", "true", "false with BASELINE: the servers are loaded in turns, by one loader")
	}
	if c.LoadCommand != nil {
		wrong = append(wrong, errors.New("LOAD_COMMAND: expected none with BASELINE: the loader's own load gives both servers equal requests"))
	}
	if c.ServerPID != 0 && c.BaselineHost == "" {
		not("SERVER_PID", strconv.Itoa(int(c.ServerPID)), "none with BASELINE: both servers are started by the loader")
	}
	if c.BaselineHost != "" && c.ServerPID != Shared {
		not("BASELINE_HOST", string(c.BaselineHost), "nothing but with compose/baseline.yml: a baseline that runs already is found in its PID namespace")
	}
	return wrong
}

func explain(err error, environment map[string]string) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
	name, cause := field.Tag.Get("env"), parse.Err
	switch field.Type.Kind() {
	case reflect.Uint64:
		cause = errors.New("expected a whole number of requests, or 0 for as many as fit into DURATION")
	case reflect.Bool:
		cause = errors.New("expected true or false")
	}
	value := environment[name]
	switch field.Type { // they may hold secrets, and an address may hold a password or a token
	case reflect.TypeFor[BasicAuth](), reflect.TypeFor[Headers](), reflect.TypeFor[Command]():
		return fmt.Errorf("%s: %w", name, cause)
	case reflect.TypeFor[URL]():
		if strings.ContainsAny(value, "@?") {
			return fmt.Errorf("%s: %w", name, cause)
		}
	}
	return fmt.Errorf("%s=%.200q: %w", name, value, cause)
}
