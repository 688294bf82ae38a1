// Package config reads the settings from the environment and reports everything that is wrong with them at
// once.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v10"

	"leaklab/loader/external"
	"leaklab/loader/load"
)

// Config is what the environment says; README.md's table explains each setting.
type Config struct {
	Tries        Tries     `env:"TRIES" envDefault:"10"`
	MaxTries     Count     `env:"MAX_TRIES" envDefault:"100"`
	Tolerance    Tolerance `env:"TOLERANCE" envDefault:"4"`
	Host         Host      `env:"HOST" envDefault:"127.0.0.1"`
	Port         Port      `env:"PORT" envDefault:"3030"`
	AllowRemote  bool      `env:"ALLOW_REMOTE"`
	Duration     Duration  `env:"DURATION" envDefault:"3s"`
	Workers      Workers   `env:"WORKERS" envDefault:"100"`
	Requests     uint64    `env:"REQUESTS" envDefault:"0"`
	Settle       Pause     `env:"SETTLE" envDefault:"500ms"`
	Release      Pause     `env:"RELEASE" envDefault:"5s"`
	Timeout      Duration  `env:"TIMEOUT" envDefault:"10s"`
	StartTimeout Duration  `env:"START_TIMEOUT" envDefault:"30s"`
	Shapes       Shapes    `env:"SHAPE" envDefault:"keepalive"`
	Protocol     Protocol  `env:"PROTOCOL" envDefault:"http1"`
	TLSInsecure  bool      `env:"TLS_INSECURE"`
	Rate         Rate      `env:"RATE" envDefault:"0"`
	RequestPath  Path      `env:"REQUEST_PATH" envDefault:"/hello/warp"`
	URLFile      File      `env:"URL_FILE"`
	Method       Method    `env:"METHOD" envDefault:"GET"`
	Headers      Headers   `env:"HEADERS"`
	BasicAuth    BasicAuth `env:"BASIC_AUTH"`
	Body         string    `env:"BODY"`
	BodyFile     File      `env:"BODY_FILE"`
	BodyBytes    Size      `env:"BODY_BYTES" envDefault:"65536"`
	LoadCommand  Command   `env:"LOAD_COMMAND"`
	Align        bool      `env:"ALIGN"`
	Baseline     Server    `env:"BASELINE"`      // its image if there is a BASELINE_HOST
	BaselineHost Host      `env:"BASELINE_HOST"` // where it runs already; empty if it is to be started
	BaselinePort Port      `env:"BASELINE_PORT"` // the one after PORT if it is not set
	ScrapeWait   Pause     `env:"SCRAPE_WAIT" envDefault:"0s"`
	Results      File      `env:"RESULTS" envDefault:"results"`
	MetricsPort  Port      `env:"METRICS_PORT" envDefault:"9102"`
	ServerPID    PID       `env:"SERVER_PID"`
	MetricsURL   URL       `env:"METRICS_URL"`
	PprofURL     URL       `env:"PPROF_URL"`
	ServerImage  string    `env:"SERVER_IMAGE"` // that Compose runs; here only for the report

	// The demo server's own: here only to notice what is wrong with them, and that it runs with others. To another server
	// they may mean another thing.
	Leak      string `env:"LEAK"`
	LeakBytes string `env:"LEAK_BYTES"`
}

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

// OfBaseline returns the settings as they are for the baseline, which has an address of its own, and shows nothing.
func (c Config) OfBaseline() Config {
	if c.BaselineHost != "" {
		c.Host = c.BaselineHost
	}
	c.Port, c.MetricsURL, c.PprofURL = c.BaselinePort, "", ""
	return c
}

// MetricsAddress is where the loader's own metrics are served, as host:port: on loopback if the server is
// there, else on all addresses, since Prometheus then comes from another machine or container.
func (c Config) MetricsAddress() string {
	host := ""
	if ip := net.ParseIP(string(c.Host)); c.Host == "localhost" || ip.IsLoopback() {
		host = string(c.Host)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(c.MetricsPort)))
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
	if c.Body != "" && c.BodyFile != "" {
		wrong = append(wrong, fmt.Errorf("BODY_FILE=%q: expected nothing beside BODY; give one of the two", c.BodyFile))
	}
	if c.BasicAuth != "" && slices.ContainsFunc(c.Headers, func(f load.Field) bool { return strings.EqualFold(f.Name, "Authorization") }) {
		wrong = append(wrong, errors.New("HEADERS: expected no Authorization beside BASIC_AUTH; give one of the two"))
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
	if c.URLFile != "" {
		ignored("URL_FILE", string(c.URLFile), "nothing")
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
